"""Feeds many random values through the surfaces that strangers reach, and prints what each took: ``make fuzz``.

    python -m tests.fuzz_run [VALUES] [SURFACE ...]

The generator is plain and seeded: far faster than hypothesis, which finds smaller cases in the tests beside each part. An
exception that is not documented ends the run, with the value that caused it.
"""

from __future__ import annotations

import asyncio
import copy
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.fuzz_values import BAD, EVENTS, KEYS, ODD, PLACES
from tests.realtime.test_offline_fuzz import SEEDS
from tests.realtime.test_offline_fuzz_values import BETA_SEEDS, MORE_SEEDS, places

NAMES = KEYS.split() if isinstance(KEYS, str) else " ".join(KEYS).split()
TEXTS = [
    "",
    "x",
    "user",
    "assistant",
    "message",
    "function_call",
    "realtime",
    "pcm16",
    "\ud800",
    "\x1b[2J",
    "AAAA",
    "é漢👍",
]
ALPHABET = "ab:/.?#@=&%[]\"'\\ \t\r\n\0é漢1234567890-_"
# New sessions and models, so that a run is not one conversation.
RENEWED_EVERY = 2_000
# Parts of the messages by which the client tells of its own faults
FAULTS = ("could not be used", "could not be sent", "ended: ")


class Values:
    """Random values of every kind."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def text(self) -> str:
        if self.random.random() < 0.5:
            return self.random.choice(TEXTS + NAMES)
        return "".join(self.random.choices(ALPHABET, k=self.random.randrange(12)))

    def number(self) -> Any:
        pick = self.random.randrange(6)
        if pick < 2:
            return self.random.randint(-(2**40), 2**40)
        return self.random.choice(
            [self.random.uniform(-1e6, 1e6), 0, -1, 10**400, math.inf, -math.inf, math.nan, 1e308]
        )

    def json(self, depth: int = 3) -> Any:
        pick = self.random.random()
        if depth == 0 or pick < 0.5:
            return self.random.choice([None, True, False, self.text(), self.number()])
        if pick < 0.6:
            return self.random.choice(BAD)
        count = self.random.randrange(4)
        if pick < 0.75:
            return [self.json(depth - 1) for _ in range(count)]
        return {self.text(): self.json(depth - 1) for _ in range(count)}

    def anything(self) -> Any:
        return self.random.choice(ODD) if self.random.random() < 0.3 else self.json()

    def changed(
        self,
        events: list[Any],
        places: list[list[tuple[Any, ...]]],
        value: Callable[[], Any] | None = None,
    ) -> Any:
        """A real event with random values at some places, or any value."""
        if self.random.random() < 0.1:
            return self.json()
        index = self.random.randrange(len(events))
        event = copy.deepcopy(events[index])
        changed: list[tuple[Any, ...]] = []
        for _ in range(self.random.randrange(4)):
            if not places[index]:
                break
            path = self.random.choice(places[index])
            # Values are shared by many events: no later change may write into one.
            if any(path[: len(earlier)] == earlier for earlier in changed):
                continue
            changed.append(path)
            holder = event
            try:
                for key in path[:-1]:
                    holder = holder[key]
                if not isinstance(holder, (dict, list)):
                    continue
                if isinstance(holder, dict) and self.random.random() < 0.2:
                    del holder[path[-1]]
                else:
                    holder[path[-1]] = (value or self.json)()
            except (TypeError, KeyError, IndexError):
                continue
        return event


CLIENT_EVENTS = [*SEEDS, *MORE_SEEDS, *BETA_SEEDS]
CLIENT_PLACES = [places(event)[1:] for event in CLIENT_EVENTS]

# A saved session
DOCUMENT = {
    "version": 1,
    "model": "m",
    "voice": "v",
    "mode": "vad",
    "items": [
        {"id": "i", "role": "user", "type": "message", "text": "hello", "heard_samples": 5, "received": 9},
        {
            "id": "j",
            "role": "assistant",
            "type": "message",
            "text": "hi",
            "status": "completed",
            "latency": 0.5,
        },
    ],
    "turns": [{"item_id": "j", "latency": 0.5, "speech_end": 1.0, "first_sample": 1.5}],
    "tokens": {"input": 1},
    "memory": {"name": "x"},
    "place": {"latitude": 1.0, "longitude": 2.0, "wind": 3.0, "name": "here"},
}


def written(event: Any) -> bytes:
    """JSON text as a careless writer makes it; ``null`` for an integer that Python does not write."""
    try:
        return json.dumps(event).encode()
    except ValueError:
        return b"null"


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


# Surfaces: each returns a function that takes one number and feeds one value.


def receive(values: Values) -> Callable[[int], object]:
    """`Session.receive`: no exception, and no fault of the client's own is told."""
    from tests.client_bench import Bench

    bench = Bench()

    def feed(number: int) -> None:
        nonlocal bench
        if number % RENEWED_EVERY == 0:
            bench.turns.stop()
            bench = Bench()
        bench.session.receive(written(values.changed(EVENTS, PLACES)))
        for error in bench.of("error"):
            assert not any(text in error.message for text in FAULTS), error.message
        bench.events.clear()

    return feed


def sending(values: Values) -> Callable[[int], object]:
    """Every sending method: TypeError, ValueError or nothing; what is let in can be written."""
    from tests.client_bench import Bench
    from tests.realtime.test_session_fuzz import places as calls_with

    def copied() -> Any:
        value = values.anything()
        return copy.copy(value) if type(value) in (dict, list) else value

    def changed_event(client: Any) -> None:
        event = values.changed(CLIENT_EVENTS, CLIENT_PLACES, copied)
        event = event if isinstance(event, dict) else {"type": event}
        session, item = event.get("session"), event.get("item")
        if isinstance(session, dict) and values.random.random() < 0.5:
            client.update_session(**session)
        elif item is not None and values.random.random() < 0.5:
            client.create_item(item)
        else:
            client.send(event.pop("type", None), event)

    bench = Bench()

    def feed(number: int) -> None:
        nonlocal bench
        if number % 200 == 0:
            bench.turns.stop()
            bench = Bench()
        calls = [*calls_with(copied()), *([changed_event] * 20)]
        try:
            values.random.choice(calls)(bench.client)
        except (TypeError, ValueError):
            pass
        while len(bench.outbox):
            entry = bench.outbox.take()
            try:
                entry.send(None)
            except StopIteration as taken:
                bench.session.encode(taken.value)
        for error in bench.of("error"):
            assert not any(text in error.message for text in FAULTS), error.message
        bench.events.clear()

    return feed


def relay_client(values: Values) -> Callable[[int], object]:
    """The relay's rules for what a client sends, GA and beta."""
    from realtime.protocol.beta import BetaTranslator
    from realtime.relay import Policy
    from realtime.relay.client_rules import ClientRules, Refusal
    from realtime.relay.policy import LimitPolicy, SessionPolicy

    clients = type(Policy().clients)(
        session_fields=Policy().clients.session_fields | {"tools", "tool_choice", "instructions"},
        voices=("ash",),
    )
    limits = LimitPolicy(messages_per_second=1e9, refusals_per_minute=1e9)
    policy = Policy(limits=limits, clients=clients, session=SessionPolicy(tools=({"name": "lookup"},)))
    rules = [ClientRules(policy, "m", None), ClientRules(policy, "m", BetaTranslator())]

    def feed(number: int) -> None:
        event = values.changed(CLIENT_EVENTS, CLIENT_PLACES)
        # Time goes on, or the limit of bytes a second would refuse everything unread.
        verdict, _ = rules[number % 2].judge(written(event), float(number))
        assert isinstance(verdict, (bytes, Refusal)), verdict
        json.loads(verdict if isinstance(verdict, bytes) else verdict.event(), parse_constant=no_constant)

    return feed


def relay_server(values: Values) -> Callable[[int], object]:
    """The relay's rules for what a server sends."""
    from tests.relay_spy import server_rules_that_hide

    rules = [server_rules_that_hide(beta) for beta in (False, True)]

    def feed(number: int) -> None:
        event = values.changed(EVENTS, PLACES)
        # What JSON does not have may be dropped, by the last resort of the pipe.
        event = json.loads(written(event), parse_constant=lambda name: None)
        shown, _, _ = rules[number % 2].filter(written(event))
        assert shown is None or b"BLUEBIRD" not in shown

    return feed


def console_model(values: Values) -> Callable[[int], object]:
    """The console's model and the rows of its event book."""
    from console.answer_end import answer_end
    from console.session import SessionModel
    from realtime import Event, RealtimeEvent

    model = SessionModel()

    def feed(number: int) -> None:
        nonlocal model
        if number % RENEWED_EVERY == 0:
            model = SessionModel()
        event = values.changed(EVENTS, PLACES)
        event = (
            event
            if isinstance(event, dict) and isinstance(event.get("type"), str)
            else {"type": "x", "y": event}
        )
        model.on_wire(RealtimeEvent("server", Event(event), 1.0))
        model.on_session(values.json())
        model.on_response_done(Event(event))
        answer_end(event.get("response"))
        row = model.events.rows[-1]
        assert not any(one in row.label + row.payload for one in "\x1b\x9b\u202e\0")

    return feed


def saved_sessions(values: Values) -> Callable[[int], object]:
    """Saved sessions: any document, any lines."""
    from console.errors import UserError
    from console.session_files import load_session

    folder = Path(tempfile.mkdtemp())

    def feed(number: int) -> None:
        document = values.changed([DOCUMENT], [places(DOCUMENT)[1:]])
        (folder / "session.json").write_bytes(written(document))
        lines = [
            written(
                {"time": values.number(), "source": values.text(), "event": values.changed(EVENTS, PLACES)}
            )
            for _ in range(2)
        ]
        (folder / "events.jsonl").write_bytes(b"\n".join(lines)[: values.random.randrange(2_000)])
        try:
            load_session(folder)
        except UserError:
            pass

    return feed


def env_files(values: Values) -> Callable[[int], object]:
    """.env files: any bytes."""
    from realtime.env_file import EnvFile
    from realtime.errors import ConfigurationError

    path = Path(tempfile.mkdtemp()) / ".env"
    path.touch(0o600)

    def feed(number: int) -> None:
        text = (
            "\n".join(f"{values.text()}={values.text()}" for _ in range(3))
            + f"\nOPENAI_API_KEY={values.text()}"
        )
        data = text.encode("utf-16" if number % 7 == 0 else "utf-8", "surrogatepass")
        path.write_bytes(values.random.randbytes(20) if number % 11 == 0 else data)
        try:
            file = EnvFile(path)
            file.get("OPENAI_API_KEY")
            file.secret("OPENAI_API_KEY")
        except ConfigurationError:
            pass

    return feed


def endpoints(values: Values) -> Callable[[int], object]:
    """`Endpoint`: any address, key, headers and environment."""
    from websockets.datastructures import Headers
    from websockets.uri import parse_uri

    from realtime import ConfigurationError
    from realtime.protocol.endpoint import Endpoint

    hosts = ["h", "localhost", "127.0.0.1", "[::1]", "a..b", "ü.example", "x" * 64, "api.x.ai"]

    def feed(number: int) -> None:
        pick = values.random.choice
        host, port = pick([*hosts, *hosts, values.text()]), pick(["1", "", "8080", "70000"])
        url = f"{pick(['ws', 'wss', 'http', 'https'])}://{host}:{port}/{pick(['', 'v1', values.text()])}"
        # One argument of three is anything.
        given = [
            pick([url, url, url, values.text(), values.anything()]),
            pick(["", "key", values.anything()]),
        ]
        environment = {"OPENAI_BASE_URL": pick([url, values.text()]), "OPENAI_API_KEY": values.text()}
        clean = {n: v.replace("\0", "").encode("utf-8", "replace").decode() for n, v in environment.items()}
        with patch.dict(os.environ, clean):
            try:
                endpoint = Endpoint(
                    *given,
                    headers=pick([None, {pick(["X", values.text()]): values.text()}, values.anything()]),
                    query=pick([None, {"a": values.text()}, values.anything()]),
                    subprotocols=pick([(), [values.text()], ["realtime"]]),
                )
            except (ConfigurationError, TypeError):
                return
        assert parse_uri(endpoint.reveal_url()).resource_name.isascii()
        Headers(endpoint.reveal_headers()).serialize()
        repr(endpoint)

    return feed


def offline_checks(values: Values) -> Callable[[int], object]:
    """The offline server's checks of client events."""
    from realtime.offline.checks.client_events import check_event
    from realtime.offline.checks.json_text import parse_json
    from realtime.protocol.schema import RequestError

    def feed(number: int) -> None:
        event = values.changed(CLIENT_EVENTS, CLIENT_PLACES)
        try:
            check_event(parse_json(written(event)))
        except RequestError:
            pass

    return feed


SURFACES = {
    one.__name__: one
    for one in (
        receive,
        sending,
        relay_client,
        relay_server,
        console_model,
        saved_sessions,
        env_files,
        endpoints,
        offline_checks,
    )
}


async def run(surface: str, count: int, seed: int = 1) -> float:
    """Feed *count* values through a surface; returns the seconds it took."""
    values = Values(seed)
    feed = SURFACES[surface](values)
    began = time.perf_counter()
    for number in range(count):
        try:
            feed(number)
        except BaseException:
            sys.stderr.write(f"{surface}: value {number} of seed {seed} ends the run\n")
            raise
        if number % 1000 == 0:
            await asyncio.sleep(0)
    return time.perf_counter() - began


def main() -> None:
    """Run the surfaces named on the command line, or all."""
    import logging

    logging.disable(logging.CRITICAL)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for surface in sys.argv[2:] or SURFACES:
        seconds = asyncio.run(run(surface, count))
        print(
            f"{surface}: {count:,} values in {seconds:.0f} s, none raised what is not documented", flush=True
        )


if __name__ == "__main__":
    main()

"""Flags: each verb's --help names what it takes, and what it does not take is refused."""

from __future__ import annotations

import argparse

import pytest

from console.arguments import make_parser
from console.errors import UserError
from console.flags import FLAGS, TAKES, flag_of, refuse_unused
from realtime.offline import question_path
from tests.console.servers import spoken

VALUES = {"mode": "vad", "interrupt": "duck", "llm": "auto"}
# What a flag without a value becomes
CONSTANTS = {"save": "no"}
NEEDED = {"talk": ["q.wav", "--out", "a.wav"], "replay": ["folder"], "report": ["folder"], "agent": ["my.py"]}


def spelled(name: str) -> list[str]:
    flag = flag_of(name)
    return [flag] if FLAGS[name].get("action") else [flag, VALUES.get(name, "x")]


def parsed(arguments: list[str]) -> argparse.Namespace:
    found = make_parser().parse_args(arguments)
    refuse_unused(found)
    return found


@pytest.mark.parametrize("verb", [verb for verb in TAKES if verb is not None])
def test_a_verb_takes_the_flags_of_its_help_before_and_after_it_and_refuses_all_others(verb, run_here):
    usage = run_here(verb, "--help").stdout.partition("\n\n")[0]
    for name in FLAGS:
        flag = spelled(name)[0]
        # Some flags need or exclude others
        with_it = [*spelled(name), *(spelled("llm_url") if name == "llm_model" else [])]
        after, before = [verb, *NEEDED.get(verb, []), *with_it], [*with_it, verb, *NEEDED.get(verb, [])]
        if name in TAKES[verb]:
            assert f"[{flag} " in usage.replace("]", " "), (verb, flag)
            expected = CONSTANTS.get(name, True) if FLAGS[name].get("action") else VALUES.get(name, "x")
            assert getattr(parsed(after), name) == getattr(parsed(before), name) == expected
        else:
            assert f"[{flag} " not in usage.replace("]", " "), (verb, flag)
            with pytest.raises(
                UserError, match="takes no --llm-url" if name == "llm_model" else f"takes no {flag};"
            ):
                parsed(before)
            with pytest.raises(UserError, match="unrecognized|takes no"):
                parsed(after)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--plain", "--json"], "exclude each other"),
        (["--url", "ws://h", "--offline"], "give one of them"),
        (["--url", "ws://h", "--llm", "auto"], "give one of them"),
        (["--llm", "auto", "--llm-url", "http://h"], "give one of them"),
        (["--llm-model", "m"], "needs --llm-url"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(flags, says):
    with pytest.raises(UserError, match=says):
        parsed(flags)


def test_every_verb_of_the_help_explains_itself_without_jargon_of_the_screen(run_here):
    told = run_here("--help").stdout
    for verb in ("talk", "captions", "devices", "doctor", "replay", "demo", "relay", "offline"):
        assert f"    {verb} " in told, verb
        assert run_here(verb, "--help").returncode == 0


def test_the_voice_of_talk_reaches_the_session(run_here, serve, tmp_path):
    server = serve(spoken("hello"))
    out = tmp_path / "a.wav"
    run_here("talk", question_path("hello"), "--out", out, "--url", server.url, "--voice", "cedar")
    updates = [event["session"] for event in server.received if event["type"] == "session.update"]
    assert any(session["audio"]["output"]["voice"] == "cedar" for session in updates), updates

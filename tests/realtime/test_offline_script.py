"""The offline server answers from a saved session: the same transcript, audio and tool calls, turn by turn."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime import RealtimeClient
from realtime.offline import OfflineServer, SessionOptions, start_server_process
from realtime.offline.__main__ import main
from realtime.offline.models.interfaces import Voice
from realtime.offline.models.standin import EnergyActivity, PrerenderedSpeech, StandInTranscript
from realtime.offline.replies.rules import Call, Context, Message, RuleReplies, Spoken, ToolCall, ToolOutput
from realtime.offline.replies.script import ENDED, ScriptedReplies, read_script
from tests.waiting import until
from wavtools import WavPacker

STANDIN = Voice(EnergyActivity, StandInTranscript, PrerenderedSpeech, only_says="never said")


def tone(seconds: float, pitch: float, rate: int = 24_000) -> np.ndarray:
    return (9000 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


def write(folder: Path, items: list[dict[str, Any]], **audio: tuple[np.ndarray, int]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "session.json").write_text(json.dumps({"version": 1, "items": items}))
    for name, (samples, rate) in audio.items():
        WavPacker.pack(samples, rate).save(folder / f"{name}.wav")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spoken turn, a typed one with two tool calls in one response, and what follows."""
    return write(
        tmp_path / "call",
        [
            {"role": "session", "text": "a new session"},
            {"role": "user", "text": "Who are you? ", "audio": "user.wav"},
            {"role": "assistant", "text": "I am Ada. I count.", "audio": "first.wav", "response": "r1"},
            {"role": "user", "text": "The weather in Paris and Rome?"},
            {"role": "function", "name": "look", "arguments": '{"city":"Paris"}', "response": "r2"},
            {"role": "output", "text": "12"},
            {"role": "function", "name": "look", "arguments": '{"city":"Rome"}', "response": "r2"},
            {"role": "output", "text": "18"},
            {"role": "assistant", "text": "Twelve and eighteen.", "audio": "second.wav", "response": "r3"},
        ],
        user=(tone(1, 300), 24_000),
        first=(tone(0.5, 440), 24_000),
        second=(tone(0.25, 880, 48_000), 48_000),
    )


async def pieces(folder: Path, *history: Any) -> list[Any]:
    replies = ScriptedReplies(read_script(folder))
    return [piece async for piece in replies.reply(Context("", history))]


async def test_a_response_continues_behind_the_outputs_that_the_conversation_holds(folder: Path) -> None:
    user, said = Message("user", "?"), Message("assistant", "I am Ada.")
    call, output = ToolCall("c", "look", "{}"), ToolOutput("c", "look", "12")
    [first] = await pieces(folder, user)
    assert isinstance(first, Spoken) and first.text == "I am Ada. I count." and len(first.samples) == 12_000
    calls = await pieces(folder, user, said, user)
    assert calls == [Call("look", '{"city":"Paris"}'), Call("look", '{"city":"Rome"}')]
    # A response that was cut after its first call goes on with the next response
    for outputs in ([call, output], [call, output, call, output]):
        [third] = await pieces(folder, user, said, user, *outputs)
        assert third.text == "Twelve and eighteen." and abs(len(third.samples) - 6_000) < 10
    [end] = await pieces(folder, user, said, call, call, said)
    assert end.text == ENDED and not len(end.samples)


async def test_the_server_repeats_transcript_audio_and_tool_calls_of_the_folder(folder: Path) -> None:
    asked = []
    async with OfflineServer(voice=STANDIN, script=folder, options=SessionOptions(pace=0)) as server:
        client = RealtimeClient(
            url=server.url, api_key="", turn_detection=None, input_audio_transcription={"model": "whisper-1"}
        )

        @client.tool
        def look(city: str) -> str:
            """Look.

            Parameters
            ----------
            city : str
                Where.
            """
            asked.append(city)
            return "warm"

        await client.connect()
        client.append_input_audio(tone(1, 300))
        client.create_response()
        await client.wait_for_next_completed_item()
        await until(lambda: len(client.conversation.get_items()) == 2)
        await until(lambda: client.conversation.get_items()[1].status == "completed")
        client.send_user_message_content("The weather?")
        await until(lambda: len(client.conversation.get_items()) == 8, 10)
        await until(lambda: client.conversation.get_items()[-1].status == "completed")
        items = client.conversation.get_items()
        assert [item.formatted.transcript for item in items if item.role == "assistant"] == [
            "I am Ada. I count.",
            "Twelve and eighteen.",
        ]
        assert items[0].formatted.transcript == "Who are you?"
        assert np.array_equal(items[1].formatted.audio, tone(0.5, 440))
        assert asked == ["Paris", "Rome"]
        await client.disconnect()


async def test_a_session_of_text_gets_the_words(folder: Path) -> None:
    async with OfflineServer(voice=STANDIN, script=str(folder)) as server:
        client = RealtimeClient(url=server.url, api_key="", output_modalities=["text"])
        async with client:
            answer = await client.ask("Who are you?")
            assert answer.text == "I am Ada. I count."


async def test_a_spoken_item_whose_words_are_unknown_is_recognised(tmp_path: Path) -> None:
    items = [
        {"role": "user", "text": "", "audio": "user.wav"},
        {"role": "assistant", "text": "Yes."},
    ]
    async with OfflineServer(voice=STANDIN, script=write(tmp_path / "call", items)) as server:
        client = RealtimeClient(
            url=server.url, api_key="", turn_detection=None, input_audio_transcription={"model": "whisper-1"}
        )
        async with client:
            client.append_input_audio(tone(1, 300))
            client.create_response()
            await until(
                lambda: any(item.formatted.transcript for item in client.conversation.get_items()[:1])
            )
            assert client.conversation.get_items()[0].formatted.transcript == "(speech, 1.0 s)"


async def test_words_are_not_recognised_early_while_the_recording_has_them(folder: Path) -> None:
    heard = []
    async with OfflineServer(voice=STANDIN, script=folder) as server:
        client = RealtimeClient(
            url=server.url,
            api_key="",
            turn_detection={"type": "server_vad", "silence_duration_ms": 300},
            input_audio_transcription={"model": "whisper-1"},
        )
        client.on("user.transcript", lambda event: heard.append(event.transcript))
        async with client:
            client.append_input_audio(np.concatenate([np.zeros(4_800, np.int16), tone(0.7, 300)]))
            await client.wait_for_next("server.input_audio_buffer.speech_started", timeout=40)
            client.append_input_audio(np.zeros(19_200, np.int16))
            await until(lambda: heard, 40)
    assert heard[-1] == "Who are you?"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is not a saved session: it has no session.json"),
        (b"{", "is damaged: it holds no JSON"),
        (b"\xff", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[]", "holds no answer"),
        (b'{"items": [3, {"role": 4}, {"role": "user", "text": "x"}]}', "holds no answer"),
    ],
)
def test_a_folder_that_is_none_is_refused_in_words(tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "session.json").write_bytes(content)
    with pytest.raises(ValueError, match=says):
        OfflineServer(voice=STANDIN, script=tmp_path)


def test_a_document_that_cannot_be_read_or_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot read"):
        read_script(tmp_path / "file")
    write(tmp_path / "call", [])
    monkeypatch.setattr("realtime.offline.replies.script.LONGEST_BYTES", 5)
    with pytest.raises(ValueError, match="too large"):
        read_script(tmp_path / "call")


def test_a_script_and_a_replier_exclude_each_other(folder: Path) -> None:
    with pytest.raises(ValueError, match="a script replaces the replier"):
        OfflineServer(voice=STANDIN, script=folder, replier=RuleReplies())


def test_audio_is_never_read_outside_of_the_folder(tmp_path: Path) -> None:
    WavPacker.pack(tone(1, 300), 24_000).save(tmp_path / "secret.wav")
    names: list[Any] = ["../secret.wav", "missing.wav", "a\0b", 7, "session.json"]
    items = [{"role": "assistant", "text": str(name), "audio": name} for name in names]
    items.append({"role": "function", "text": 'old({"a":1})'})
    items.append({"role": "function", "text": "older()"})
    [answer] = read_script(write(tmp_path / "call", items)).answers
    assert [len(piece.samples) for piece in answer if isinstance(piece, Spoken)] == [0] * len(names)
    assert answer[-2:] == [Call("old", '{"a":1}'), Call("older", "{}")]


async def test_the_command_line_takes_a_folder(folder: Path) -> None:
    server = await asyncio.to_thread(
        start_server_process, "--voice", "standin", "--script", str(folder), wait_ready=False
    )
    async with server, RealtimeClient(url=server.url, api_key="") as client:
        answer = await client.ask("Who are you?")
        assert answer.transcript == "I am Ada. I count."


def test_a_mistake_on_the_command_line_is_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, says in (
        (["--script", str(tmp_path)], "is not a saved session"),
        (["--script", str(folder), "--llm-url", "http://x", "--llm-model", "m"], "give one of them"),
    ):
        assert main(["--voice", "standin", *arguments]) == 2
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1

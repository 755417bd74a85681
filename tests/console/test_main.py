"""The verbs and views of the command line."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from console.arguments import make_parser
from console.session import SessionModel
from console.session_files import save_session
from tests.audio_server import no_server_environment
from tests.console.fakes import answer, updated, wire
from tests.console.programs import run_console


@pytest.fixture(scope="module", autouse=True)
def piped(offline_url, tmp_path_factory):
    """Consoles whose input is one question, as futures. They wait for sound while the other tests of this module run."""
    env = no_server_environment(tmp_path_factory.mktemp("piped"))
    question = "Please remember that my name is Ada\n"
    with ThreadPoolExecutor() as both:
        yield [
            both.submit(run_console, view, "--url", offline_url, env=env, stdin=question)
            for view in ("--json", "--plain")
        ]


def test_flags_may_stand_before_and_after_the_verb():
    before = make_parser().parse_args(["--offline", "--model", "m", "doctor"])
    after = make_parser().parse_args(["doctor", "--offline", "--model", "m"])
    assert (before.offline, before.model) == (after.offline, after.model) == (True, "m")


def test_a_saved_session_is_replayed_as_text_and_a_wrong_folder_is_one_line(run_here, tmp_path):
    model = SessionModel()
    model.on_wire(wire("server", 1.0, type="session.created"))
    model.on_updated(updated(answer("u1", "hello", 1, "user")))
    folder = save_session(model, tmp_path / "s")
    again = run_here("replay", folder)
    assert again.returncode == 0, again.stderr
    assert "you:       hello" in again.stdout
    wrong = run_here("replay", tmp_path)
    assert (
        wrong.returncode == 2
        and len(wrong.stderr.splitlines()) == 1
        and "not a saved session" in wrong.stderr
    )


def test_doctor_says_what_to_mend(tmp_path):
    done = run_console("doctor", "--url", "ws://127.0.0.1:9", env=no_server_environment(tmp_path))
    assert done.returncode == 1
    assert "MEND     microphone: " in done.stdout or "ok       microphone" in done.stdout
    assert "MEND     endpoint: ws://127.0.0.1:9" in done.stdout


@pytest.mark.audio
def test_doctor_measures_the_round_trip_of_a_tone_and_the_echo_of_the_room(offline_url, audio_server):
    # The speaker's own monitor as microphone: what is played is heard.
    options = ["--url", offline_url, "--input", "speaker.monitor", "--output", "speaker"]
    done = run_console("doctor", *options, env=audio_server.env)
    assert "ok       endpoint: " in done.stdout, done.stdout + done.stderr
    assert "test tone: heard after " in done.stdout, done.stdout
    assert "echo: the microphone hears the speaker after " in done.stdout, done.stdout
    assert "canceller removes " in done.stdout and "(cancel)" in done.stdout, done.stdout
    assert done.returncode == 0


def test_the_servers_are_verbs_too(tmp_path):
    done = run_console("offline", "--port", "x", env=dict(os.environ))
    assert done.returncode == 2 and "is not a port" in done.stderr


def test_a_piped_question_is_answered_in_json_and_in_plain_text(piped):
    done, plain = (view.result() for view in piped)
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert any(entry.get("event", {}).get("type") == "session.created" for entry in entries)
    assert any(entry.get("item", {}).get("role") == "assistant" for entry in entries)
    assert done.stdout.isascii()
    assert plain.returncode == 0, plain.stderr
    assert "you:       Please remember that my name is Ada" in plain.stdout
    assert "tool:      set_memory(" in plain.stdout and "assistant: " in plain.stdout

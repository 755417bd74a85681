"""Each example that talks to a model says why there is no answer: here, because the account has no money left."""

from __future__ import annotations

import subprocess

import pytest

from realtime.offline import question_path
from tests.examples.programs import NAMES, Program, command, environment, source_of
from tests.examples.test_talks import post, serving, web
from tests.waiting import until_blocking

REASON = "insufficient_quota"
# These ask once, and end with the reason.
ASK = {
    "azure.py": [],
    "quickstart.py": [],
    "stream_file.py": [question_path(), "answer.wav"],
    "tools.py": [],
    "two_conversations.py": [],
}
# These listen, and go on.
LISTEN = {"kiosk.py": [], "stereo_call.py": []}
BELOW = {
    "chat.py",
    "notebook.ipynb",
    "push_to_talk.py",
    "transcribe.py",
    "web_app.py",
    # It runs in the console, whose tests have the failures: tests/console/test_failures.py
    "my_agent.py",
    # In test_telephone.py
    "telephone_bridge.py",
}


def test_every_example_that_talks_to_a_model_is_tested():
    talks = {
        name for name in NAMES if "realtime." in source_of(name) or "from realtime import" in source_of(name)
    }
    # Its server is any websocket.
    assert talks - {"microphone_to_websocket.py"} == ASK.keys() | LISTEN.keys() | BELOW


@pytest.mark.parametrize("name", ASK)
def test_an_example_that_asks_ends_with_the_reason(name, failing_url, tmp_path):
    azure = {
        "AZURE_OPENAI_ENDPOINT": failing_url.replace("ws:", "http:").partition("/v1")[0],
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_DEPLOYMENT": "gpt-realtime",
    }
    with Program(name, *ASK[name], env=environment(failing_url, **azure), cwd=tmp_path) as program:
        assert REASON in program.end(expect=1)
    assert not (tmp_path / "answer.wav").exists()


def test_chat_ends_with_the_reason(failing_url, tmp_path):
    with Program("chat.py", env=environment(failing_url), cwd=tmp_path) as program:
        program.wait_for("you: ")
        program.type("Hello")
        program.wait_for(REASON)
        program.end(expect=1)


def test_push_to_talk_shows_the_reason_and_goes_on(failing_url, tmp_path):
    with Program("push_to_talk.py", "null", env=environment(failing_url), cwd=tmp_path) as program:
        for _ in range(2):
            program.type("\n")
            program.wait_for("no answer: ")
            program.wait_for(REASON)
        program.interrupt()


@pytest.mark.parametrize("name", LISTEN)
def test_an_example_that_listens_shows_the_reason_and_goes_on(name, failing_url, room, tmp_path):
    with Program(name, *LISTEN[name], env=room.environment(failing_url), cwd=tmp_path) as program:
        until_blocking(room.listens, 30)
        room.say()
        program.wait_for("no answer: ")
        program.wait_for(REASON)
        program.interrupt()


def test_transcribe_ends_with_the_reason(failing_url, room, tmp_path):
    with Program("transcribe.py", env=room.environment(failing_url), cwd=tmp_path) as program:
        until_blocking(room.listens, 30)
        room.say()
        program.wait_for(REASON)
        program.end(expect=1)


def test_the_notebook_shows_the_reason_in_its_cell(failing_url, room, tmp_path):
    pytest.importorskip("IPython")
    env = room.environment(failing_url, IPYTHONDIR=str(tmp_path))
    done = subprocess.run(command("notebook.ipynb"), env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode and f"AnswerError: A failure on request. ({REASON})" in done.stderr


@web
def test_the_web_app_answers_with_the_reason(failing_url, tmp_path):
    with Program("web_app.py", "--port", 0, env=environment(failing_url), cwd=tmp_path) as program:
        status, answer = post(serving(program), question_path().read_bytes())
        assert status == 502 and REASON in answer.decode()
        program.interrupt()

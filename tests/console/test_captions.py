"""``captions``: what is said, printed as it is said."""

from __future__ import annotations

import os

import pytest

from realtime.offline import question_path
from tests.console.programs import run_console


def test_the_words_of_a_file_are_printed_a_line_for_each_utterance(offline_url):
    done = run_console("captions", question_path("hello"), "--url", offline_url, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(speech, 2.") and done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.wav"], "missing.wav: no such file"),
        (["."], "it is a folder"),
        ([__file__], ""),
    ],
)
def test_what_is_no_recording_is_told_in_one_line(arguments, says, offline_url):
    done = run_console("captions", *arguments, "--url", offline_url, env=os.environ)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_server_that_is_not_there_is_told_in_one_line():
    done = run_console("captions", question_path("hello"), "--url", "ws://127.0.0.1:1", env=os.environ)
    assert done.returncode == 2 and "127.0.0.1" in done.stderr and "Traceback" not in done.stderr

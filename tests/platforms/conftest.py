"""Which of these tests run: compiling for every processor takes minutes, so only `make platforms` does it."""

import os
from pathlib import Path

import pytest

from tests.platforms.records import Records

LONG = ["test_compilers.py", "test_extensions.py", "test_arm64.py", "test_newer_pythons.py"]
# A file that is named on the command line is collected all the same.
collect_ignore = [] if os.environ.get("WAVTOOLS_SOAK") else LONG


def pytest_collection(session: pytest.Session) -> None:
    folder = os.environ.get("WAVTOOLS_RECORDS")
    if folder and not session.config.pluginmanager.has_plugin("records"):
        session.config.pluginmanager.register(Records(Path(folder).absolute()), "records")

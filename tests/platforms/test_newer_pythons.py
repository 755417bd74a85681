"""CPython 3.13 to 3.15 as newer Debian releases package them, with the wheels that pip chooses there.

`make platforms` runs this. A Python that the archive does not have now is skipped.
"""

from __future__ import annotations

import pytest

from tests.platforms.debian_pythons import folder_of, output_of, run_tests

pytestmark = pytest.mark.timeout(3600)

PYTHONS = {"3.13": "trixie", "3.14": "sid", "3.15": "sid"}
REALTIME = ["test_link.py", "test_client.py", "test_session.py"]


@pytest.fixture(scope="module", params=PYTHONS)
def folder(request):
    return folder_of(PYTHONS[request.param], request.param)


def test_the_package_is_built_and_imported(folder):
    version = output_of(folder, "import platform, wavtools; print(platform.python_version())")
    assert version.startswith(folder.name.split("-")[1])


def test_the_tests_of_wavtools_pass(folder, record_property):
    record_property(folder.name, run_tests(folder))


def test_the_tests_of_realtime_pass(folder, record_property):
    found = run_tests(folder, *(f"tests/realtime/{name}" for name in REALTIME))
    record_property(f"{folder.name}, realtime", found)

"""docs/errors.md lists every error code, event and close code of the source, with cause and remedy."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools.error_names import ROOT, error_codes, missing, names, rows


def test_the_page_lists_every_code_event_and_close_code():
    assert missing() == [], "add these rows to docs/errors.md, or run: python tools/error_names.py"


def test_each_row_says_the_cause_and_what_to_do():
    for name, cells in rows().items():
        if name != "1004":
            assert all(cells[-2:]), f"{name}: {cells}"


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("code", {"not_allowed", "invalid_value", "session_expired", "decimal_below_min_value"}),
        ("close code", {"1008", "3000", "4000", "1001"}),
        ("source", {"server", "wire", "handler"}),
        ("exception", {"ConnectError", "ToolError"}),
        ("HTTP refusal", {"origin", "token"}),
        ("log event", {"session.opened", "worker.died"}),
        ("client event", {"error", "close", "response.failed"}),
    ],
)
def test_the_names_are_found_in_the_source(kind, some):
    assert some <= names()[kind]


def test_a_new_code_is_noticed(tmp_path):
    source = 'raise RequestError("brand_new_code", "x")\nprint(dict(code="not a code"))\nf(code="other_code")'
    assert {"brand_new_code", "other_code"} <= set(error_codes(ast.parse(source), Path("x.py")))
    folder = tmp_path / "src" / "realtime"
    folder.mkdir(parents=True)
    (folder / "new.py").write_text(source)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "errors.md").write_text("| `other_code` | x | y |\n")
    assert missing(tmp_path) == ["| `brand_new_code` | (code) | |"]
    assert (ROOT / "docs" / "errors.md").exists()

"""Exceptions carry the fields of their causes."""

from __future__ import annotations

import realtime
from realtime import ServerError, ToolError


def test_server_errors_carry_their_fields():
    error = ServerError("no", type="t", code="c", param="p", event_id="e")
    assert (str(error), error.type, error.code, error.param, error.event_id) == ("no", "t", "c", "p", "e")
    assert isinstance(ToolError("x"), realtime.RealtimeError)

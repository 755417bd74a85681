"""Says in words how an answer ended, if it did not end as it should.

Thread: any; stateless.
"""

from __future__ import annotations

from typing import Any

from .text import one_line

__all__ = ["answer_end"]

REASONS = {
    "max_output_tokens": "it reached the limit of output tokens; ask for a shorter answer",
    "content_filter": "the server's content filter stopped it; ask in other words",
    "turn_detected": "the server heard speech",
    "client_cancelled": "it was interrupted",
}


def answer_end(response: Any) -> str | None:
    """Return how a response ended, in words for the user; None for a complete one.

    Parameters
    ----------
    response : dict
        The ``response`` of a ``response.done`` event. Anything else counts as complete.
    """
    response = response if isinstance(response, dict) else {}
    status, details = response.get("status"), response.get("status_details")
    details = details if isinstance(details, dict) else {}
    if status in (None, "completed", "in_progress"):
        return None
    error = details.get("error")
    if status == "failed" or isinstance(error, dict):
        error = error if isinstance(error, dict) else {}
        told = error.get("message") or error.get("code") or details.get("reason")
        return f"the server could not answer: {one_line(told or 'it gave no reason', 300)}"
    reason = details.get("reason")
    known = REASONS.get(reason) if isinstance(reason, str) else None
    why = f"{known} ({reason})" if known else one_line(reason or "the server gave no reason", 100)
    return f"the answer is {one_line(status, 40)}: {why}"

"""Names for the websocket close codes that the relay sends, and the codes that no frame may carry.

Source: RFC 6455, section 7.4, and its registry. 3008 is registered as "timeout". Clients reconnect after 1012 and
1013, and do not reconnect after 1008 and 3008.

Thread: any; constants.
"""

from __future__ import annotations

__all__ = [
    "ABNORMAL",
    "GOING_AWAY",
    "INTERNAL_ERROR",
    "INVALID_DATA",
    "NOT_SENDABLE",
    "POLICY_VIOLATION",
    "SERVICE_RESTART",
    "TIMEOUT",
    "TLS_FAILURE",
    "TOO_BIG",
    "TRY_AGAIN_LATER",
    "UNSUPPORTED_DATA",
]

GOING_AWAY = 1001
UNSUPPORTED_DATA = 1003
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013
TIMEOUT = 3008

# Reported for a connection that ended without a close frame, or in TLS
ABNORMAL = 1006
TLS_FAILURE = 1015
NOT_SENDABLE = frozenset((1004, 1005, ABNORMAL, TLS_FAILURE))

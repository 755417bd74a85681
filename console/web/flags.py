"""The flags of the verb ``web``.

Thread: the main one.
"""

from __future__ import annotations

import argparse

__all__ = ["add_web"]


def add_web(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments to its parser."""
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open no browser")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s); another one than this machine's own needs "
        "--tls-certificate and --tls-key, or --insecure-host",
    )
    parser.add_argument("--tls-certificate", metavar="FILE", help="certificate chain (PEM), for https")
    parser.add_argument("--tls-key", metavar="FILE", help="private key of the certificate (PEM)")
    parser.add_argument(
        "--insecure-host",
        action="store_true",
        help="listen on another host without TLS: everybody on the way can read, hear and change the conversation, "
        "and browsers give no microphone to such a page",
    )
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        type=_origin,
        metavar="URL",
        help="another address under which the page is reached, such as http://localhost:9000; may be repeated",
    )


def _port(text: str) -> int:
    if not (text.isdecimal() and len(text) < 6 and int(text) < 65_536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected 0 to 65535")
    return int(text)


def _origin(text: str) -> str:
    # Before the first paint nothing is imported that is not used
    from urllib.parse import urlsplit

    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an origin; expected http://HOST:PORT or https://HOST"
        )
    return f"{parts.scheme}://{parts.netloc}"

"""Page: the web page that a relay serves beside its sessions, from a folder that the policy names.

The files are read once, and a path is looked up among them, so no path leads out of the folder. Files of its folder
``relay`` replace those of the same name: the page of the console is there for a relay, which speaks the Realtime API.

Thread: any; the files are read at the start.
"""

from __future__ import annotations

from http import HTTPStatus
from importlib import resources
from pathlib import Path

from websockets.http11 import Request, Response

from ..errors import ConfigurationError
from ..protocol.page_files import PAGE_HEADERS, PAGE_TYPES
from .socket import WebSocket

__all__ = ["CONSOLE", "Page"]

# The name of the page that comes with the console, and where it is: installed, and in a checkout
CONSOLE = "console"
PACKAGES = ("realtime_console.web", "console.web")


class Page:
    """The files of one page.

    Parameters
    ----------
    name : str
        A folder with index.html, or "console": the page of the console.

    Raises
    ------
    ConfigurationError
        There is no such folder, or the console is not installed.
    """

    def __init__(self, name: str) -> None:
        folder = _console() if name == CONSOLE else Path(name)
        try:
            self._files = _read(folder)
            self._files.update(_read(folder / "relay") if (folder / "relay").is_dir() else {})
            self._files["/"] = self._files.pop("/index.html")
        except (OSError, KeyError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"--page: {name} is no folder with the index.html of a page") from error

    def answer(self, socket: WebSocket, request: Request) -> Response | None:
        """The response with a file; None for a websocket and for another path."""
        found = self._files.get(request.path.partition("?")[0])
        if found is None or "Upgrade" in request.headers:
            return None
        kind, text = found
        response = socket.text_response(HTTPStatus.OK, text)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = kind
        response.headers.update(PAGE_HEADERS)
        return response


def _console() -> Path:
    for package in PACKAGES:
        try:
            return Path(str(resources.files(package) / "static"))
        except ModuleNotFoundError:
            continue
    raise ConfigurationError(
        "--page: the console is not installed (pip install 'wavtools[console]'); give the folder of a page"
    )


def _read(folder: Path) -> dict[str, tuple[str, str]]:
    """The type and the text of each file by its path."""
    return {
        f"/{file.name}": (kind, file.read_bytes().decode())
        for file in folder.iterdir()
        if (kind := PAGE_TYPES.get(file.suffix)) is not None
    }

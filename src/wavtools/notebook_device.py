"""NotebookDevice: microphone and loudspeaker of the browser that shows a notebook, as a widget in a cell.

The widget's channel is the wire of a RemoteDevice; notebook_device.js is the other side. Needs the package anywidget.

Thread: any; frames come on the kernel's thread, between two cells.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavtools.errors import StateError
from wavtools.remote_device import RemoteDevice

if TYPE_CHECKING:
    from wavtools.remote_device import RemotePeer

__all__ = ["NotebookDevice", "notebook_device"]

SCRIPT = Path(__file__).with_suffix(".js")


class NotebookDevice(RemoteDevice):
    """A RemoteDevice whose peer is the page that shows *widget*. The arguments are those of RemoteDevice.

    Attributes
    ----------
    widget : anywidget.AnyWidget
        What a cell shows.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.widget = _widget()
        self._page: RemotePeer | None = None
        self.widget.on_msg(self._receive)

    def _receive(self, widget: Any, content: Any, buffers: Any) -> None:
        """A message of the page: it has opened, or brings a frame."""
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "open":
            self._page = self.accept(lambda frame: self.widget.send({"kind": "frame"}, [frame]))
        elif kind == "frame" and self._page is not None and buffers:
            self._page.receive(buffers[0])

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The widget, where this is the last line of a cell."""
        return self.widget._repr_mimebundle_(**options)


def notebook_device(**options: Any) -> NotebookDevice:
    """Microphone and loudspeaker of the browser that shows this notebook; the cell shows the widget at once.

    Sound flows between cells, not while one runs: start, and let the cell end. A call that waits for sound in a cell, such
    as `wavtools.play`, waits for ever.

    Parameters
    ----------
    **options
        As for `RemoteDevice`.

    Returns
    -------
    NotebookDevice
        Give it as ``device=`` to a `VoiceSession`, a player or a recorder.

    Raises
    ------
    ImportError
        the package anywidget is missing
    StateError
        no notebook runs this program
    """
    device = NotebookDevice(**options)
    from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

    display(device)  # type: ignore[no-untyped-call,unused-ignore]
    return device


def _widget() -> Any:
    try:
        import anywidget  # type: ignore[import-not-found,unused-ignore]
        import traitlets  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ImportError(
            "wavtools.notebook() shows a widget, which needs the package anywidget: pip install anywidget, then restart "
            "the kernel and reload the page"
        ) from None
    shell = sys.modules.get("IPython")
    if shell is None or getattr(shell.get_ipython(), "kernel", None) is None:
        raise StateError(
            "wavtools.notebook() works in a notebook; elsewhere use a device of this machine, or wavtools.RemoteDevice"
        )

    class SoundWidget(anywidget.AnyWidget):  # type: ignore[misc,unused-ignore]
        """The widget; its page is notebook_device.js."""

        _esm = SCRIPT
        status = traitlets.Unicode("connecting").tag(sync=True)
        needs_click = traitlets.Bool(False).tag(sync=True)

    return SoundWidget()

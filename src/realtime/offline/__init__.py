"""A server of the OpenAI Realtime protocol that needs no key and no network, hears and speaks.

    python -m realtime.offline [--host 127.0.0.1] [--port 0] [--dialect auto|ga|beta]

In a program, or a test::

    with start_server_process() as server:
        client = RealtimeClient(url=server.url)

or inside an event loop, with models of your own behind the interfaces of ``realtime.offline.voice``::

    async with OfflineServer(voice=Voice(MyActivity, MyEars, MyVoice)) as server: ...

Modules, from the outside in: ``server`` (sockets) · ``admission`` (keys, models, dialects) · ``beta`` (the
older dialect, at the edge) · ``faults`` (misbehaviour on request) · ``session`` (client events;
``client_events``, ``schema`` and ``config`` say what is valid) · ``listening``, ``turns``, ``interim``
(input audio) · ``conversation`` · ``response``, ``outputs`` (event order) · ``replies``, ``llm`` (what to
say) · ``workers`` (model processes) · ``voice`` (the interfaces behind which ``silero``, ``whisper``,
``speaker`` and ``standin`` are).

Thread: see each module. Nothing here runs in the caller's process but ``process`` and ``clips``,
unless you make an OfflineServer yourself.
"""

from .clips import question_path
from .process import ServerProcess, ServerStartError, start_server_process

__all__ = [
    "OfflineServer",
    "ServerProcess",
    "ServerStartError",
    "SessionOptions",
    "Voice",
    "choose_voice",
    "question_path",
    "start_server_process",
]


def __getattr__(name: str) -> object:
    # Lazily: who only starts a process needs neither websockets nor NumPy kernels for it.
    if name == "OfflineServer":
        from .server import OfflineServer

        return OfflineServer
    if name == "SessionOptions":
        from .session import SessionOptions

        return SessionOptions
    if name in ("Voice", "choose_voice"):
        from . import voice

        return getattr(voice, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

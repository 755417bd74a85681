"""A server of the OpenAI Realtime protocol that needs no key and no network, hears and speaks.

    python -m realtime.offline [--host 127.0.0.1] [--port 0] [--dialect auto|ga|beta]

In a program, or a test::

    with start_server_process() as server:
        client = RealtimeClient(url=server.url)

or inside an event loop, with models of your own behind the interfaces of ``realtime.offline.models.interfaces``::

    async with OfflineServer(voice=Voice(MyActivity, MyEars, MyVoice)) as server: ...

Inside: ``server`` (sockets) · ``admission`` (keys, models, dialects) · ``beta`` (the older dialect, at the edge) ·
``faults`` (misbehaviour on request) · ``session/`` (one connection) · ``checks/`` (what a client may send) ·
``replies/`` (what to say) · ``models/`` (what hears and speaks, in worker processes) · ``process`` (the server as a
process of its own).

Thread: see each module. Nothing here runs in the caller's process but ``process`` and ``models.clips``,
unless you make an OfflineServer yourself.
"""

from .models.clips import question_path
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
        from .session.session import SessionOptions

        return SessionOptions
    if name == "Voice":
        from .models.interfaces import Voice

        return Voice
    if name == "choose_voice":
        from .models.choice import choose_voice

        return choose_voice
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""A server of the OpenAI Realtime protocol that needs no key and no network, and that hears and speaks.

    python -m realtime.offline [--host 127.0.0.1] [--port 0] [--dialect auto|ga|beta]

In a program or a test, in a process of its own::

    with start_server_process() as server:
        client = RealtimeClient(url=server.url)

or in an event loop, with own models that implement the interfaces of ``realtime.offline.models.interfaces``::

    async with OfflineServer(voice=Voice(MyActivity, MyEars, MyVoice)) as server: ...

Modules: ``server`` (sockets), ``admission`` (keys, models, dialects), ``beta`` (translation of the beta dialect),
``faults`` (deliberate faults), ``session/`` (one connection), ``checks/`` (schemas of client events), ``replies/`` (the
text of answers), ``models/`` (recognition and synthesis in worker processes), ``process`` (starts the server as a
process).

Thread: any, see each module. A program that uses only ``start_server_process`` and ``question_path`` runs nothing else of
this package in its own process.
"""

from ..name_clash import check_ours
from .models.clips import question_path
from .process import ServerProcess, ServerStartError, start_server_process

check_ours()

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
    # Imported on first use: a program that only starts the server's process needs neither websockets nor kernels.
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

"""Another Python as the peer of a RemoteDevice: makes a laptop the sound card of a machine without one.

On the machine without hardware, ``wavtools.remote.listen()`` gives a device and waits for the laptop; on the laptop,
``python -m wavtools.remote PORT`` plays and captures. `docs/remote.md` shows both.

Thread: each connection has two, see streams.py.
"""

from wavtools.remote.listener import Listener, listen
from wavtools.remote.streams import Connection, connect

__all__ = ["Connection", "Listener", "connect", "listen"]

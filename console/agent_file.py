"""AgentFile: a Python file that defines a client; runs it, and notices when it is saved again.

The file is run as a module of its own, never as ``__main__``. It defines ``make_client()``, plain or async, or else
``client``. Modules in its folder that it imports are run again with it.

Thread: the event loop's; the file runs in a thread, so that the screen goes on.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
import types
from pathlib import Path
from typing import Any, ClassVar

from .errors import UserError
from .places import place_of
from .text import one_line

__all__ = ["AgentFile"]

MODULE = "console_agent"
MAX_FILE_BYTES = 4 * 1024 * 1024


class AgentFile:
    """The file of an agent.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UserError
        There is no such file.
    """

    # Threads that run a file now
    _reading: ClassVar[set[int]] = set()

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        if not path.is_file():
            raise UserError(
                f"{path} is no file; give the path of a Python file that defines client or make_client()"
            )
        self._stamps: dict[Path, tuple[int, int]] = {}
        # Modules beside the file that it imported
        self._beside: dict[str, Path] = {}

    @classmethod
    def is_reading(cls) -> bool:
        """True in the thread that runs an agent's file now."""
        return threading.get_ident() in cls._reading

    def changed(self) -> bool:
        """True if the file, or a module beside it that it imports, was saved since it was read."""
        return any(_stamp(path) not in (stamp, None) for path, stamp in self._stamps.items())

    async def read(self) -> Any:
        """Run the file and return what it defines: ``make_client`` or ``client``. Raises UserError with file and line."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()

        def deliver(value: Any, error: UserError | None) -> None:
            if result.done():
                return
            if error is None:
                result.set_result(value)
            else:
                result.set_exception(error)

        def work() -> None:
            value, failed = None, None
            self._reading.add(threading.get_ident())
            try:
                value = self._run()
            except UserError as error:
                failed = error
            finally:
                self._reading.discard(threading.get_ident())
            try:
                loop.call_soon_threadsafe(deliver, value, failed)
            except RuntimeError:
                # The loop is closed: nobody waits
                pass

        # A daemon: a file that never ends must not keep the program
        threading.Thread(target=work, name="console-agent-file", daemon=True).start()
        return await result

    def _run(self) -> Any:
        self._stamps = {path: _stamp(path) or (0, 0) for path in (self.path, *self._beside.values())}
        folder = self.path.parent
        for name in self._beside:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        before = set(sys.modules)
        module = types.ModuleType(MODULE)
        module.__file__ = str(self.path)
        sys.modules[MODULE] = module
        try:
            with self.path.open("rb") as file:
                code = compile(file.read(MAX_FILE_BYTES), str(self.path), "exec")
            exec(code, module.__dict__)
        except BaseException as error:
            # SystemExit too: a file that wants to end must not end the console
            where = place_of(error, folder) or self.path.name
            message = error.msg if isinstance(error, SyntaxError) else error
            raise UserError(f"{where}: {type(error).__name__}: {one_line(message, 200)}") from error
        finally:
            self._note_modules(before)
        for name in ("make_client", "client"):
            if name in module.__dict__:
                return module.__dict__[name]
        raise UserError(
            f"{self.path.name} defines neither client nor make_client(); add: client = RealtimeClient(...)"
        )

    def _note_modules(self, before: set[str]) -> None:
        """Note the modules beside the file that it has imported, to run them again and to see when they are saved."""
        folder = self.path.parent
        for name in set(sys.modules) - before - {MODULE}:
            path = Path(getattr(sys.modules[name], "__file__", None) or "")
            if folder in path.parents and "site-packages" not in path.parts:
                self._beside[name] = path
                self._stamps.setdefault(path, _stamp(path) or (0, 0))


def _stamp(path: Path) -> tuple[int, int] | None:
    """Time and size of a file; None while there is none: an editor is writing it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size

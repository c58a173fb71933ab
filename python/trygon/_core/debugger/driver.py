"""The driver's side: lends the terminal to workers that stopped, one after another."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import threading
from collections import deque

from trygon._core.debugger import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

# Ignored by every program that does not ask for it. It interrupts the main thread's wait, and Python then runs the
# handler there.
_SIGNAL = signal.SIGURG
_waiting: deque[dict[str, str]] = deque()
_is_installed = False
_is_serving = False


def can_lend() -> bool:
    """Whether there is a terminal, and a main thread that can talk to it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(_SIGNAL) is not signal.SIG_DFL:
        return False
    try:
        return sys.stdin.isatty() and sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False  # They are closed, or not there at all.


def install() -> None:
    """Gets ready to be asked."""
    global _is_installed
    signal.signal(_SIGNAL, _on_signal)
    _is_installed = True


def remove() -> None:
    """Forgets who waits."""
    global _is_installed
    if _is_installed and threading.current_thread() is threading.main_thread():
        signal.signal(_SIGNAL, signal.SIG_DFL)
    _is_installed = False
    _waiting.clear()


def offer(pid: int, text: str) -> str:
    """Takes a worker's offer, which came with its output; returns what to print."""
    try:
        found: dict[str, str] = json.loads(text)
        what, where, path = found["what"], found["where"], found["path"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return text
    # A path with a zero byte is none.
    if not all(isinstance(part, str) and "\0" not in part for part in (what, where, path)):
        return text
    line = f"{what} stopped at {where}"
    _waiting.append({**found, "pid": str(pid)})
    poke()
    return f"{line}; its debugger comes here when the program waits in get() or wait()."


def poke() -> None:
    """Interrupts the main thread's wait if a worker wants the terminal."""
    if _waiting and _is_installed and not _is_serving:
        ident = threading.main_thread().ident
        if ident is not None:
            signal.pthread_kill(ident, _SIGNAL)


def _on_signal(_: int, frame: FrameType | None) -> None:
    global _is_serving
    if _is_serving or frame is None or not _waits(frame):
        return
    _is_serving = True
    try:
        while _waiting:
            _serve(_waiting.popleft())
    finally:
        _is_serving = False


def _waits(frame: FrameType) -> bool:
    """Whether the main thread only waits: in the engine, or in an event loop that has nothing to do."""
    from trygon._core import objects

    code = frame.f_code
    return code.co_filename == objects.__file__ or (code.co_name == "select" and "selectors" in code.co_filename)


def _serve(found: dict[str, Any]) -> None:
    connection = _connect(found["path"])
    if connection is None:
        return  # It has been cancelled, or has died.
    print(f"--- {found['what']} (pid {found['pid']}) at {found['where']}; c goes on, Ctrl-D leaves it ---", flush=True)
    try:
        with connection:
            _talk(connection)
    finally:
        print(f"--- {found['what']} (pid {found['pid']}) goes on ---", flush=True)


def _connect(path: str) -> socket.socket | None:
    folder = os.path.dirname(path)
    try:
        status = os.lstat(folder)
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != 0o700:
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    if not frames.peer_is_same_user(connection):
        connection.close()
        return None
    return connection


def _talk(connection: socket.socket) -> None:
    while (frame := frames.receive(connection)) is not None:
        kind, text = frame
        if kind == frames.OUTPUT:
            sys.stdout.write(text)
            sys.stdout.flush()
        elif kind == frames.PROMPT:
            line = _ask(text)
            try:
                if line is None:
                    frames.send(connection, frames.DETACH)
                    return
                frames.send(connection, frames.LINE, line + "\n")
            except OSError:
                return  # The task was cancelled, or its process died, while this was typed.


def _ask(prompt: str) -> str | None:
    """What the user types; None for Ctrl-D. What workers print meanwhile is shown afterwards."""
    try:
        import readline  # noqa: F401 - `input` has editing and history with it
    except ImportError:
        pass
    from trygon._core import logs

    with logs.held():
        try:
            return input(prompt)
        except EOFError:
            print()
            return None

"""`breakpoint()` in tasks and actors: the program's own terminal talks to the debugger in the worker.

A worker opens a socket in a folder that only its user can enter, says so in a line of its output, and waits. The driver
connects when its main thread waits in `get` or `wait`, so that nobody else reads from the terminal meanwhile.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

# Set for the daemon and its workers while the driver has a terminal to lend.
TERMINAL_VARIABLE = "TRYGON_DRIVER_HAS_TERMINAL"
POST_MORTEM_VARIABLES = ("TRYGON_DEBUG_POST_MORTEM", "RAY_DEBUG_POST_MORTEM")
# What begins the line that offers a session.
OFFER = "\x01trygon:debug:"

_is_worker = False


def install_in_worker() -> None:
    """Makes `breakpoint()` in this worker ask for the program's terminal."""
    global _is_worker
    _is_worker = True
    sys.breakpointhook = _breakpoint


def wants_post_mortem() -> bool:
    """Whether failed tasks are to be looked at where they failed."""
    return any(os.environ.get(name, "0") not in ("", "0") for name in POST_MORTEM_VARIABLES)


def _breakpoint(*args: Any, **kwargs: Any) -> Any:
    # Workers are started so that Python itself does not look at this variable.
    other = os.environ.get("PYTHONBREAKPOINT")
    if not other:
        return _stop(sys._getframe(1))
    if other == "0":
        return None
    from importlib import import_module

    module, _, name = other.rpartition(".")
    return getattr(import_module(module or "builtins"), name)(*args, **kwargs)


def set_trace(frame: FrameType | None = None) -> None:
    """Stops the caller in the debugger: in the program's terminal when this is a worker, else here."""
    _stop(frame or sys._getframe(1))


def _stop(frame: FrameType) -> None:
    if _is_worker:
        from trygon._core.debugger.worker import stop

        stop(frame)
    else:
        from pdb import Pdb

        Pdb(skip=["trygon.*"]).set_trace(frame)


def look_at(error: BaseException) -> None:
    """Opens the debugger where `error` was raised."""
    if _is_worker:
        from trygon._core.debugger.worker import post_mortem

        post_mortem(error)
    else:
        import pdb

        pdb.post_mortem(error.__traceback__)

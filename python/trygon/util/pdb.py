"""`trygon.util.pdb.set_trace()`: stops a task, an actor or the driver in the debugger, in the program's terminal."""

from __future__ import annotations

import sys

__all__ = ["post_mortem", "set_trace"]


def set_trace() -> None:
    """Stops here, as `breakpoint()` does."""
    from trygon._core.debugger import set_trace as stop

    stop(sys._getframe(1))


def post_mortem() -> None:
    """Looks at the exception that is being handled."""
    error = sys.exc_info()[1]
    if error is None:
        raise ValueError("post_mortem() is called where an exception is handled: in an except block.")
    from trygon._core.debugger import look_at

    look_at(error)

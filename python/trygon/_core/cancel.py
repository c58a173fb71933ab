"""`cancel`: what may be cancelled, and what of it is seen in the process that runs it."""

from __future__ import annotations

import signal
import sys

from trygon import _native
from trygon._native import ObjectRef, ObjectRefGenerator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def cancel(ray_waitable: Any, *, force: bool = False, recursive: bool = True) -> None:
    """Cancels the task or the actor's call that makes an object. Returns at once; what has ended stays as it is.

    A task that has not started never does. A task that runs gets KeyboardInterrupt, or with `force` its process is
    ended; it is not retried. An async actor's call gets asyncio.CancelledError, any other call of an actor goes on and
    may look at `get_runtime_context().is_canceled()`. With `recursive`, what the task submitted is cancelled too. `get`
    of the result then raises TaskCancelledError.

    TypeError for anything but an ObjectRef or a generator of them, ValueError for `force=True` and an actor's call.
    """
    reference = ray_waitable
    if not isinstance(reference, ObjectRef):
        reference = ray_waitable._generator_ref if isinstance(ray_waitable, ObjectRefGenerator) else None
        if not isinstance(reference, ObjectRef):
            raise TypeError(
                f"cancel() takes the ObjectRef of a task or of an actor's call, but {type(ray_waitable).__name__} was"
                f" given.{_hint(ray_waitable)}"
            )
    for name, value in (("force", force), ("recursive", recursive)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} of cancel() must be True or False, but {type(value).__name__} was given.")
    _native.cancel(reference, force, recursive)


def _hint(value: object) -> str:
    if isinstance(value, (list, tuple, set)):
        return " Cancel them one by one: for ref in refs: cancel(ref)."
    if hasattr(value, "_trygon_id"):
        return " An actor is ended with kill(actor)."
    return ""


def cancelled_error(error: BaseException, name: str, task_id: str) -> BaseException | None:
    """Hook `cancelled_error`: what a cancelled call that raised this ends with; None when it is its own error."""
    from asyncio import CancelledError

    from trygon._core.system_errors import system_error
    from trygon.exceptions import TaskCancelledError

    if not isinstance(error, (KeyboardInterrupt, CancelledError, TaskCancelledError)):
        return None
    made = system_error("cancelled", {"name": name, "task_id": task_id})
    made.__suppress_context__ = True
    return made.with_traceback(error.__traceback__)


class _Interrupt(KeyboardInterrupt):
    """What is raised in a cancelled task: to be told from others where it is swallowed, else seen as its base."""

    __module__, __qualname__ = "builtins", "KeyboardInterrupt"

    def __reduce__(self) -> Any:
        return KeyboardInterrupt, self.args


_Interrupt.__name__ = "KeyboardInterrupt"


def listen() -> None:
    """In a worker: the engine's signal becomes KeyboardInterrupt in the task that was cancelled, and nothing else."""
    signal.signal(signal.SIGURG, _on_signal)
    sys.unraisablehook = _on_unraisable


def _on_signal(number: int, frame: Any) -> None:
    if _native.take_interrupt():
        raise _Interrupt("this task was cancelled")


def _on_unraisable(unraisable: Any) -> None:
    # Python runs finalizers and callbacks of weak references between any two instructions and lets nothing out of them.
    if unraisable.exc_type is _Interrupt:
        _native.renew_interrupt()
    else:
        sys.__unraisablehook__(unraisable)

"""The parts of a crew: calls, the processes as seen from here, and what their errors mean. See `_crew`."""

from __future__ import annotations

from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Work that a process may have at hand beyond what it runs, and the bounds of that in calls.
_AT_HAND_S = 0.002
_MOST_AT_HAND = 64
_LONG_CALL_S = 0.004


class Call:
    """One unit of work. `done(value, error)` is called once, with the lock not held: by the collector if `calls_back`
    says that code of the user's will run then, else by whoever waits.
    """

    __slots__ = ("arguments", "begin", "calls_back", "done", "function", "method", "number")

    def __init__(
        self,
        method: str,
        function: Any,
        arguments: tuple[Any, ...],
        done: Callable[[Any, BaseException | None], None],
        number: int | None = None,
        begin: Callable[[], bool] | None = None,
        calls_back: Callable[[], bool] | None = None,
    ) -> None:
        self.method, self.function, self.arguments, self.done = method, function, arguments, done
        # What the function is known by in the processes; None sends it along.
        self.number = number
        # Asked before the call is sent; False drops it.
        self.begin = begin
        self.calls_back = calls_back


class Member:
    """One process, as seen from here."""

    __slots__ = (
        "at_hand",
        "handle",
        "initialized",
        "last_s",
        "left",
        "lost",
        "per_call_s",
        "room",
        "starting",
        "taught",
    )

    def __init__(self, handle: Any, left: int | None) -> None:
        self.handle = handle
        # Sent and not answered, in the order sent: the first is the one that runs.
        self.at_hand: OrderedDict[Call, Any] = OrderedDict()
        # The reference of the initializer's call while it runs.
        self.starting: Any = None
        self.initialized = False
        self.lost = False
        self.taught: set[int] = set()
        # How many calls it may still be given; None: any number.
        self.left = left
        self.room = 1
        self.per_call_s = 0.0
        self.last_s = 0.0

    def measure(self, count: int, now_s: float) -> None:
        """Learns from `count` answers since the last ones how much to keep at hand."""
        each_s = (now_s - self.last_s) / count
        self.last_s = now_s
        self.per_call_s = each_s if not self.per_call_s else self.per_call_s * 0.7 + each_s * 0.3
        if self.per_call_s > _LONG_CALL_S:
            self.room = 1
        else:
            self.room = max(2, min(_MOST_AT_HAND, int(_AT_HAND_S / max(self.per_call_s, 1e-7))))


def deliver(outcomes: list[tuple[Call, Any, BaseException | None]]) -> None:
    """Calls `done` of each."""
    for call, value, error in outcomes:
        call_user(call.done, value, error)


def call_user(function: Callable[..., object], *arguments: Any) -> None:
    """Calls what may be code of the user's. Nobody waits for its error, so it is logged, and the others go on."""
    try:
        function(*arguments)
    except BaseException:
        import logging
        import traceback

        # As text: a logged traceback would keep the pool alive.
        logging.getLogger("trygon").error("A callback of a pool failed:\n%s", traceback.format_exc())


def is_death(error: BaseException) -> bool:
    from trygon.exceptions import RayActorError, RayTaskError

    # A function that itself called a dead actor raises both.
    return isinstance(error, RayActorError) and not isinstance(error, RayTaskError)


def initializer_error(error: BaseException) -> BaseException:
    from concurrent.futures import BrokenExecutor

    if is_death(error):
        said = BrokenExecutor(f"A process of the pool could not be started: {error}")
    else:
        cause = getattr(error, "cause", None) or error
        said = BrokenExecutor(f"The initializer of the pool failed: {type(cause).__name__}: {cause}")
    said.__cause__ = error
    return said


def original_error(error: BaseException) -> BaseException:
    """What the user's function raised, as it would be raised here; the remote traceback is its cause."""
    from trygon.exceptions import RayTaskError

    cause = getattr(error, "cause", None)
    if not isinstance(error, RayTaskError) or not isinstance(cause, BaseException):
        return error
    if cause.__cause__ is None:
        cause.__cause__ = error
    else:
        cause.add_note(str(error))
    return cause


def decode_item_error(data: bytes) -> BaseException:
    """The error of one item of a chunk."""
    from trygon._core.errors import decode_error

    return original_error(decode_error(data))

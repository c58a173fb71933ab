"""Learning of completed objects, in either mode: the engine's queue, or one that asks where everything runs in this
process.
"""

from __future__ import annotations

import threading
import time

from trygon import _native
from trygon._core import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STEP_S = 0.01


def completion_queue() -> Any:
    """A queue for the session that runs."""
    return PollingQueue() if is_inline() else _native.CompletionQueue()


def is_inline() -> bool:
    """Whether tasks run in this process."""
    import sys

    inline = sys.modules.get("trygon._core.inline")
    return inline is not None and inline.current() is not None


class PollingQueue:
    """The interface of the engine's queue, for the inline mode."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Any, Any]] = []
        self._worker_id = _native.context()["worker_id"]

    def is_current(self) -> bool:
        """Whether the queue belongs to the running session."""
        return is_inline() and _native.context()["worker_id"] == self._worker_id

    def add(self, reference: Any, token: Any) -> None:
        """Has `(reference, token)` come out of `drain` once the object is there."""
        with self._lock:
            self._waiting.append((reference, token))

    def drain(self) -> list[tuple[Any, Any]]:
        """References whose objects have come since, with their tokens."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        # A reference may be waited for twice, and `wait` takes each only once.
        references = list(dict.fromkeys(reference for reference, _ in waiting))
        ready = set(objects.wait(references, num_returns=len(references), timeout=0)[0])
        with self._lock:
            self._waiting = [one for one in waiting if one[0] not in ready] + self._waiting
        return [one for one in waiting if one[0] in ready]

    def wait(self, timeout: float | None = None) -> list[tuple[Any, Any]]:
        """As `drain`, after waiting; an empty list when the time is over."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.is_current():
            found = self.drain()
            if found or (deadline is not None and time.monotonic() >= deadline):
                return found
            time.sleep(_STEP_S)
        return []

    def close(self) -> None:
        """Nobody waits for these any more."""
        with self._lock:
            self._waiting = []

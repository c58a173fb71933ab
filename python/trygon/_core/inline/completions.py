"""The engine's completion queue as the inline mode has it: what came, for whoever polls a descriptor or waits."""

from __future__ import annotations

import os
from collections import deque

from trygon._core.inline import current, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class CompletionQueue:
    """References that have come, with what was said of them."""

    def __init__(self) -> None:
        self._engine = require()
        self._come: deque[tuple[Any, Any]] = deque()
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._waited_for: dict[int, Any] = {}

    def fileno(self) -> int:
        """A descriptor that can be read when something has come."""
        return self._descriptor

    def is_current(self) -> bool:
        """Whether the session it belongs to is on."""
        return current() is self._engine

    def add(self, reference: Any, token: Any) -> None:
        """Says when this object is there."""
        engine = self._engine
        entry = engine.entry_of(reference)

        def come() -> None:
            with engine.lock:
                self._waited_for.pop(id(entry), None)
                self._come.append((reference, token))
                if self._descriptor >= 0:
                    os.eventfd_write(self._descriptor, 1)
                engine.changed.notify_all()

        with engine.lock:
            if entry.outcome is None:
                self._waited_for[id(entry)] = entry
                entry.callbacks.append(come)
                engine.want_help()
                return
        come()

    def drain(self) -> list[tuple[Any, Any]]:
        """Takes what has come."""
        with self._engine.lock:
            come = list(self._come)
            self._come.clear()
            if self._descriptor >= 0:
                try:
                    os.eventfd_read(self._descriptor)
                except BlockingIOError:
                    pass
        return come

    def wait(self, timeout: float | None = None) -> list[tuple[Any, Any]]:
        """Waits until something has come, and takes it."""
        engine = self._engine
        if engine.is_debugged() and not self._come:
            for entry in list(self._waited_for.values())[:1]:
                engine.work_off(entry)
        engine.wait_until(lambda: bool(self._come), timeout)
        return self.drain()

    def discard(self, token: Any) -> None:
        """Forgets what was said."""

    def close(self) -> None:
        """Closes the descriptor."""
        with self._engine.lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def __del__(self) -> None:
        self.close()

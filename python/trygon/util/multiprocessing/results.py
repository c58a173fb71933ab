"""What a pool's calls return: results that come later, one or many, ordered or as they come."""

from __future__ import annotations

import builtins
import threading
import time
from collections import deque
from itertools import chain
from multiprocessing import TimeoutError as _PoolTimeout

from trygon.util._calls import Call, call_user, decode_item_error, original_error
from trygon.util._crew import Crew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Self


class TimeoutError(_PoolTimeout, builtins.TimeoutError):  # noqa: A001
    """A result did not come in time. Both the standard library's pool's and Python's own TimeoutError."""


class PoolTaskError(Exception):
    """Ray's wrapper of an error in a call of a pool; `underlying` is the error itself. Here calls raise the error
    itself.
    """

    def __init__(self, underlying: BaseException) -> None:
        super().__init__(underlying)
        self.underlying = underlying


class AsyncResult:
    """The result of `apply_async`, `map_async` and `starmap_async`."""

    def __init__(
        self,
        crew: Crew,
        parts: int,
        callback: Callable[[Any], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> None:
        self._crew = crew
        self._callback, self._error_callback = callback, error_callback
        self._left = parts
        self._parts: list[Any] = [None] * parts
        self._value: Any = None
        self._error: BaseException | None = None
        self._event = threading.Event()

    def calls_back(self) -> bool:
        """Whether a callback of the user's runs when the result is there."""
        return self._callback is not None or self._error_callback is not None

    def ready(self) -> bool:
        """Whether the result is there, value or error."""
        return self._event.is_set()

    def successful(self) -> bool:
        """Whether no call raised. ValueError while the result is not there."""
        if not self._event.is_set():
            raise ValueError("The result is not ready yet; call wait() first, or ask ready().")
        return self._error is None

    def wait(self, timeout: float | None = None) -> None:
        """Waits for the result, at most `timeout` seconds."""
        self._crew.wait_for(self._event, timeout)

    def get(self, timeout: float | None = None) -> Any:
        """The result; raises what the function raised, or TimeoutError after `timeout` seconds."""
        if not self._crew.wait_for(self._event, timeout):
            raise TimeoutError(f"The result did not come within {timeout} s.")
        if self._error is not None:
            raise self._error
        return self._value

    def _finish(self) -> None:
        if self._error is None:
            if self._callback is not None:
                call_user(self._callback, self._value)
        elif self._error_callback is not None:
            call_user(self._error_callback, self._error)
        self._event.set()


class SingleResult(AsyncResult):
    """The result of one call."""

    def take(self, value: Any, error: BaseException | None) -> None:
        """The answer of the crew."""
        if error is None:
            self._value = value
        else:
            self._error = original_error(error)
        self._finish()


class MapResult(AsyncResult):
    """The results of a map: all of them, or the first error, once every chunk is done."""

    def taker(self, index: int) -> Callable[[Any, BaseException | None], None]:
        """What takes the answer of the chunk `index`."""

        def take(answer: Any, error: BaseException | None) -> None:
            self._take(index, answer, error)

        return take

    def _take(self, index: int, answer: Any, error: BaseException | None) -> None:
        if error is not None:
            self._error = self._error or original_error(error)
        else:
            values, errors = answer
            self._parts[index] = values
            if errors and self._error is None:
                self._error = decode_item_error(errors[min(errors)])
        self._left -= 1
        if self._left == 0:
            self.combine()

    def combine(self) -> None:
        """Ends it: every chunk is there."""
        if self._error is None:
            self._value = list(chain.from_iterable(self._parts))
        self._parts = []
        self._finish()


class IMapIterator:
    """Results of `imap` and `imap_unordered`. Items are taken from the iterable as results are taken from here, a
    bounded number ahead, so the iterable may be endless.
    """

    def __init__(
        self, crew: Crew, function: Callable[..., Any], items: Iterable[Any], chunksize: int, *, ordered: bool
    ) -> None:
        self._crew, self._function, self._chunksize, self._ordered = crew, function, chunksize, ordered
        self._items: Iterator[Any] | None = iter(items)
        self._number = crew.number_of(function, lasting=False)
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        # Answers by chunk when ordered; else those that came, as they came.
        self._answers: dict[int, list[Any]] = {}
        self._sent = self._next = self._received = 0
        self._ready: deque[tuple[Any, BaseException | None]] = deque()
        self._submit()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        """The next result; raises what its call raised (the iteration can go on), StopIteration at the end,
        TimeoutError after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            self._submit()
            self._arrived.clear()
            if self._collect():
                break
            if self._next == self._sent and self._items is None:
                raise StopIteration
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._crew.wait_for(self._arrived, left):
                raise TimeoutError(f"The next result did not come within {timeout} s.")
        value, error = self._ready.popleft()
        if error is not None:
            raise error
        return value

    def _submit(self) -> None:
        """Sends chunks until as many are under way as keep the processes busy."""
        # Chunks that wait here for an earlier one count too, or a slow first one would let the rest pile up.
        ahead = max(self._crew.expected_room, 2 * self._crew.size)
        calls = []
        while self._items is not None and self._sent - self._next < ahead:
            chunk = []
            for item in self._items:
                chunk.append(item)
                if len(chunk) == self._chunksize:
                    break
            if len(chunk) < self._chunksize:
                self._items = None
            if chunk:
                calls.append(Call("each", self._function, (chunk, False), self._taker(self._sent), self._number))
                self._sent += 1
        if calls:
            self._crew.submit(calls)

    def _taker(self, index: int) -> Callable[[Any, BaseException | None], None]:
        def take(answer: Any, error: BaseException | None) -> None:
            if error is not None:
                outcomes: list[Any] = [(None, original_error(error))]
            elif not answer[1]:
                outcomes = [(value, None) for value in answer[0]]
            else:
                outcomes = [
                    (value, decode_item_error(answer[1][place]) if place in answer[1] else None)
                    for place, value in enumerate(answer[0])
                ]
            with self._lock:
                self._answers[index if self._ordered else self._received] = outcomes
                self._received += 1
            self._arrived.set()

        return take

    def _collect(self) -> bool:
        """Moves the answers that are next in line to `_ready`; whether there are any."""
        with self._lock:
            while self._next in self._answers:
                self._ready.extend(self._answers.pop(self._next))
                self._next += 1
        return bool(self._ready)

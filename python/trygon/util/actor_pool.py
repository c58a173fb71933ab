"""`ActorPool`: hands values to actors that are free, and their results out in order or as they come."""

from __future__ import annotations

from collections import deque

import trygon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

__all__ = ["ActorPool"]


class ActorPool:
    """A fixed set of actors that take turns.

    `fn(actor, value)` submits a call and returns its reference. A pool can be sent to tasks and actors, with what
    it has under way.
    """

    def __init__(self, actors: list[Any]) -> None:
        self._idle = list(actors)
        # What is under way: by number of the submission, its reference and its actor. In the order submitted.
        self._running: dict[int, tuple[Any, Any]] = {}
        self._waiting: deque[tuple[Callable[[Any, Any], Any], Any]] = deque()
        self._next_submitted = 0
        self._next_returned = 0

    def map(self, fn: Callable[[Any, Any], Any], values: Iterable[Any]) -> Iterator[Any]:
        """Submits `fn(actor, value)` for all values and returns an iterator over the results in order. What was under
        way before is dropped.
        """
        self._restart(fn, values)
        return self._ordered()

    def map_unordered(self, fn: Callable[[Any, Any], Any], values: Iterable[Any]) -> Iterator[Any]:
        """Like `map`, but results come as soon as they are there."""
        self._restart(fn, values)
        return self._unordered()

    def _ordered(self) -> Iterator[Any]:
        while self.has_next():
            yield self.get_next()

    def _unordered(self) -> Iterator[Any]:
        while self.has_next():
            yield self.get_next_unordered()

    def _restart(self, fn: Callable[[Any, Any], Any], values: Iterable[Any]) -> None:
        self._waiting.clear()
        for number in list(self._running):
            self._release(number)
        self._next_returned = self._next_submitted
        for value in values:
            self.submit(fn, value)

    def submit(self, fn: Callable[[Any, Any], Any], value: Any) -> None:
        """Has a free actor run `fn(actor, value)`; without one, the next does whose result is taken."""
        if not self._idle:
            self._waiting.append((fn, value))
            return
        actor = self._idle.pop()
        try:
            reference = fn(actor, value)
        except BaseException:
            self._idle.append(actor)
            raise
        self._running[self._next_submitted] = (reference, actor)
        self._next_submitted += 1

    def has_next(self) -> bool:
        """Whether a result can be taken, now or later."""
        return bool(self._running)

    def get_next(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """The next result in the order of submission. StopIteration when nothing is under way; TimeoutError after
        `timeout` seconds, where `ignore_if_timedout` also gives the result up.
        """
        if not self._running:
            raise StopIteration("No more results to get")
        number = self._next_returned
        if number not in self._running:
            raise ValueError(
                "get_next() cannot follow get_next_unordered() while that has results of later submissions given out;"
                " go on with get_next_unordered()."
            )
        reference, _ = self._running[number]
        if timeout is not None and not trygon.wait(_several(reference), timeout=timeout)[0]:
            self._timed_out(number, timeout, ignore_if_timedout)
        self._next_returned += 1
        return self._take(number)

    def get_next_unordered(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """Any result that is there, or the first that comes. Errors as of `get_next`."""
        if not self._running:
            raise StopIteration("No more results to get")
        numbers = {_several(reference)[0]: number for number, (reference, _) in self._running.items()}
        ready, _ = trygon.wait(list(numbers), num_returns=1, timeout=timeout)
        if not ready:
            self._timed_out(next(iter(self._running)), timeout, ignore_if_timedout)
        number = numbers[ready[0]]
        if number == self._next_returned:
            self._next_returned += 1
        return self._take(number)

    def _timed_out(self, number: int, timeout: float | None, ignore: bool) -> None:
        if not ignore:
            raise TimeoutError(f"Timed out waiting for a result of the pool for {timeout} s.")
        reference, _ = self._running[number]
        self._release(number)
        if number == self._next_returned:
            self._next_returned += 1
        raise TimeoutError(f"Timed out waiting for a result of the pool for {timeout} s; {reference} was given up.")

    def _take(self, number: int) -> Any:
        reference, _ = self._running[number]
        is_alive = True
        try:
            return trygon.get(reference)
        except trygon.exceptions.ActorDiedError as error:
            # A method that called another, dead actor raises both.
            is_alive = isinstance(error, trygon.exceptions.RayTaskError)
            raise
        finally:
            self._release(number, is_alive=is_alive)

    def _release(self, number: int, *, is_alive: bool = True) -> None:
        _, actor = self._running.pop(number)
        if is_alive:
            self._return(actor)

    def _return(self, actor: Any) -> None:
        self._idle.append(actor)
        if self._waiting:
            self.submit(*self._waiting.popleft())

    def has_free(self) -> bool:
        """Whether an actor is free and nothing waits for one."""
        return bool(self._idle) and not self._waiting

    def pop_idle(self) -> Any:
        """Takes a free actor out of the pool; None if there is none."""
        return self._idle.pop() if self.has_free() else None

    def push(self, actor: Any) -> None:
        """Adds an actor. ValueError if it is in the pool already."""
        if actor in self._idle or any(actor == busy for _, busy in self._running.values()):
            raise ValueError(f"{actor} belongs to this pool already.")
        self._return(actor)


def _several(reference: Any) -> list[Any]:
    """References of one call: a method with several results gives a list."""
    return reference[:1] if isinstance(reference, list) else [reference]

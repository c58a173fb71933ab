"""Generators of the inline mode: each item is made when it is asked for."""

from __future__ import annotations

from collections import deque
from contextvars import Context

from trygon._core.generators import DynamicObjectRefGenerator
from trygon._core.inline.items import InlineGenerator
from trygon._core.inline.values import Encoded, Entry, Failure, InlineRef
from trygon._core.inline.work import DONE, QUEUED, Work, cancelled, current_work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._core.inline.engine import Engine

_END = object()
# How long an event loop may be kept by one generator.
_TURN_S = 0.002


class StreamWork(Work):
    """A call whose function is a generator. It goes back to the queue after each step, until it is through."""

    __slots__ = ("_context", "_iterator", "_produced", "_to_skip", "is_wanted", "items", "most_unread")
    most_unread: int

    def results(self) -> Any:
        """What the caller gets: the generator of references."""
        self.entries = [Entry(self.engine, self, self.task_id, 0)]
        self.items: deque[Entry] = deque()
        self.is_wanted = False
        self._iterator: Any = None
        self._produced = self._to_skip = 0
        self._context = Context()
        return InlineGenerator(self)

    @property
    def work(self) -> StreamWork:
        """A stream is what makes it."""
        return self

    def is_ready(self) -> bool:
        """Whether the next item is there, or the end."""
        return bool(self.items) or self.state == DONE

    def is_runnable(self) -> bool:
        """Helpers make no more than the reader allows."""
        return not self.most_unread or len(self.items) < self.most_unread

    def want(self, engine: Engine) -> None:
        """Somebody waits for the next item: a thread makes it. Called with the lock held."""
        if self.is_wanted or self.is_ready():
            return
        self.is_wanted = True

        def make() -> None:
            try:
                engine.work_off(self)
            finally:
                self.is_wanted = False

        engine.spawn(make)

    def run_for(self, target: Any) -> Any:
        """One item for a reader of the stream; everything for anybody else."""
        while True:
            outcome = self._context.run(self._next)
            if outcome is not None:
                return outcome
            if target is self or not self.is_runnable():
                with self.engine.lock:
                    if self.state != DONE:
                        self.state = QUEUED
                    self.engine.changed.notify_all()
                return None

    def _next(self) -> Any:
        """Makes an item. Returns what came of the call when it is through, else nothing."""
        current_work.set(self)
        failure = self.failed_dependency()
        if failure is None:
            try:
                if self._iterator is None:
                    args, kwargs = self.arguments()
                    self._iterator = self._begun(self._load()(*args, **kwargs))
                    while self._to_skip:
                        self._to_skip -= 1
                        next(self._iterator, None)
                value = next(self._iterator, _END)
                if self.state == DONE or value is _END:
                    return self._through()
                self.add(Encoded(value))
                return None
            except BaseException as error:
                failure = self._failure_in_between(error)
                if failure is None:
                    return None
        self.add(failure)
        return self._through()

    def _failure_in_between(self, error: BaseException) -> Failure | None:
        """As `failure_of`; a retry begins anew, and what the reader has already is not made again."""
        failure = self.failure_of(error)
        if failure is None:
            self._iterator, self._to_skip = None, self._produced
        return failure

    def _begun(self, values: Any) -> Any:
        if not hasattr(values, "__next__"):
            raise no_generator(self.name, values)
        return values

    def _through(self) -> Encoded | Failure:
        self._iterator = None
        # An error is an item; the end itself came about, unless the call was cancelled.
        return cancelled(self.name) if self.is_cancelled else Encoded(None)

    def add(self, outcome: Encoded | Failure) -> None:
        """The next item is there."""
        with self.engine.lock:
            self._produced += 1
            entry = Entry(self.engine, None, self.task_id, self._produced)
            entry.outcome = outcome
            self.items.append(entry)
            self.engine.changed.notify_all()

    async def run_async(self) -> Any:
        """As `run_for`, in an event loop."""
        current_work.set(self)
        failure = self.failed_dependency()
        if failure is None:
            try:
                args, kwargs = self.arguments()
                async for value in _each(self.name, self._load()(*args, **kwargs)):
                    self.add(Encoded(value))
                    while not self.is_runnable() and self.state != DONE:
                        await _room()
                    if self.state == DONE:
                        break
                return self._through()
            except BaseException as error:
                self.max_retries = self.attempt
                failure = self.failure_of(error)
                assert failure is not None
        self.add(failure)
        return self._through()

    def drop(self) -> None:
        """Nobody reads it any more: it ends where it is."""
        self.engine.finish(self, Encoded(None))
        if self.thread == 0 or not self.is_wanted:
            self._iterator = None


class ListWork(Work):
    """A call with `num_returns="dynamic"`: its one result is the list of references to its items."""

    __slots__ = ()

    def encode(self, value: Any) -> Encoded:
        """All items, then the list of them. An error on the way is the last item."""
        if not hasattr(value, "__next__"):
            raise no_generator(self.name, value)
        refs: list[Any] = []
        try:
            for item in value:
                self._add(refs, Encoded(item))
        except Exception as error:
            self._add(refs, self._last(error))
        return Encoded(DynamicObjectRefGenerator(refs))

    async def run_async(self) -> Any:
        """The same in an event loop, for asynchronous generators too."""
        current_work.set(self)
        failure = self.failed_dependency()
        if failure is not None:
            return failure
        refs: list[Any] = []
        try:
            args, kwargs = self.arguments()
            async for item in _each(self.name, self._load()(*args, **kwargs)):
                self._add(refs, Encoded(item))
        except Exception as error:
            if not refs:
                return self._last(error)
            self._add(refs, self._last(error))
        return Encoded(DynamicObjectRefGenerator(refs))

    def _add(self, refs: list[Any], outcome: Encoded | Failure) -> None:
        entry = Entry(self.engine, None, self.task_id, len(refs) + 1)
        entry.outcome = outcome
        refs.append(InlineRef(entry))

    def _last(self, error: Exception) -> Failure:
        self.max_retries = self.attempt
        failure = self.failure_of(error)
        assert failure is not None
        return failure


async def _each(name: str, values: Any) -> Any:
    """The items of a generator of either kind; one that never waits lets the loop's other calls have a turn."""
    from asyncio import sleep
    from time import monotonic

    turn_s = monotonic()
    if hasattr(values, "__anext__"):
        try:
            async for value in values:
                yield value
                if monotonic() - turn_s > _TURN_S:
                    await sleep(0)
                    turn_s = monotonic()
        finally:
            await values.aclose()
        return
    if not hasattr(values, "__next__"):
        raise no_generator(name, values)
    for value in values:
        yield value
        if monotonic() - turn_s > _TURN_S:
            await sleep(0)
            turn_s = monotonic()


async def _room() -> None:
    from asyncio import sleep

    await sleep(0.001)


def no_generator(name: str, value: Any) -> ValueError:
    """The refusal of a stream of something that has no items."""
    return ValueError(
        f'{name} was called with num_returns="streaming" or "dynamic", so it must return a generator, but it returned'
        f" one {type(value).__name__}: use `yield`, or leave num_returns out."
    )

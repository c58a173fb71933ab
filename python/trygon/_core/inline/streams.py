"""Generators of the inline mode: each item is made when it is asked for."""

from __future__ import annotations

from collections import deque
from contextvars import Context

from trygon._core.generators import DynamicObjectRefGenerator
from trygon._core.inline.values import Encoded, Entry, Failure, InlineRef
from trygon._core.inline.work import DONE, QUEUED, Work, cancelled, current_work

from trygon._native import ObjectRefGenerator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._core.inline.engine import Engine

_END = object()
_COMPLETED_INDEX = 0x7FFFFF


class StreamWork(Work):
    """A call whose function is a generator. It goes back to the queue after each step, until it is through."""

    __slots__ = ("_context", "_iterator", "_produced", "is_wanted", "items", "most_unread")
    most_unread: int

    def results(self) -> Any:
        """What the caller gets: the generator of references."""
        self.entries = [Entry(self.engine, self, self.task_id, _COMPLETED_INDEX)]
        self.items: deque[Entry] = deque()
        self.is_wanted = False
        self._iterator: Any = None
        self._produced = 0
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
            value = self._context.run(self._next)
            if value is not None:
                return value
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
                    self._iterator = self._load()(*args, **kwargs)
                    if not hasattr(self._iterator, "__next__"):
                        raise _no_generator(self.name, self._iterator)
                value = next(self._iterator, _END)
                if self.state == DONE:
                    return Encoded(None)  # It was cancelled or dropped meanwhile.
                if value is _END:
                    return Encoded(None)
                self.add(Encoded(value))
                return None
            except BaseException as error:
                self.max_retries = self.attempt
                failure = self.failure_of(error)
                assert failure is not None
        self._iterator = None
        self.add(failure)
        return failure

    def add(self, outcome: Encoded | Failure) -> None:
        """The next item is there."""
        with self.engine.lock:
            entry = Entry(self.engine, None, self.task_id, self._produced)
            entry.outcome = outcome
            self._produced += 1
            self.items.append(entry)
            self.engine.changed.notify_all()

    async def run_async(self) -> Any:
        """As `run_for`, in an event loop."""
        import asyncio

        current_work.set(self)
        failure = self.failed_dependency()
        if failure is None:
            try:
                args, kwargs = self.arguments()
                values = self._load()(*args, **kwargs)
                if not hasattr(values, "__aiter__"):
                    self._iterator = iter(values)
                    return self.run_for(None)
                async for value in values:
                    self.add(Encoded(value))
                    while not self.is_runnable() and self.state != DONE:
                        await asyncio.sleep(0.001)
                    if self.state == DONE:
                        break
                return Encoded(None)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and self.is_cancelled:
                    failure = cancelled(self.name)
                else:
                    self.max_retries = self.attempt
                    failure = self.failure_of(error)
                assert failure is not None
        self.add(failure)
        return failure

    def drop(self) -> None:
        """Nobody reads it any more: it ends where it is."""
        self.engine.finish(self, Encoded(None))
        self._iterator = None


class ListWork(Work):
    """A call with `num_returns="dynamic"`: its one result is the list of references to its items."""

    __slots__ = ()

    def encode(self, value: Any) -> Encoded:
        """All items, then the list of them."""
        if not hasattr(value, "__next__"):
            raise _no_generator(self.name, value)
        refs = []
        for index, item in enumerate(value):
            entry = Entry(self.engine, None, self.task_id, index + 1)
            entry.outcome = Encoded(item)
            refs.append(InlineRef(entry))
        return Encoded(DynamicObjectRefGenerator(refs))  # type: ignore[arg-type]


def _no_generator(name: str, value: Any) -> ValueError:
    return ValueError(
        f'{name} was called with num_returns="streaming" or "dynamic", so it must return a generator, but it returned'
        f" one {type(value).__name__}."
    )


class InlineGenerator:
    """What a generator's call returns: an iterator of references."""

    def __init__(self, stream: StreamWork) -> None:
        self._trygon_stream = stream
        self._completed = stream.entries[0]

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return ObjectRefGenerator

    def __iter__(self) -> InlineGenerator:
        return self

    def __next__(self) -> InlineRef:
        found = self._next_sync()
        if found is None:
            raise StopIteration
        return found

    def _next_sync(self, timeout_s: float | None = None) -> InlineRef | None:
        stream = self._trygon_stream
        engine = stream.engine
        if timeout_s is None or timeout_s < 0:
            engine.work_off(stream)
        elif not engine.wait_until(stream.is_ready, timeout_s, [stream]):
            from trygon._core.system_errors import system_error

            raise system_error("get_timeout", {"timeout": str(timeout_s)})
        return self._take()

    def _take(self) -> InlineRef | None:
        stream = self._trygon_stream
        with stream.engine.lock:
            if not stream.items:
                return None
            stream.engine.changed.notify_all()
            return InlineRef(stream.items.popleft())

    def __aiter__(self) -> InlineGenerator:
        return self

    async def __anext__(self) -> InlineRef:
        import asyncio
        from concurrent.futures import Future

        stream = self._trygon_stream
        if not stream.is_ready():
            future: Future[None] = Future()
            engine = stream.engine

            def make() -> None:
                try:
                    engine.work_off(stream)
                    future.set_result(None)
                except BaseException as error:
                    future.set_exception(error)

            engine.spawn(make)
            await asyncio.wrap_future(future)
        found = self._take()
        if found is None:
            raise StopAsyncIteration
        return found

    def completed(self) -> InlineRef:
        """A reference that is ready when the generator is through; `get` of it raises what the generator raised."""
        return InlineRef(self._completed)

    def next_ready(self) -> bool:
        """Whether the next reference can be had without waiting."""
        return self._trygon_stream.is_ready()

    def is_finished(self) -> bool:
        """Whether there is nothing more to read."""
        return self._trygon_stream.state == DONE and not self._trygon_stream.items

    def task_id(self) -> Any:
        """The task's id."""
        from trygon._core.ids import TaskID

        return TaskID(self._trygon_stream.task_id)

    def send(self, value: Any) -> Any:
        """Not supported: the generator runs elsewhere."""
        raise NotImplementedError("send() is not supported: the generator runs as a task; pass it an actor or a queue.")

    def throw(self, *error: Any) -> Any:
        """Not supported: the generator runs elsewhere."""
        raise NotImplementedError("throw() is not supported: the generator runs as a task; use trygon.cancel().")

    def close(self) -> Any:
        """Not supported: the generator runs elsewhere."""
        raise NotImplementedError("close() is not supported: drop the generator, or use trygon.cancel().")

    def __del__(self) -> None:
        stream = self._trygon_stream
        if stream.state != DONE:
            stream.engine.dropped.append(stream)

    def __repr__(self) -> str:
        return f"ObjectRefGenerator({self._trygon_stream.task_id.hex()})"

    def __reduce__(self) -> Any:
        raise TypeError("A generator of references cannot be sent; send the references, or a list of them.")

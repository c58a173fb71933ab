"""`await ref` and `ref.future()`: completions come through one queue for each event loop and one for all futures."""

from __future__ import annotations

import sys

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator
    from concurrent.futures import Future
    from typing import Any

_native_get = _native.get
_loops: Any = None
_futures: _FutureThread | None = None


def await_ref(ref: _native.ObjectRef[Any]) -> Generator[Any, None, Any]:
    """Hook `await_ref`: what `ref.__await__()` returns."""
    import asyncio

    return _LoopQueue.of(asyncio.get_running_loop()).future(ref).__await__()


class _LoopQueue:
    """Completions for one event loop. The loop keeps it alive (as the callback of its reader), never the other way
    round.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._queue = _native.CompletionQueue()
        loop.add_reader(self._queue.fileno(), self._drain)

    @staticmethod
    def of(loop: asyncio.AbstractEventLoop) -> _LoopQueue:
        global _loops
        if _loops is None:
            from weakref import WeakKeyDictionary

            _loops = WeakKeyDictionary()
        found: _LoopQueue | None = _loops.get(loop)
        if found is None or not found._queue.is_current():
            if found is not None:
                found._close(loop)
            found = _loops[loop] = _LoopQueue(loop)
        return found

    def future(self, ref: _native.ObjectRef[Any]) -> asyncio.Future[Any]:
        import asyncio

        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.add(ref, future)
        return future

    def item(self, generator: Any) -> asyncio.Future[Any]:
        import asyncio

        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.add_next(generator, future)
        return future

    def room(self, stream: Any) -> asyncio.Future[Any]:
        import asyncio

        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.add_room(stream, future)
        return future

    def _drain(self) -> None:
        for ref, future in self._queue.drain():
            if not future.done():
                _complete(future, ref)

    def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        waiting = self._queue.close()
        if loop.is_closed():
            return
        if loop.is_running() and asyncio._get_running_loop() is not loop:
            # Another thread's loop: it is told, and does it itself.
            loop.call_soon_threadsafe(self._end, loop, waiting)
        else:
            self._end(loop, waiting)

    def _end(self, loop: asyncio.AbstractEventLoop, waiting: list[tuple[Any, Any]]) -> None:
        from trygon.exceptions import RaySystemError

        loop.remove_reader(self._queue.fileno())
        for _, future in waiting:
            if not future.done():
                future.set_exception(RaySystemError("Trygon was shut down before the result came."))


async def wait_for_item(generator: Any) -> None:
    """Waits until a generator's next item, or its end, is there."""
    import asyncio

    await _LoopQueue.of(asyncio.get_running_loop()).item(generator)


async def wait_for_room(stream: Any) -> None:
    """Waits until a generator of this actor may make one more item, as far as is known."""
    import asyncio

    await _LoopQueue.of(asyncio.get_running_loop()).room(stream)


def _complete(future: Any, ref: Any) -> None:
    if type(ref) is not _native.ObjectRef:
        # A stream: that there is something new is all there is to say.
        future.set_result(None)
        return
    complete(future, lambda: _native_get(ref, None))


def complete(future: Any, take: Callable[[], Any]) -> None:
    """Gives the future what `take` returns or raises."""
    try:
        value = take()
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        if isinstance(error, StopIteration):
            # A future cannot carry it: `await` would take it for its own end.
            wrapped = RuntimeError(f"the task raised StopIteration: {error}")
            wrapped.__cause__ = error
            error = wrapped
        future.set_exception(error)
    else:
        future.set_result(value)


def future_of(ref: _native.ObjectRef[Any]) -> Future[Any]:
    """Hook `future_of`: a `concurrent.futures.Future` of the reference."""
    from concurrent.futures import Future

    global _futures
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    while _futures is None or not _futures.add(ref, future):
        _futures = _FutureThread()
    return future


class _FutureThread:
    """One thread that completes every future of this process; started at the first one, ended when none has waited for
    a while.
    """

    _POLL_S = 0.2
    _IDLE_POLLS = 25

    def __init__(self) -> None:
        import os
        import threading

        self._queue = _native.CompletionQueue()
        self._pid = os.getpid()
        # Guards `_ended` and `_pending`: a future must not be added to a thread that is leaving.
        self._lock = threading.Lock()
        self._ended = False
        self._pending: set[Any] = set()
        self._thread = threading.Thread(target=self._run, name="trygon-futures", daemon=True)
        self._thread.start()

    def add(self, ref: _native.ObjectRef[Any], future: Any) -> bool:
        """False when this thread cannot take it: it has ended, or belongs to an earlier session or to the parent
        process.
        """
        import os

        if self._pid != os.getpid() or not self._queue.is_current():
            return False
        with self._lock:
            if self._ended:
                return False
            self._pending.add(future)
        self._queue.add(ref, future)
        return True

    def end(self) -> None:
        with self._lock:
            self._ended = True
        self._thread.join(1.0)
        self._queue.close()
        for future in self._pending:
            if not future.done():
                from trygon.exceptions import RaySystemError

                future.set_exception(RaySystemError("Trygon was shut down before the result came."))
        self._pending.clear()

    def _run(self) -> None:
        idle = 0
        while not self._ended:
            completed = self._queue.wait(self._POLL_S)
            idle = 0 if completed or self._pending else idle + 1
            while completed:
                ref, future = completed.pop()
                self._pending.discard(future)
                _complete(future, ref)
            ref = future = None
            if idle > self._IDLE_POLLS and self._leave():
                self._queue.close()

    def _leave(self) -> bool:
        with self._lock:
            self._ended = not self._pending
            return self._ended


def end_futures() -> None:
    """Ends the thread; what still waits fails."""
    global _futures, _loops
    if _futures is not None:
        _futures.end()
        _futures = None
    if _loops is not None and "asyncio" in sys.modules:
        for loop, queue in list(_loops.items()):
            queue._close(loop)
        _loops = None

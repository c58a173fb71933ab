"""`Executor`: a `concurrent.futures.Executor` whose calls run in processes of the engine."""

from __future__ import annotations

import atexit
import weakref
from collections import deque
from concurrent.futures import CancelledError, Future
from concurrent.futures import Executor as _Executor
from itertools import islice
from time import monotonic

from trygon.util._calls import Call, decode_item_error, original_error
from trygon.util._crew import Crew, end_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, NoReturn, ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["Executor"]


class Executor(_Executor):
    """Processes that calls are spread over, as of `concurrent.futures.ProcessPoolExecutor`.

    `max_workers` is the number of CPUs of the cluster unless given. `initializer(*initargs)` runs first in each
    process; a process ends after `max_tasks_per_child` calls and is replaced. `actor_options` are options of the
    actors that the processes are, such as `{"num_gpus": 1}`. A process that dies fails only the call that it ran.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        actor_options: dict[str, Any] | None = None,
    ) -> None:
        from trygon.util.multiprocessing.pool import pool_size

        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be callable, but {type(initializer).__name__} was given.")
        if max_tasks_per_child is not None:
            if isinstance(max_tasks_per_child, bool) or not isinstance(max_tasks_per_child, int):
                raise TypeError(
                    f"max_tasks_per_child must be an int, but {type(max_tasks_per_child).__name__} was given."
                )
            if max_tasks_per_child < 1:
                raise ValueError(f"max_tasks_per_child must be at least 1, but {max_tasks_per_child} was given.")
        self._max_workers = pool_size("max_workers", max_workers)
        self._crew = Crew(
            self._max_workers,
            initializer=initializer,
            initargs=tuple(initargs),
            calls_per_member=max_tasks_per_child,
            actor_options=actor_options,
        )
        # What was submitted runs to its end, also when the executor is dropped or the program ends.
        _open_crews.add(self._crew)
        end_with(self, self._crew, None)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs `fn(*args, **kwargs)` in one of the processes. The future can be cancelled until it is sent to one."""
        future = _CrewFuture(self._crew)
        number = self._crew.number_of(fn, lasting=True)
        begin = future.set_running_or_notify_cancel
        self._submit([Call("call", fn, (args, kwargs), future.take, number, begin, future.calls_back)])
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Results of `fn` on the items, in order. Everything is submitted now; with `buffersize` items are taken as
        results are, at most that many ahead. A result that does not come `timeout` seconds after this call raises
        TimeoutError.
        """
        if isinstance(chunksize, bool) or not isinstance(chunksize, int):
            raise TypeError(f"chunksize must be an int, but {type(chunksize).__name__} was given.")
        if chunksize < 1:
            raise ValueError(f"chunksize must be >= 1, but {chunksize} was given.")
        if buffersize is not None and (isinstance(buffersize, bool) or not isinstance(buffersize, int)):
            raise TypeError(f"buffersize must be an int or None, but {type(buffersize).__name__} was given.")
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize must be None or >= 1, but {buffersize} was given.")
        deadline = None if timeout is None else timeout + monotonic()
        number = self._crew.number_of(fn, lasting=False)
        chunks = _chunks(zip(*iterables), chunksize)  # noqa: B905
        ahead = None if buffersize is None else max(1, buffersize // chunksize)
        self._check_open()
        futures = deque(self._send_chunks(fn, number, islice(chunks, ahead)))
        return _results(self, fn, number, chunks, futures, deadline)

    def _send_chunks(self, fn: Any, number: int | None, chunks: Iterator[list[Any]]) -> list[_CrewFuture]:
        futures = []
        calls = []
        for chunk in chunks:
            future = _CrewFuture(self._crew)
            futures.append(future)
            begin = future.set_running_or_notify_cancel
            calls.append(Call("each", fn, (chunk, True), future.take, number, begin, future.calls_back))
        if calls:
            self._submit(calls)
        return futures

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls; the processes end when what was given is done, or what is running with
        `cancel_futures`. Returns then, or at once with `wait=False`.
        """
        if cancel_futures:
            for call in self._crew.drop_waiting():
                future: Any = getattr(call.done, "__self__", None)
                if isinstance(future, Future) and future.cancel():
                    future.set_running_or_notify_cancel()
        self._crew.close()
        if wait:
            self._crew.join()

    def _submit(self, calls: list[Call]) -> None:
        self._check_open()
        self._crew.submit(calls)

    def _check_open(self) -> None:
        if self._crew.is_closed:
            self._crew.raise_if_broken()
            raise RuntimeError("cannot schedule new futures after shutdown")

    def __reduce__(self) -> NoReturn:
        raise NotImplementedError("An executor cannot be sent to another process; make one there.")


class _CrewFuture(Future):  # type: ignore[type-arg]
    """A future whose waiter collects results itself, which is quicker than being woken."""

    def __init__(self, crew: Crew) -> None:
        super().__init__()
        self._crew = crew
        self._calls_back = False

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """As of `concurrent.futures.Future`; called in a thread of the executor."""
        self._calls_back = True
        super().add_done_callback(fn)

    def calls_back(self) -> bool:
        """Whether a callback of the user's runs when the result is there."""
        return self._calls_back

    def take(self, value: Any, error: BaseException | None) -> None:
        """The answer of the crew."""
        if self.cancelled():
            return
        if not self.running() and not self.set_running_or_notify_cancel():
            return  # It fails before it was sent.
        if error is not None:
            self.set_exception(original_error(error))
        else:
            self.set_result(value)

    def _block(self, seconds: float) -> None:
        try:
            super().exception(seconds)
        except (CancelledError, TimeoutError):
            pass

    def result(self, timeout: float | None = None) -> Any:
        """As of `concurrent.futures.Future`."""
        self._crew.wait_until(self.done, self._block, timeout)
        return super().result(0 if timeout is not None else None)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As of `concurrent.futures.Future`."""
        self._crew.wait_until(self.done, self._block, timeout)
        return super().exception(0 if timeout is not None else None)


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(items, size)):
        yield chunk


def _results(
    executor: Executor,
    fn: Any,
    number: int | None,
    chunks: Iterator[list[Any]],
    futures: deque[_CrewFuture],
    deadline: float | None,
) -> Iterator[Any]:
    try:
        while futures:
            values, errors = futures[0].result(None if deadline is None else max(0.0, deadline - monotonic()))
            futures.popleft()
            futures += executor._send_chunks(fn, number, islice(chunks, 1))
            for index, value in enumerate(values):
                if errors and index in errors:
                    raise decode_item_error(errors[index])
                yield value
    finally:
        for future in futures:
            future.cancel()


_open_crews: weakref.WeakSet[Crew] = weakref.WeakSet()


@atexit.register
def _finish_everything() -> None:
    """At the end of the program, waits for what was submitted. Runs before the engine ends, because that was
    registered earlier.
    """
    for crew in list(_open_crews):
        crew.close()
        crew.join()

"""`Pool`: the standard library's `multiprocessing.Pool` with processes of the engine."""

from __future__ import annotations

import operator

from trygon.util._calls import Call
from trygon.util._crew import Crew, end_with
from trygon.util.multiprocessing.results import (
    AsyncResult,
    IMapIterator,
    MapResult,
    PoolTaskError,
    SingleResult,
    TimeoutError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, NoReturn, Self

__all__ = ["AsyncResult", "IMapIterator", "Pool", "PoolTaskError", "TimeoutError"]

# Chunks of a map for each process when nothing is said: few enough to cost nothing, enough to even out slow ones.
_CHUNKS_PER_PROCESS = 4


class Pool:
    """Processes that calls are spread over: the interface of `multiprocessing.Pool`.

    `processes` is the number of CPUs of the cluster unless given, and at most that. `ray_remote_args` are options of
    the actors that the processes are, such as `{"num_gpus": 1}`. `initializer(*initargs)` runs first in each process;
    a process ends after `maxtasksperchild` calls and is replaced. `context` has no meaning here.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] | None = None,
        maxtasksperchild: int | None = None,
        context: Any = None,
        ray_address: str | None = None,
        ray_remote_args: dict[str, Any] | None = None,
    ) -> None:
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be callable, but {type(initializer).__name__} was given.")
        if maxtasksperchild is not None and (
            isinstance(maxtasksperchild, bool) or not isinstance(maxtasksperchild, int) or maxtasksperchild < 1
        ):
            raise ValueError(f"maxtasksperchild must be an int >= 1 or None, but {maxtasksperchild!r} was given.")
        if context is not None:
            import warnings

            warnings.warn("Pool(context=...) has no effect: the processes are the engine's.", stacklevel=2)
        self._processes = pool_size("processes", processes, ray_address)
        self._crew = Crew(
            self._processes,
            initializer=initializer,
            initargs=tuple(initargs or ()),
            calls_per_member=maxtasksperchild,
            actor_options=ray_remote_args,
        )
        end_with(self, self._crew, "The pool was dropped before the result came.")

    # --- one call

    def apply(self, func: Callable[..., Any], args: Sequence[Any] | None = None, kwargs: Any = None) -> Any:
        """`func(*args, **kwargs)` in one of the processes."""
        return self.apply_async(func, args, kwargs).get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> AsyncResult:
        """Like `apply`, without waiting. The callbacks run in a thread of this process."""
        result = SingleResult(self._crew, 1, callback, error_callback)
        function = _plain(func)
        number = self._crew.number_of(function, lasting=True)
        arguments = (tuple(args or ()), dict(kwargs or {}))
        calls_back = result.calls_back if result.calls_back() else None
        self._submit([Call("call", function, arguments, result.take, number, calls_back=calls_back)])
        return result

    # --- maps

    def map(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = None) -> list[Any]:
        """`[func(item) for item in iterable]`, spread over the processes."""
        return self.map_async(func, iterable, chunksize).get()  # type: ignore[no-any-return]

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[list[Any]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> AsyncResult:
        """Like `map`, without waiting. `callback` gets the whole list."""
        return self._map(func, iterable, chunksize, False, callback, error_callback)

    def starmap(
        self, func: Callable[..., Any], iterable: Iterable[Sequence[Any]], chunksize: int | None = None
    ) -> list[Any]:
        """`[func(*arguments) for arguments in iterable]`, spread over the processes."""
        return self.starmap_async(func, iterable, chunksize).get()  # type: ignore[no-any-return]

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Sequence[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[Any]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> AsyncResult:
        """Like `starmap`, without waiting."""
        return self._map(func, iterable, chunksize, True, callback, error_callback)

    def imap(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = 1) -> IMapIterator:
        """An iterator over the results, in order, that takes items as its results are taken."""
        return self._imap(func, iterable, chunksize, ordered=True)

    def imap_unordered(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = 1
    ) -> IMapIterator:
        """Like `imap`, but results come as soon as they are there."""
        return self._imap(func, iterable, chunksize, ordered=False)

    def _map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        spread: bool,
        callback: Callable[[list[Any]], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> AsyncResult:
        self._check_running()
        items = list(iterable)
        size = _chunksize(chunksize, len(items), self._processes)
        starts = range(0, len(items), size)
        result = MapResult(self._crew, len(starts), callback, error_callback)
        if not starts:
            result.combine()
            return result
        function = _plain(func)
        number = self._crew.number_of(function, lasting=False)
        calls_back = result.calls_back if result.calls_back() else None
        self._submit(
            [
                Call(
                    "each",
                    function,
                    (items[start : start + size], spread),
                    result.taker(index),
                    number,
                    calls_back=calls_back,
                )
                for index, start in enumerate(starts)
            ]
        )
        return result

    def _imap(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None, *, ordered: bool
    ) -> IMapIterator:
        self._check_running()
        return IMapIterator(self._crew, _plain(func), iterable, _chunksize(chunksize or 1, 1, 1), ordered=ordered)

    # --- the end

    def close(self) -> None:
        """Takes no more calls; the processes end when what was given is done."""
        self._crew.close()

    def terminate(self) -> None:
        """Ends the processes at once; results that are not there yet fail."""
        self._crew.end(RuntimeError("The pool was terminated before the result came."))

    def join(self) -> None:
        """Waits until the processes are gone, after `close` or `terminate`."""
        if not self._crew.is_closed:
            raise ValueError("Pool is still running: call close() or terminate() before join().")
        self._crew.join()

    def _submit(self, calls: list[Call]) -> None:
        self._check_running()
        self._crew.submit(calls)

    def _check_running(self) -> None:
        if self._crew.is_closed:
            self._crew.raise_if_broken()
            raise ValueError("Pool not running: it was closed or terminated.")

    def __enter__(self) -> Self:
        self._check_running()
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    def __reduce__(self) -> NoReturn:
        raise NotImplementedError("A pool cannot be sent to another process; make one there.")

    def __repr__(self) -> str:
        state = "closed" if self._crew.is_closed else "running"
        return f"<trygon Pool of {self._processes} processes, {state}>"


def pool_size(name: str, wanted: int | None, address: str | None = None) -> int:
    """How many processes a pool has; starts the engine if it does not run."""
    import trygon

    if wanted is not None:
        wanted = operator.index(wanted)
        if wanted < 1:
            raise ValueError(f"{name} must be at least 1, but {wanted} was given.")
    if not trygon.is_initialized():
        trygon.init(address, num_cpus=wanted)
    cpus = int(trygon.cluster_resources().get("CPU", 0)) or 1
    if wanted is not None and wanted > cpus:
        raise ValueError(
            f"{name} is {wanted}, but there are only {cpus} CPUs; ask for fewer, or start the engine with"
            f" trygon.init(num_cpus={wanted})."
        )
    return wanted or cpus


def _chunksize(wanted: int | None, items: int, processes: int) -> int:
    if wanted is None:
        return max(1, -(-items // (_CHUNKS_PER_PROCESS * processes)))
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise TypeError(f"chunksize must be an int, but {type(wanted).__name__} was given.")
    if wanted < 1:
        raise ValueError(f"chunksize must be at least 1, but {wanted} was given.")
    return wanted


def _plain(function: Any) -> Callable[..., Any]:
    """The function itself; a remote function runs as its plain one."""
    plain = getattr(function, "__wrapped__", None) if type(function).__name__ == "RemoteFunction" else function
    if not callable(plain):
        raise TypeError(f"A pool calls functions, but {type(function).__name__} was given.")
    return plain  # type: ignore[no-any-return]

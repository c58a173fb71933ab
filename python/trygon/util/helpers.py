"""Results as they come: of references that exist, and of one function over many items."""

from __future__ import annotations

from itertools import islice

from trygon._core import objects
from trygon._core.completions import completion_queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

__all__ = ["as_completed", "map_unordered"]


def as_completed(
    refs: Sequence[Any], *, chunk_size: int = 10, yield_obj_refs: bool = False, fetch_local: bool = True
) -> Iterator[Any]:
    """Values of references as they become ready, up to `chunk_size` fetched at once; with `yield_obj_refs` the
    references themselves. Raises what a task raised when its turn comes.
    """
    _check_chunk_size(chunk_size)
    return _completed(list(refs), iter(()), len(refs), chunk_size, yield_obj_refs, fetch_local)


def map_unordered(
    fn: Any,
    items: Iterable[Any],
    *,
    backpressure_size: int | None = 100,
    chunk_size: int = 10,
    yield_obj_refs: bool = False,
    fetch_local: bool = True,
) -> Iterator[Any]:
    """Results of `fn.remote(item)` as they become ready, with at most `backpressure_size` calls under way (None: any
    number). `items` may be endless.
    """
    _check_chunk_size(chunk_size)
    if not hasattr(fn, "remote"):
        raise TypeError(
            f"map_unordered() takes a remote function, but {type(fn).__name__} was given; use @trygon.remote."
        )
    if backpressure_size is not None and backpressure_size < 1:
        raise ValueError(f"backpressure_size must be positive or None, but {backpressure_size} was given.")
    submitted = (fn.remote(item) for item in items)
    return _completed([], submitted, backpressure_size, chunk_size, yield_obj_refs, fetch_local)


def _check_chunk_size(chunk_size: int) -> None:
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be >= 1, but {chunk_size} was given.")


def _completed(
    refs: list[Any], more: Iterator[Any], limit: int | None, chunk_size: int, yield_refs: bool, fetch_local: bool
) -> Iterator[Any]:
    """Gives out `refs` and `more` as they complete, with at most `limit` of them under way."""
    waiting = dict.fromkeys(refs)
    queue = None
    try:
        while True:
            new = refs + list(islice(more, None if limit is None else max(0, limit - len(waiting))))
            refs = []
            if new and queue is None:
                queue = completion_queue()
            for ref in new:
                waiting[ref] = None
                queue.add(ref, None)  # type: ignore[union-attr]
            if not waiting:
                return
            ready = queue.drain()  # type: ignore[union-attr]
            if not ready:
                objects.wait(list(waiting), num_returns=1, timeout=1.0, fetch_local=fetch_local)
                ready = queue.drain() or queue.wait(0.001)  # type: ignore[union-attr]
            done = [ref for ref, _ in ready]
            for ref in done:
                waiting.pop(ref, None)
            for start in range(0, len(done), chunk_size):
                chunk = done[start : start + chunk_size]
                yield from chunk if yield_refs else objects.get(chunk)
    finally:
        if queue is not None:
            queue.close()

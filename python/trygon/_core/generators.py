"""Generators: what `num_returns="streaming"` and `"dynamic"` mean for a function, awaiting items, sending those of an
actor with an event loop, and the list of a dynamic task's items. The rest is the engine's (`ObjectRefGenerator`).
"""

from __future__ import annotations

from time import monotonic

from trygon._native import ObjectRefGenerator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from trygon._native import ObjectRef, StreamSender

__all__ = ["DynamicObjectRefGenerator", "ObjectRefGenerator"]

# Code flags, as `inspect` knows them; importing that costs milliseconds.
GENERATOR, ASYNC_GENERATOR = 0x20, 0x200
# What the engine takes for `num_returns` of the two kinds of streams.
STREAMING, DYNAMIC = 0xFFFF, 0xFFFE


def makes_items(function: Any) -> bool:
    """Whether it is a generator function, as far as that can be told: compiled code does not say."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    return bool(getattr(code, "co_flags", 0) & (GENERATOR | ASYNC_GENERATOR))


def engine_returns(name: str, options: dict[str, Any], is_generator: bool, is_known: bool = True) -> tuple[int, int]:
    """What the engine takes for `num_returns`, and for the most items that may wait (0: no limit).

    `is_known`: whether `is_generator` was read from the function's code. ValueError for a stream of a function that is
    no generator.
    """
    num_returns: Any = options.get("num_returns")
    if num_returns is None:
        num_returns = "streaming" if is_generator else 1
    limit = options.get("_generator_backpressure_num_objects")
    if num_returns not in ("streaming", "dynamic"):
        return num_returns, 0
    if is_known and not is_generator:
        raise ValueError(
            f'The option num_returns="{num_returns}" needs a generator function, one that uses `yield`, but {name} is'
            " none."
        )
    if num_returns == "dynamic":
        from warnings import warn

        warn(
            f'num_returns="dynamic" of {name} is deprecated: "streaming" gives each item as soon as it is there.',
            DeprecationWarning,
            stacklevel=4,
        )
        return DYNAMIC, 0
    return STREAMING, max(limit or 0, 0)


class Flattened:
    """A generator function with `_num_objects_per_yield`: each tuple that it yields becomes so many items."""

    def __init__(self, function: Callable[..., Any], size: int) -> None:
        self._function = function
        self._size = size
        self.__name__ = getattr(function, "__name__", "generator")

    def __call__(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for values in self._function(*args, **kwargs):
            if not isinstance(values, (tuple, list)) or len(values) != self._size:
                count = len(values) if isinstance(values, (tuple, list)) else 1
                raise ValueError(
                    f"{self.__name__} yielded {count} objects, but _num_objects_per_yield={self._size}: it must yield"
                    f" tuples of {self._size}."
                )
            yield from values


def regrouped(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """The function or method as workers run it: the same one, unless its items are to be regrouped."""
    per_yield = options.get("_num_objects_per_yield") or 1
    return Flattened(function, per_yield) if per_yield > 1 else function


class DynamicObjectRefGenerator:
    """References to the items of a task with `num_returns="dynamic"`: can be iterated, has a length, and can be passed
    on."""

    __slots__ = ("_refs",)

    def __init__(self, refs: list[ObjectRef[Any]]) -> None:
        self._refs = refs

    @classmethod
    def __class_getitem__(cls, _: Any) -> Any:
        return cls

    def __iter__(self) -> Iterator[ObjectRef[Any]]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)

    def __repr__(self) -> str:
        return f"DynamicObjectRefGenerator({len(self._refs)} items)"

    def __reduce__(self) -> Any:
        return DynamicObjectRefGenerator, (self._refs,)


# A generator that never waits for anything lets the actor's other calls have a turn this often.
_TURN_S = 0.002


async def send_items(items: Any, stream: StreamSender, name: str) -> Any:
    """Sends the items of a generator of an actor with an event loop; returns what the call itself replies with."""
    try:
        if await _send_all(items, stream, name):
            stream.finish()
    except Exception as error:
        if not stream.fail(error):
            raise
        stream.finish()
    return stream.result()


async def _send_all(items: Any, stream: StreamSender, name: str) -> bool:
    """False when nobody wanted the rest."""
    from contextlib import aclosing, closing

    if hasattr(items, "__anext__"):
        async with aclosing(items):
            turn = monotonic()
            async for item in items:
                turn = await _send_one(item, stream, turn)
                if stream.is_stopped():
                    return False
        return True
    if not hasattr(items, "__next__"):
        raise ValueError(
            f'{name} was called with num_returns="streaming" or "dynamic", so it must return a generator, but it'
            f" returned one {type(items).__name__}."
        )
    with closing(items):
        turn = monotonic()
        for item in items:
            turn = await _send_one(item, stream, turn)
            if stream.is_stopped():
                return False
    return True


async def _send_one(item: Any, stream: StreamSender, turn: float) -> float:
    from asyncio import sleep

    from trygon._core.object_ref import wait_for_room

    if not stream.is_stopped():
        stream.send(item)
    while not stream.has_room():
        await wait_for_room(stream)
        turn = monotonic()
    if monotonic() - turn > _TURN_S:
        await sleep(0)
        turn = monotonic()
    return turn


async def next_item(generator: ObjectRefGenerator[Any], timeout_s: float | None) -> ObjectRef[Any]:
    """Hook `next_item`: the next reference; StopAsyncIteration at the end, a nil reference when the time is over."""
    import asyncio

    from trygon._core.object_ref import wait_for_item

    ref = generator._take()
    while ref is None:
        try:
            await asyncio.wait_for(wait_for_item(generator), timeout_s)
        except TimeoutError:
            return generator._next_sync(0)
        ref = generator._take()
    return ref

"""Arrays in shared memory from the beginning. Knows numpy only when it is used, and the engine through
`_core.store_memory`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trygon import ObjectRef


class StoreArray:
    """An array that is being made in the object store. Fill `array`, then `trygon.put(it)`: it becomes an object, with
    no copy.

    After that `array` is read-only, and so is what `get` returns, wherever that is.
    """

    def __init__(self, buffer: Any, array: Any) -> None:
        self._buffer = buffer
        self.array = array
        self._ref: ObjectRef[Any] | None = None

    def seal(self) -> ObjectRef[Any]:
        """Makes it an object; what `trygon.put` does. A second call returns the same reference."""
        if self._ref is None:
            from trygon._core.store_memory import seal_array

            self._ref = seal_array(self._buffer, self.array)
            self.array.flags.writeable = False
        return self._ref

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        array = self.array if dtype is None else self.array.astype(dtype, copy=False)
        return array.copy() if copy else array

    def __getitem__(self, index: Any) -> Any:
        return self.array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value

    def __repr__(self) -> str:
        state = "sealed" if self._ref is not None else "open"
        return f"StoreArray(shape={self.array.shape}, dtype={self.array.dtype}, {state})"

    def __reduce__(self) -> Any:
        raise TypeError("A StoreArray cannot be sent as it is: trygon.put() it and send the reference.")


def empty(shape: int | tuple[int, ...], dtype: Any = float) -> StoreArray:
    """An array in the object store, as `numpy.empty` makes one in private memory: its contents are not defined."""
    import numpy

    from trygon._core.store_memory import reserve

    kind = numpy.dtype(dtype)
    if kind.hasobject:
        raise TypeError(f"An array in the object store holds plain data; {kind} holds Python objects.")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    count = 1
    for size in sizes:
        if size < 0:
            raise ValueError(f"Sizes of an array must not be negative, but {size} was given.")
        count *= size
    buffer = reserve(count * kind.itemsize)
    array = (
        numpy.frombuffer(memoryview(buffer), dtype=kind, count=count).reshape(sizes)
        if count
        else numpy.empty(sizes, kind)
    )
    return StoreArray(buffer, array)


def zeros(shape: int | tuple[int, ...], dtype: Any = float) -> StoreArray:
    """As `empty`, filled with zeros."""
    made = empty(shape, dtype)
    made.array.fill(0)
    return made

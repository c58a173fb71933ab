"""Space in the object store that becomes an object by being sealed."""

from __future__ import annotations

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def reserve(size_bytes: int) -> _native.StoreBuffer:
    """Writable shared memory, 64-byte aligned."""
    return _native.create_in_store(max(size_bytes, 1))


def seal_array(buffer: _native.StoreBuffer, array: Any) -> _native.ObjectRef[Any]:
    """The array that was made in `buffer` as an object. Its pickle names the space as its one out-of-band buffer."""
    from _pickle import PickleBuffer, dumps

    class Stand:
        """Stands for the array: the pickle must say where the data begins and nothing more."""

        def __reduce__(self) -> Any:
            return rebuild_array, (
                PickleBuffer(b""),
                array.dtype.str if array.dtype.names is None else array.dtype,
                array.shape,
            )

    return buffer.seal(dumps(Stand(), 5, buffer_callback=lambda _: False))


def rebuild_array(buffer: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """The array as a view on the object's memory."""
    import numpy

    kind = numpy.dtype(dtype)
    count = 1
    for size in shape:
        count *= size
    return numpy.frombuffer(buffer, dtype=kind, count=count).reshape(shape)

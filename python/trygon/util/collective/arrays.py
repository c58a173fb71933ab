"""Tensors of numpy and torch as flat numpy arrays that share their memory, and how two of them are reduced.

Knows nothing of members and groups. numpy and torch are looked at only when a tensor of theirs is given.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from trygon.util.collective.types import ReduceOp

if TYPE_CHECKING:
    from collections.abc import Callable

    Reducer = Callable[[Any, Any, Any], None]

_BFLOAT16 = "bfloat16"
# numpy works a type's name out each time it is asked.
_names: dict[Any, str] = {}


class Flat(NamedTuple):
    """A tensor's elements in a row. `array` shares the tensor's memory, or, if that has gaps, is a copy of it."""

    array: Any
    kind: str
    shape: tuple[int, ...]
    # Writes the copy back into the tensor; None where the memory is shared.
    put_back: Callable[[], None] | None

    @property
    def bytes(self) -> memoryview:
        """The memory, as bytes."""
        return memoryview(self.array).cast("B")

    def finish(self) -> None:
        """To be called when the array was written."""
        if self.put_back is not None:
            self.put_back()


def flatten(tensor: Any, *, written: bool) -> Flat:
    """The elements of a numpy array or a torch tensor on the CPU. With `written`, it must be possible to change it."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(tensor, numpy.ndarray):
        return _from_numpy(numpy, tensor, written)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensor, torch.Tensor):
        return _from_torch(torch, tensor)
    kind = type(tensor)
    raise RuntimeError(
        f"Unrecognized tensor type {kind.__module__}.{kind.__qualname__}: collective calls take numpy.ndarray or"
        " torch.Tensor (on the CPU)."
    )


def _from_numpy(numpy: Any, tensor: Any, written: bool) -> Flat:
    name = _names.get(tensor.dtype) or _names.setdefault(tensor.dtype, tensor.dtype.name)
    if tensor.dtype.kind not in "biufc":
        raise RuntimeError(f"Arrays of dtype {tensor.dtype} cannot be sent between members: give an array of numbers.")
    if written and not tensor.flags.writeable:
        raise RuntimeError(
            "The result is written into the array, but the array is read-only (as all are that come from get()):"
            " give a copy, array.copy()."
        )
    if tensor.flags.c_contiguous:
        return Flat(tensor.reshape(-1), name, tensor.shape, None)
    copy = numpy.ascontiguousarray(tensor)

    def put_back() -> None:
        tensor[...] = copy

    return Flat(copy.reshape(-1), name, tensor.shape, put_back)


def _from_torch(torch: Any, tensor: Any) -> Flat:
    if tensor.device.type != "cpu":
        raise RuntimeError(
            f"The tensor is on {tensor.device}, but Trygon's collective calls work on the CPU: give tensor.cpu()."
        )
    if tensor.layout is not torch.strided:
        raise RuntimeError(f"The tensor has the layout {tensor.layout}, but only dense tensors can be sent.")
    plain = tensor.detach()
    whole = plain.contiguous()
    flat = whole.reshape(-1)
    kind = str(tensor.dtype).removeprefix("torch.")
    try:
        # numpy does not know the type: its bits travel as integers, and torch reduces them.
        array = (flat.view(torch.int16) if kind == _BFLOAT16 else flat).numpy()
    except (TypeError, RuntimeError) as error:
        raise RuntimeError(f"Tensors of dtype {tensor.dtype} cannot be sent between members: {error}") from None
    put_back = None if whole.data_ptr() == plain.data_ptr() else lambda: plain.copy_(whole)
    return Flat(array, kind, tuple(tensor.shape), put_back)


def reducer(kind: str, op: ReduceOp) -> Reducer:
    """`reduce(a, b, out)` for arrays of this kind, element by element."""
    if kind == "bool":
        raise RuntimeError("Arrays of bool cannot be reduced: convert them to integers first.")
    if kind.startswith("complex") and op in (ReduceOp.MIN, ReduceOp.MAX):
        raise RuntimeError(f"{op.name} has no meaning for {kind}: complex numbers have no order.")
    if kind == _BFLOAT16:
        return _torch_reducer(op)
    import numpy

    functions = {
        ReduceOp.SUM: numpy.add,
        ReduceOp.PRODUCT: numpy.multiply,
        ReduceOp.MIN: numpy.minimum,
        ReduceOp.MAX: numpy.maximum,
    }
    function = functions[op]

    def reduce(first: Any, second: Any, out: Any) -> None:
        # Overflow is the sum's own affair, and told by the result; a warning in each member helps nobody.
        with numpy.errstate(all="ignore"):
            function(first, second, out)

    return reduce


def _torch_reducer(op: ReduceOp) -> Reducer:
    import torch  # type: ignore[import-not-found,unused-ignore]

    names = {ReduceOp.SUM: "add", ReduceOp.PRODUCT: "mul", ReduceOp.MIN: "minimum", ReduceOp.MAX: "maximum"}
    function = getattr(torch, names[op])

    def as_tensor(array: Any) -> Any:
        # Shared memory of others is mapped read-only nowhere, so torch's warning about it cannot come.
        return torch.from_numpy(array.view("int16")).view(torch.bfloat16)

    def reduce(first: Any, second: Any, out: Any) -> None:
        function(as_tensor(first), as_tensor(second), out=as_tensor(out))

    return reduce


def list_of(tensors: Any, count: int, like: Flat, what: str, *, written: bool) -> list[Flat]:
    """The tensors of a list with one for each member, all of the size and type of `like`."""
    if not isinstance(tensors, (list, tuple)):
        raise RuntimeError(
            f"{what} takes a list of tensors, one for each member, but {type(tensors).__name__} was given."
        )
    if len(tensors) != count:
        raise RuntimeError(
            f"{what} takes a list of {count} tensors, one for each member, but {len(tensors)} were given."
        )
    found = [flatten(tensor, written=written) for tensor in tensors]
    for index, flat in enumerate(found):
        if flat.kind != like.kind or flat.array.size != like.array.size:
            raise RuntimeError(
                f"{what}: number {index} of the list is {describe(flat)}, but the tensor is {describe(like)}; all must"
                " have the same size and type."
            )
    return found


def describe(flat: Flat) -> str:
    """For people: type and number of elements."""
    return f"{flat.kind} of {flat.array.size} elements"

"""Values to bytes and back, where the engine's own codec does not reach: pickle protocol 5 with buffers kept apart.

The C pickler is tried first because it is ten times faster than cloudpickle. It knows functions and classes only by
name, so
what lives in `__main__`, and what it refuses, goes through cloudpickle, which sends such things by value. Where the
bytes go
afterwards, and which references they contain, is the engine's business.
"""

from __future__ import annotations

import sys
from _pickle import PickleBuffer, Pickler
from _pickle import dumps as c_dumps
from _pickle import loads as c_loads

from trygon._core import redefinitions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PROTOCOL = 5
_custom_reducers: dict[type, Any] = {}
_cloud_pickler: type | None = None


def pickle_value(value: Any) -> tuple[bytes, list[PickleBuffer]]:
    """Hook `pickle`: the value's bytes, and its large buffers uncopied."""
    buffers: list[PickleBuffer] = []
    try:
        if _custom_reducers or "torch" in sys.modules:
            data = _dump_with_reducers(value, buffers)
        else:
            data = c_dumps(value, _PROTOCOL, buffer_callback=buffers.append)
        if b"__main__" not in data:
            return data, buffers
    except Exception:
        # Whatever the C pickler cannot do, cloudpickle may; if not, its error is the one to show.
        pass
    return _pickle_by_value(value)


def unpickle_value(data: bytes, buffers: list[Any]) -> Any:
    """Hook `unpickle`: the value again; arrays are views on `buffers`."""
    return c_loads(data, buffers=buffers)


def export(value: Any, kind: str, name: str) -> bytes:
    """A function or class as bytes that a process without the user's main module understands."""
    try:
        data, buffers = _dump(value, out_of_band=False)
    except Exception as error:
        raise _cannot_serialize(value, error, f"the {kind} {name}", name) from error
    assert not buffers
    redefinitions.note(kind, value)
    return data


def load_exported(body: bytes) -> Any:
    """Hooks `load_function` and `load_class`."""
    return c_loads(body)


def pickle_plain(value: Any) -> bytes:
    """Bytes without separate buffers: C pickle where that is enough, else cloudpickle. Raises what they raise."""
    try:
        data = c_dumps(value, _PROTOCOL)
        if b"__main__" not in data:
            return data
    except Exception:
        pass
    return _dump(value, out_of_band=False)[0]


def _pickle_by_value(value: Any) -> tuple[bytes, list[PickleBuffer]]:
    try:
        return _dump(value, out_of_band=True)
    except Exception as error:
        raise _cannot_serialize(value, error, f"a value of type {_type_name(value)}", "value") from error


def _dump_with_reducers(value: Any, buffers: list[PickleBuffer]) -> bytes:
    import copyreg
    from collections import ChainMap
    from io import BytesIO

    if "torch" in sys.modules:
        _add_torch_reducer()
    with BytesIO() as file:
        pickler = Pickler(file, _PROTOCOL, buffer_callback=buffers.append)
        known: Any = copyreg.dispatch_table
        pickler.dispatch_table = ChainMap(_custom_reducers, known)
        pickler.dump(value)
        return file.getvalue()


def _dump(value: Any, *, out_of_band: bool) -> tuple[bytes, list[PickleBuffer]]:
    from io import BytesIO

    buffers: list[PickleBuffer] = []
    with BytesIO() as file:
        _pickler_class()(file, protocol=_PROTOCOL, buffer_callback=buffers.append if out_of_band else None).dump(value)
        return file.getvalue(), buffers


def _pickler_class() -> Any:
    """cloudpickle's pickler plus the reducers that users registered and ours for torch. Made at the first need: it
    costs 20 ms.
    """
    global _cloud_pickler
    if "torch" in sys.modules:
        _add_torch_reducer()
    if _cloud_pickler is None:
        from collections import ChainMap

        from cloudpickle import CloudPickler  # type: ignore[import-untyped]

        _cloud_pickler = type(
            "ValuePickler",
            (CloudPickler,),
            {"dispatch_table": ChainMap(_custom_reducers, *CloudPickler.dispatch_table.maps)},
        )
    return _cloud_pickler


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _cannot_serialize(value: Any, error: Exception, what: str, name: str) -> TypeError:
    from trygon._core.inspection import guilty_members

    guilty = guilty_members(value, name)
    sentence = f"Cannot serialize {what}: {type(error).__name__}: {error}."
    if guilty:
        members = "; ".join(guilty)
        sentence += f" What cannot be sent to another process: {members}."
    sentence += (
        " Make such things inside the task or actor instead, or teach the engine with"
        " trygon.util.register_serializer();"
        " trygon.util.inspect_serializability() shows the whole tree."
    )
    return TypeError(sentence)


def register_serializer(cls: type, *, serializer: Callable[[Any], Any], deserializer: Callable[[Any], Any]) -> None:
    """Makes this process send instances of `cls` as `serializer(instance)`; receivers call `deserializer` on that, and
    send what they got on in the same way.
    """

    def reduce(value: Any) -> Any:
        return _rebuild_registered, (serializer, deserializer, serializer(value))

    _custom_reducers[cls] = reduce


def _rebuild_registered(serializer: Callable[[Any], Any], deserializer: Callable[[Any], Any], data: Any) -> Any:
    value = deserializer(data)
    if type(value) not in _custom_reducers and _is_worker():
        register_serializer(type(value), serializer=serializer, deserializer=deserializer)
    return value


def _is_worker() -> bool:
    # A driver has what it registered itself, and may have taken it back.
    from trygon import _native

    return _native.is_initialized() and _native.context().get("mode") == "worker"


def deregister_serializer(cls: type) -> None:
    """Undoes `register_serializer`; nothing happens if `cls` has none."""
    _custom_reducers.pop(cls, None)


# --- torch: its own reducer copies the data into the pickle, so it gets one that leaves them where they are.


def _add_torch_reducer() -> None:
    torch = sys.modules["torch"]
    tensor = getattr(torch, "Tensor", None)  # Missing while torch is still being imported.
    if tensor is not None and tensor not in _custom_reducers:
        _custom_reducers[tensor] = _reduce_tensor


def _reduce_tensor(tensor: Any) -> Any:
    torch: Any = sys.modules["torch"]

    plain = type(tensor) is torch.Tensor and tensor.layout is torch.strided and tensor.device.type == "cpu"
    if (
        not plain
        or tensor.is_quantized
        or tensor.is_conj()
        or tensor.is_neg()
        or not tensor.is_leaf
        or tensor.numel() == 0
    ):
        return tensor.__reduce_ex__(_PROTOCOL)
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    dtype = str(tensor.dtype).removeprefix("torch.")
    return _rebuild_tensor, (PickleBuffer(raw), dtype, tuple(tensor.shape), tensor.requires_grad)


def _rebuild_tensor(buffer: Any, dtype: str, shape: tuple[int, ...], requires_grad: bool) -> Any:
    import warnings

    import torch  # type: ignore[import-not-found, unused-ignore]

    with warnings.catch_warnings():
        # torch has no read-only tensors and says so; writing to this one would fault, which the documentation states.
        warnings.simplefilter("ignore", UserWarning)
        tensor = torch.frombuffer(buffer, dtype=getattr(torch, dtype)).reshape(shape)
    return tensor.requires_grad_(requires_grad) if requires_grad else tensor

"""`get`, `put`, `wait`: what Ray's rules say about arguments, then the engine."""

from __future__ import annotations

from trygon import _native
from trygon._native import ObjectRef, ObjectRefGenerator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_native_get = _native.get
_native_put = _native.put
_native_wait = _native.wait


def use(get: Any, put: Any, wait: Any) -> None:
    """Says who answers from here on: the engine, or the inline mode."""
    global _native_get, _native_put, _native_wait
    _native_get, _native_put, _native_wait = get, put, wait


def get(object_refs: Any, *, timeout: float | None = None) -> Any:
    """The value of a reference, or the values of a list of them. Waits for them; raises what their tasks raised.

    With a `timeout` in seconds, GetTimeoutError (also a TimeoutError) is raised when it is over; 0 asks without
    waiting.
    """
    kind = type(object_refs)
    if kind is ObjectRef:
        return _native_get(object_refs, timeout)
    if isinstance(object_refs, list):
        try:
            return _native_get(object_refs if kind is list else list(object_refs), timeout)
        except (TypeError, ValueError):
            if not any(_is_graph_result(ref) for ref in object_refs):
                raise
    elif isinstance(object_refs, ObjectRef):
        # One of the inline mode.
        from trygon._core.inline.values import require_living

        require_living(object_refs)
        return _native_get(object_refs, timeout)
    if isinstance(object_refs, ObjectRefGenerator):
        return object_refs
    if isinstance(object_refs, list) or _is_graph_result(object_refs):
        from trygon.dag.results import get_results

        return get_results(object_refs, timeout)
    raise ValueError(f"get() takes an ObjectRef or a list of them, but {kind.__name__} was given.{_hint(object_refs)}")


def _is_graph_result(value: object) -> bool:
    """Whether executing a compiled graph returned it."""
    return hasattr(type(value), "get_graph_result")


def _hint(value: object) -> str:
    if isinstance(value, (tuple, set, dict)) or hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        return " Make it a list: get(list(...))."
    if hasattr(value, "remote"):
        return " Call it first: get(f.remote(...))."
    return ""


def put(value: Any, *, _owner: Any = None, _tensor_transport: Any = None) -> ObjectRef[Any]:
    """Stores a value once, so that many tasks can use it; returns a reference to it."""
    if isinstance(value, ObjectRef):
        raise TypeError(
            "put() takes a value, but an ObjectRef was given: the object is stored already. Put [ref] to store the"
            " reference."
        )
    if isinstance(value, ObjectRefGenerator):
        raise TypeError("put() takes a value, but an ObjectRefGenerator was given: put the references that it yields.")
    if _owner is not None:
        raise ValueError("put(_owner=...) does not exist any more: the caller owns what it puts.")
    if _tensor_transport is not None:
        raise NotImplementedError("put(_tensor_transport=...) is not supported by this version of Trygon.")
    if type(value).__name__ == "StoreArray":
        return value.seal()  # type: ignore[no-any-return]
    return _native_put(value)


def wait(
    ray_waitables: Any, *, num_returns: int = 1, timeout: float | None = None, fetch_local: bool = True
) -> tuple[list[ObjectRef[Any]], list[ObjectRef[Any]]]:
    """Waits until `num_returns` of the references are ready; returns `(ready, not_ready)`, both in the order given.

    At most `num_returns` are in `ready`, fewer when the `timeout` in seconds ends first.
    """
    refs = ray_waitables
    if type(refs) is not list:
        refs = _as_list(refs)
    count = len(refs)
    if timeout is not None and timeout < 0:
        raise ValueError(f"The timeout of wait() must be None or >= 0 seconds, but {timeout} was given.")
    if count == 0:
        return [], []
    if type(num_returns) is not int:
        raise TypeError(f"num_returns of wait() must be an int, but {type(num_returns).__name__} was given.")
    if num_returns < 1:
        raise ValueError(f"num_returns of wait() must be at least 1, but {num_returns} was given.")
    if num_returns > count:
        raise ValueError(f"num_returns of wait() is {num_returns}, but only {count} references were given.")
    return _native_wait(refs, num_returns, timeout, fetch_local)


def _as_list(refs: Any) -> list[Any]:
    if isinstance(refs, list):
        return list(refs)
    hint = "[ref]" if isinstance(refs, (ObjectRef, ObjectRefGenerator)) else "list(...)"
    raise TypeError(f"wait() takes a list of ObjectRefs, but {type(refs).__name__} was given; use wait({hint}).")

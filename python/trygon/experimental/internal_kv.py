"""The key-value store of the cluster, for small things that all processes should find: keys and values are bytes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Text = str | bytes


def _as_bytes(value: Text | None, what: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, bytes):
        raise TypeError(f"The {what} must be str or bytes, but {type(value).__name__} was given.")
    return value


def _call(
    operation: str, key: Text, namespace: Text | None, value: bytes | None = None, overwrite: bool = True
) -> tuple[bool, bytes, list[bytes]]:
    from trygon import _native

    key = _as_bytes(key, "key")
    space = "" if namespace is None else _as_bytes(namespace, "namespace").decode(errors="replace")
    # What the engine keeps in the store for itself has other namespaces.
    return _native.key_value(operation, f"user/{space}", key, value, overwrite)


def _internal_kv_initialized() -> bool:
    """Whether there is a store: whether Trygon runs."""
    from trygon import _native

    return _native.is_initialized()


def _internal_kv_get(key: Text, *, namespace: Text | None = None) -> bytes | None:
    """The value; None if there is none."""
    existed, value, _ = _call("get", key, namespace)
    return value if existed else None


def _internal_kv_exists(key: Text, *, namespace: Text | None = None) -> bool:
    """Whether there is a value."""
    return _call("exists", key, namespace)[0]


def _internal_kv_put(key: Text, value: Text, overwrite: bool = True, *, namespace: Text | None = None) -> bool:
    """Stores a value; without `overwrite`, only where there is none. Returns whether there was one before."""
    return _call("put", key, namespace, _as_bytes(value, "value"), overwrite)[0]


def _internal_kv_del(key: Text, *, del_by_prefix: bool = False, namespace: Text | None = None) -> int:
    """Removes a value, or with `del_by_prefix` all whose keys begin so. Returns how many there were."""
    keys = _internal_kv_list(key, namespace=namespace) if del_by_prefix else [_as_bytes(key, "key")]
    return sum(_call("delete", each, namespace)[0] for each in keys)


def _internal_kv_list(prefix: Text, *, namespace: Text | None = None) -> list[bytes]:
    """The keys that begin with `prefix`."""
    return _call("list", prefix, namespace)[2]

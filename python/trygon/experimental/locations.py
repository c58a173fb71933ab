"""Where objects are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trygon import ObjectRef

if TYPE_CHECKING:
    from collections.abc import Iterable


def get_object_locations(obj_refs: list[ObjectRef[Any]], timeout_ms: int = -1) -> dict[ObjectRef[Any], dict[str, Any]]:
    """For each reference a dict: `node_ids` of the machines whose object store has the object (none while it is not
    ready, or if it is so small that it travels in messages), `object_size` in bytes or None, `did_spill`.
    """
    return {ref: _location(ref) for ref in _checked(obj_refs)}


def get_local_object_locations(obj_refs: list[ObjectRef[Any]]) -> dict[ObjectRef[Any], dict[str, Any]]:
    """As `get_object_locations`, from what this process knows."""
    return {ref: _location(ref) for ref in _checked(obj_refs)}


def _checked(obj_refs: Iterable[Any]) -> list[ObjectRef[Any]]:
    if isinstance(obj_refs, ObjectRef) or not hasattr(obj_refs, "__iter__"):
        raise TypeError(f"Locations are asked for a list of ObjectRefs, but {type(obj_refs).__name__} was given.")
    refs = list(obj_refs)
    for ref in refs:
        if not isinstance(ref, ObjectRef):
            raise TypeError(f"Locations are asked for a list of ObjectRefs, but it has a {type(ref).__name__}.")
    return refs


def _location(ref: ObjectRef[Any]) -> dict[str, Any]:
    from trygon import _native

    # A reference of the inline mode is a value of this process, and has no place in a store.
    place = ref._place() if hasattr(ref, "_place") else None
    size, is_stored = (None, False) if place is None else place
    nodes = [str(_native.context()["node_id"])] if is_stored else []
    return {"node_ids": nodes, "object_size": size, "did_spill": False}

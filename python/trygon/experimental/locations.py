"""Where objects are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trygon import ObjectRef

if TYPE_CHECKING:
    from collections.abc import Iterable


def get_object_locations(obj_refs: list[ObjectRef[Any]], timeout_ms: int = -1) -> dict[ObjectRef[Any], dict[str, Any]]:
    """For each reference a dict: `node_ids` of the machines that have the object in memory or in a file (none while it
    is not ready, or if it is so small that it travels in messages), `object_size` in bytes or None, and `did_spill`:
    whether a file of this machine has it.
    """
    return _locations(_checked(obj_refs))


def get_local_object_locations(obj_refs: list[ObjectRef[Any]]) -> dict[ObjectRef[Any], dict[str, Any]]:
    """The same."""
    return _locations(_checked(obj_refs))


def _checked(obj_refs: Iterable[Any]) -> list[ObjectRef[Any]]:
    if isinstance(obj_refs, ObjectRef) or not hasattr(obj_refs, "__iter__"):
        raise TypeError(f"Locations are asked for a list of ObjectRefs, but {type(obj_refs).__name__} was given.")
    refs = list(obj_refs)
    for ref in refs:
        if not isinstance(ref, ObjectRef):
            raise TypeError(f"Locations are asked for a list of ObjectRefs, but it has a {type(ref).__name__}.")
    return refs


def _locations(refs: list[ObjectRef[Any]]) -> dict[ObjectRef[Any], dict[str, Any]]:
    from trygon import _native

    # A reference of the inline mode is a value of this process, and has no place in a store.
    places = {ref: ref._place() if hasattr(ref, "_place") else None for ref in refs}
    spilled = _in_files({ref: place for ref, place in places.items() if place is not None})
    numbers = _node_ids() if any(place is not None and place[3] is not None for place in places.values()) else {}
    found = {}
    for ref, place in places.items():
        nodes = [] if place is None or not place[1] else [str(_native.context()["node_id"])]
        if place is not None and place[3] in numbers:
            nodes.append(numbers[place[3]])
        size = None if place is None else place[0]
        found[ref] = {"node_ids": nodes, "object_size": size, "did_spill": ref in spilled}
    return found


def _in_files(places: dict[ObjectRef[Any], Any]) -> set[ObjectRef[Any]]:
    """Those of which this node's daemon has a file."""
    from trygon._core.state import query

    asked = [(ref, place) for ref, place in places.items() if place[2] is not None]
    if not asked:
        return set()
    lines = [f"{ref.hex()} {place[2][0]} {place[2][1]} {place[0]}" for ref, place in asked]
    answers = query("objects_in_files", "\n".join(lines))
    return {ref for (ref, _), is_in_file in zip(asked, answers, strict=True) if is_in_file}


def _node_ids() -> dict[int, str]:
    """The nodes' ids by the numbers that places are known by."""
    from trygon._core.state import query

    return {node["NodeNumber"]: node["NodeID"] for node in query("nodes") if "NodeNumber" in node}

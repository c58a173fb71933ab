"""Helpers around the core: serialisation, names, addresses, typing."""

from __future__ import annotations

from trygon._core.inspection import inspect_serializability
from trygon._core.placement_group import (
    get_current_placement_group,
    get_placement_group,
    placement_group_table,
    remove_placement_group,
)
from trygon._core.serialization import deregister_serializer, register_serializer

# The module of the same name is imported before, for a first import of it later would take the function's place.
from trygon.util.placement_group import placement_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def list_named_actors(all_namespaces: bool = False) -> list[Any]:
    """Names of the living named actors of this namespace; with `all_namespaces`, dicts of `name` and `namespace`."""
    from trygon import get_runtime_context
    from trygon._core.state import query

    here = get_runtime_context().namespace
    found = [{"name": actor["name"], "namespace": actor["namespace"]} for actor in query("named_actors")]
    if all_namespaces:
        return found
    return [actor["name"] for actor in found if actor["namespace"] == here]


def get_node_ip_address() -> str:
    """This machine's address."""
    from trygon import _native

    return str(_native.context()["node_address"])


def typed(handle: Any) -> Any:
    """The handle itself. For type checkers it is an instance of the actor's class, so that methods declared with
    `@trygon.method` are
    checked: `typed(Counter.remote()).add.remote(1)` is an `ObjectRef[int]`."""
    return handle


__all__ = [
    "deregister_serializer",
    "get_current_placement_group",
    "get_node_ip_address",
    "get_placement_group",
    "inspect_serializability",
    "list_named_actors",
    "placement_group",
    "placement_group_table",
    "register_serializer",
    "remove_placement_group",
    "typed",
]

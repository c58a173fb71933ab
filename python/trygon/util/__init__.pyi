"""Helpers around the core, as type checkers see them."""

from typing import Any, TypeVar

from trygon._core.inspection import inspect_serializability as inspect_serializability
from trygon._core.placement_group import get_current_placement_group as get_current_placement_group
from trygon._core.placement_group import get_placement_group as get_placement_group
from trygon._core.placement_group import placement_group as placement_group
from trygon._core.placement_group import placement_group_table as placement_group_table
from trygon._core.placement_group import remove_placement_group as remove_placement_group
from trygon._core.serialization import deregister_serializer as deregister_serializer
from trygon._core.serialization import register_serializer as register_serializer
from trygon._core.types import ActorHandle

_T = TypeVar("_T")

def list_named_actors(all_namespaces: bool = False) -> list[Any]: ...
def get_node_ip_address() -> str: ...
def typed(handle: ActorHandle[_T]) -> _T: ...

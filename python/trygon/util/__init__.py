"""Helpers around the core: pools, queues, metrics, names, addresses, serialisation, typing.

What few programs need is imported when it is first used.
"""

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

# Where the names are that are imported at their first use.
_LAZY = {
    "ActorPool": "trygon.util.actor_pool",
    "Executor": "trygon.util.executor",
    "as_completed": "trygon.util.helpers",
    "disable_log_once_globally": "trygon.util.debug",
    "enable_periodic_logging": "trygon.util.debug",
    "log_once": "trygon.util.debug",
    "map_unordered": "trygon.util.helpers",
}
_LAZY_MODULES = (
    "actor_pool",
    "dask",
    "debug",
    "executor",
    "helpers",
    "iter",
    "joblib",
    "metrics",
    "multiprocessing",
    "queue",
    "scheduling_strategies",
)


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
    "ActorPool",
    "Executor",
    "as_completed",
    "deregister_serializer",
    "disable_log_once_globally",
    "enable_periodic_logging",
    "get_current_placement_group",
    "get_node_ip_address",
    "get_placement_group",
    "inspect_serializability",
    "list_named_actors",
    "log_once",
    "map_unordered",
    "placement_group",
    "placement_group_table",
    "register_serializer",
    "remove_placement_group",
    "typed",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    if name in _LAZY_MODULES:
        return import_module(f"trygon.util.{name}")
    raise AttributeError(f"module 'trygon.util' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_LAZY_MODULES})

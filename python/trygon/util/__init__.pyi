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
from trygon.util import actor_pool as actor_pool
from trygon.util import debug as debug
from trygon.util import executor as executor
from trygon.util import helpers as helpers
from trygon.util import metrics as metrics
from trygon.util import multiprocessing as multiprocessing
from trygon.util import queue as queue
from trygon.util.actor_pool import ActorPool as ActorPool
from trygon.util.debug import disable_log_once_globally as disable_log_once_globally
from trygon.util.debug import enable_periodic_logging as enable_periodic_logging
from trygon.util.debug import log_once as log_once
from trygon.util.executor import Executor as Executor
from trygon.util.helpers import as_completed as as_completed
from trygon.util.helpers import map_unordered as map_unordered

_T = TypeVar("_T")

def list_named_actors(all_namespaces: bool = False) -> list[Any]: ...
def get_node_ip_address() -> str: ...
def typed(handle: ActorHandle[_T]) -> _T: ...

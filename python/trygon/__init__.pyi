"""The public names as type checkers see them. What they are at run time is in `__init__.py`; a test compares the
two.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import ModuleType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from trygon import actor as actor
from trygon import dag as dag
from trygon import exceptions as exceptions
from trygon import experimental as experimental
from trygon import job_config as job_config
from trygon import runtime_env as runtime_env
from trygon import util as util
from trygon._core.context import Context as Context
from trygon._core.explain import explain as explain
from trygon._core.ids import ActorClassID as ActorClassID
from trygon._core.ids import ActorID as ActorID
from trygon._core.ids import ClusterID as ClusterID
from trygon._core.ids import FunctionID as FunctionID
from trygon._core.ids import JobID as JobID
from trygon._core.ids import NodeID as NodeID
from trygon._core.ids import PlacementGroupID as PlacementGroupID
from trygon._core.ids import TaskID as TaskID
from trygon._core.ids import UniqueID as UniqueID
from trygon._core.ids import WorkerID as WorkerID
from trygon._core.init import init as init
from trygon._core.init import is_initialized as is_initialized
from trygon._core.init import shutdown as shutdown
from trygon._core.logging_config import LoggingConfig as LoggingConfig
from trygon._core.other_languages import Language as Language
from trygon._core.other_languages import client as client
from trygon._core.other_languages import cpp_actor_class as cpp_actor_class
from trygon._core.other_languages import cpp_function as cpp_function
from trygon._core.other_languages import java_actor_class as java_actor_class
from trygon._core.other_languages import java_function as java_function
from trygon._core.runtime_context import get_gpu_ids as get_gpu_ids
from trygon._core.runtime_context import get_runtime_context as get_runtime_context
from trygon._core.state import available_resources as available_resources
from trygon._core.state import cluster_resources as cluster_resources
from trygon._core.state import nodes as nodes
from trygon._core.timeline import timeline as timeline
from trygon._core.types import (
    ActorClass,
    ActorHandle,
    Decorator,
    DynamicDecorator,
    Method,
    MethodDecorator,
    NoneDecorator,
    NoneMethodDecorator,
    RemoteFunction,
    SeveralDecorator,
    SeveralMethodDecorator,
    StreamingDecorator,
)
from trygon._core.types import DynamicObjectRefGenerator as DynamicObjectRefGenerator
from trygon._native import ObjectRef as ObjectRef
from trygon._native import ObjectRefGenerator as ObjectRefGenerator

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S")
_T = TypeVar("_T")
_Class = TypeVar("_Class", bound=type[Any])

__version__: str
__commit__: str
ObjectID = ObjectRef
SCRIPT_MODE: int
WORKER_MODE: int
LOCAL_MODE: int
SPILL_WORKER_MODE: int
RESTORE_WORKER_MODE: int
cloudpickle: ModuleType

@overload
def remote(target: _Class, /) -> ActorClass[_Class]: ...  # type: ignore[overload-overlap]
@overload
def remote(target: Callable[_P, Iterator[_R]], /) -> RemoteFunction[Callable[_P, ObjectRefGenerator[_R]]]: ...  # type: ignore[overload-overlap]
@overload
def remote(target: Callable[_P, _R], /) -> RemoteFunction[Callable[_P, ObjectRef[_R]]]: ...
@overload
def remote(*, num_returns: Literal[0], **options: Any) -> NoneDecorator: ...
@overload
def remote(*, num_returns: Literal[1] | None = None, **options: Any) -> Decorator: ...
@overload
def remote(*, num_returns: Literal["streaming"], **options: Any) -> StreamingDecorator: ...
@overload
def remote(*, num_returns: Literal["dynamic"], **options: Any) -> DynamicDecorator: ...
@overload
def remote(*, num_returns: int, **options: Any) -> SeveralDecorator: ...
@overload
def method(
    function: Callable[Concatenate[_S, _P], Coroutine[Any, Any, _R]], /
) -> Method[Callable[_P, ObjectRef[_R]], Coroutine[Any, Any, _R]]: ...
@overload
def method(  # type: ignore[overload-overlap]
    function: Callable[Concatenate[_S, _P], Iterator[_R]], /
) -> Method[Callable[_P, ObjectRefGenerator[_R]], Iterator[_R]]: ...
@overload
def method(  # type: ignore[overload-overlap]
    function: Callable[Concatenate[_S, _P], AsyncIterator[_R]], /
) -> Method[Callable[_P, ObjectRefGenerator[_R]], AsyncIterator[_R]]: ...
@overload
def method(function: Callable[Concatenate[_S, _P], _R], /) -> Method[Callable[_P, ObjectRef[_R]], _R]: ...
@overload
def method(*, num_returns: Literal[0], **options: Any) -> NoneMethodDecorator: ...
@overload
def method(*, num_returns: Literal[1] | None = None, **options: Any) -> MethodDecorator: ...
@overload
def method(*, num_returns: int, **options: Any) -> SeveralMethodDecorator: ...
@overload
def get(object_refs: ObjectRef[_T], *, timeout: float | None = None) -> _T: ...
@overload
def get(object_refs: list[ObjectRef[_T]], *, timeout: float | None = None) -> list[_T]: ...
@overload
def get(object_refs: ObjectRefGenerator[_T], *, timeout: float | None = None) -> ObjectRefGenerator[_T]: ...
def put(value: _T, *, _owner: None = None, _tensor_transport: None = None) -> ObjectRef[_T]: ...
@overload
def wait(
    ray_waitables: list[ObjectRef[_T]], *, num_returns: int = 1, timeout: float | None = None, fetch_local: bool = True
) -> tuple[list[ObjectRef[_T]], list[ObjectRef[_T]]]: ...
@overload
def wait(
    ray_waitables: list[ObjectRefGenerator[_T]],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[ObjectRefGenerator[_T]], list[ObjectRefGenerator[_T]]]: ...
@overload
def wait(
    ray_waitables: list[ObjectRef[_T] | ObjectRefGenerator[_T]],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[ObjectRef[_T] | ObjectRefGenerator[_T]], list[ObjectRef[_T] | ObjectRefGenerator[_T]]]: ...
def cancel(
    ray_waitable: ObjectRef[Any] | ObjectRefGenerator[Any], *, force: bool = False, recursive: bool = True
) -> None: ...
def get_actor(name: str, namespace: str | None = None) -> ActorHandle[Any]: ...
def kill(actor: ActorHandle[Any], *, no_restart: bool = True) -> None: ...

"""Trygon: Python functions and classes in parallel, with Ray's API.

The public names; everything else is private. What few programs need is imported when it is first used.
"""

from trygon._core import hooks as _hooks

_hooks.install()

from trygon._core.actor_class import get_actor, kill  # noqa: E402
from trygon._core.actor_handle import method  # noqa: E402
from trygon._core.init import init, is_initialized, shutdown  # noqa: E402
from trygon._core.objects import get, put, wait  # noqa: E402
from trygon._core.remote import remote  # noqa: E402
from trygon._core.runtime_context import get_gpu_ids, get_runtime_context  # noqa: E402
from trygon._core.state import available_resources, cluster_resources, nodes  # noqa: E402
from trygon._core.version import VERSION as __version__  # noqa: E402
from trygon._native import ObjectRef, ObjectRefGenerator  # noqa: E402

__commit__ = ""
ObjectID = ObjectRef

# Ray's modes of a process.
SCRIPT_MODE, WORKER_MODE, LOCAL_MODE, SPILL_WORKER_MODE, RESTORE_WORKER_MODE = range(5)

_LAZY_IDS = (
    "ActorClassID",
    "ActorID",
    "ClusterID",
    "FunctionID",
    "JobID",
    "NodeID",
    "PlacementGroupID",
    "TaskID",
    "UniqueID",
    "WorkerID",
)
_LAZY_MODULES = ("actor", "compat", "dag", "exceptions", "experimental", "job_config", "runtime_env", "util")
_OTHER_LANGUAGES = ("Language", "client", "cpp_actor_class", "cpp_function", "java_actor_class", "java_function")
_NOT_YET = (
    "ClientBuilder",
    "autoscaler",
    "data",
    "rllib",
    "serve",
    "train",
    "tune",
    "widgets",
    "workflow",
)

__all__ = [
    "LOCAL_MODE",
    "RESTORE_WORKER_MODE",
    "SCRIPT_MODE",
    "SPILL_WORKER_MODE",
    "WORKER_MODE",
    "ActorClassID",
    "ActorID",
    "ClusterID",
    "DynamicObjectRefGenerator",
    "FunctionID",
    "JobID",
    "Language",
    "LoggingConfig",
    "NodeID",
    "ObjectID",
    "ObjectRef",
    "ObjectRefGenerator",
    "PlacementGroupID",
    "TaskID",
    "UniqueID",
    "WorkerID",
    "__commit__",
    "__version__",
    "actor",
    "available_resources",
    "cancel",
    "client",
    "cloudpickle",
    "cluster_resources",
    "cpp_actor_class",
    "cpp_function",
    "dag",
    "exceptions",
    "experimental",
    "explain",
    "get",
    "get_actor",
    "get_gpu_ids",
    "get_runtime_context",
    "init",
    "is_initialized",
    "java_actor_class",
    "java_function",
    "job_config",
    "kill",
    "method",
    "nodes",
    "put",
    "remote",
    "runtime_env",
    "shutdown",
    "timeline",
    "util",
    "wait",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _LAZY_MODULES:
        return import_module(f"trygon.{name}")
    if name in _LAZY_IDS:
        value = getattr(import_module("trygon._core.ids"), name)
    elif name == "DynamicObjectRefGenerator":
        value = import_module("trygon._core.generators").DynamicObjectRefGenerator
    elif name == "timeline":
        value = import_module("trygon._core.timeline").timeline
    elif name == "explain":
        value = import_module("trygon._core.explain").explain
    elif name in _OTHER_LANGUAGES:
        value = getattr(import_module("trygon._core.other_languages"), name)
    elif name == "LoggingConfig":
        value = import_module("trygon._core.logging_config").LoggingConfig
    elif name == "cancel":
        value = import_module("trygon._core.cancel").cancel
    elif name == "cloudpickle":
        value = import_module("cloudpickle")
    elif name in _NOT_YET:
        raise AttributeError(f"trygon.{name} is part of Ray's API that this version of Trygon does not have yet.")
    else:
        raise AttributeError(f"module 'trygon' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Which of Ray's modules is which of Trygon's, and what is said about those that Trygon does not have."""

from __future__ import annotations

import importlib.util

from trygon._core.version import RAY_COMPATIBLE_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Modules whose place differs. Everything else below `ray` is looked for at the same place below `trygon`.
_MOVED = {
    "ray": "trygon",
    "ray.cloudpickle": "cloudpickle",
    "ray.cloudpickle.cloudpickle": "cloudpickle.cloudpickle",
    "ray.cloudpickle.cloudpickle_fast": "cloudpickle.cloudpickle",
    "ray._raylet": "trygon.compat.raylet",
    "ray._version": "trygon._core.version",
    "ray.remote_function": "trygon._core.remote_function",
    "ray.runtime_context": "trygon._core.runtime_context",
    "ray.types": "trygon.compat.raylet",
    "ray.internal": "trygon.compat.internal",
    "ray.internal.internal_api": "trygon.compat.internal",
    "ray.util.annotations": "trygon.compat.annotations",
    "ray.util.check_serialize": "trygon._core.inspection",
    "ray.util.serialization": "trygon._core.serialization",
    "ray.util.helpers": "trygon.util",
    "ray.util.debug": "trygon.util.debug",
    "ray.experimental.queue": "trygon.util.queue",
    "ray.experimental.multiprocessing": "trygon.util.multiprocessing",
}

_ONE_MACHINE = "this version of Trygon runs on one machine, started by the program itself"
# What Ray has and Trygon has not, and why or what to do instead.
_ABSENT = {
    "ray._private": "it is private to Ray; Trygon offers the public modules only",
    "ray._common": "it is private to Ray; Trygon offers the public modules only",
    "ray.air": "Trygon has the core (tasks, actors, objects) and ray.util, not Ray's libraries",
    "ray.autoscaler": _ONE_MACHINE + ", so there is nothing to scale",
    "ray.client_builder": _ONE_MACHINE,
    "ray.core": "it is private to Ray",
    "ray.cross_language": "Trygon runs Python; functions and actors in Java and C++ are not in this version",
    "ray.dashboard": "Trygon has no dashboard in this version",
    "ray.data": "Trygon has the core and ray.util; for data, use pandas, polars or pyarrow in tasks",
    "ray.job_submission": _ONE_MACHINE + "; start the program itself in place of submitting it",
    "ray.llm": "Trygon has the core and ray.util, not Ray's libraries",
    "ray.rllib": "Trygon has the core and ray.util, not Ray's libraries",
    "ray.scripts": "Trygon's command is 'trygon'",
    "ray.serve": "Trygon has the core and ray.util, not Ray's libraries",
    "ray.train": "Trygon has the core and ray.util; start a trainer's workers as actors",
    "ray.tune": "Trygon has the core and ray.util; start trials as tasks, for instance under Optuna",
    "ray.widgets": "Trygon draws no widgets; what init() returns shows itself in notebooks",
    "ray.workflow": "Ray itself removed workflows in 2.48",
    "ray.experimental.channel": "channels of compiled graphs are private to Trygon",
    "ray.experimental.rdt": "direct tensor transport is not in this version of Trygon",
    "ray.experimental.sandbox": "sandboxes are not in this version of Trygon",
    "ray.experimental.shuffle": "a shuffle is not in this version of Trygon",
    "ray.experimental.state": "Ray moved it to ray.util.state",
    "ray.util.client": _ONE_MACHINE,
    "ray.util.client_connect": _ONE_MACHINE,
    "ray.util.horovod": "Ray itself removed it; use the package horovod",
    "ray.util.iter": "Ray deprecated parallel iterators; use a generator with num_returns='streaming' or ActorPool",
    "ray.util.lightgbm": "Ray itself removed it; use the package lightgbm",
    "ray.util.sgd": "Ray itself removed it",
    "ray.util.spark": "Trygon starts no clusters on Spark",
    "ray.util.state": "the state API is not in this version of Trygon",
    "ray.util.tpu": "Trygon has no support for TPU slices in this version",
    "ray.util.tracing": "tracing is not in this version of Trygon",
    "ray.util.xgboost": "Ray itself removed it; use the package xgboost",
    "ray.ClientBuilder": _ONE_MACHINE,
    "ray.client": _ONE_MACHINE,
    "ray.util.connect": _ONE_MACHINE,
    "ray.util.disconnect": _ONE_MACHINE,
}


def own_attributes(name: str) -> dict[str, Any]:
    """What an alias says of itself and not of its target."""
    return {"__version__": RAY_COMPATIBLE_VERSION} if name == "ray" else {}


def has_children(name: str) -> bool:
    """Whether modules below `name` are placed one by one."""
    return any(moved.startswith(name + ".") for moved in _MOVED)


def target_of(name: str) -> str | None:
    """The Trygon module that the Ray module `name` is; None if there is none."""
    moved = _MOVED.get(name)
    if moved is not None:
        return moved if _exists(moved) else None
    if not name.startswith("ray.") or any(part.startswith("_") for part in name.split(".")):
        return None
    candidate = "trygon" + name[3:]
    return candidate if _exists(candidate) else None


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def refusal(name: str) -> str | None:
    """The sentence about a module or name that Trygon does not have; None if it is not one of Ray's."""
    package = name
    while package:
        reason = _ABSENT.get(package)
        if reason is not None:
            return f"{name} is not part of Trygon: {reason}."
        package = package.rpartition(".")[0]
    return None

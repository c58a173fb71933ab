"""Actors: the classes behind handles, and what an actor can do to itself."""

from __future__ import annotations

from trygon._core.actor_class import ActorClass, ActorClassInheritanceException, exit_actor
from trygon._core.actor_handle import ActorHandle, ActorMethod, method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._core.checkpoint.keeper import CheckpointLostError as CheckpointLostError
    from trygon._core.checkpoint.recorder import checkpoint as checkpoint
    from trygon._core.checkpoint.settings import Checkpoint as Checkpoint

__all__ = [
    "ActorClass",
    "ActorClassInheritanceException",
    "ActorHandle",
    "ActorMethod",
    "Checkpoint",
    "CheckpointLostError",
    "checkpoint",
    "exit_actor",
    "method",
]

_LATER = {
    "Checkpoint": "trygon._core.checkpoint.settings",
    "CheckpointLostError": "trygon._core.checkpoint.keeper",
    "checkpoint": "trygon._core.checkpoint.recorder",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_LATER[name]), name)
    return found

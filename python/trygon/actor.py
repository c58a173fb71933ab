"""Actors: the classes behind handles, and what an actor can do to itself."""

from trygon._core.actor_class import ActorClass, ActorClassInheritanceException, exit_actor
from trygon._core.actor_handle import ActorHandle, ActorMethod, method

__all__ = ["ActorClass", "ActorClassInheritanceException", "ActorHandle", "ActorMethod", "exit_actor", "method"]

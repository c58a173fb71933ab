"""Actors as type checkers see them."""

from typing import NoReturn

from trygon import method as method
from trygon._core.actor_class import ActorClassInheritanceException as ActorClassInheritanceException
from trygon._core.checkpoint.keeper import CheckpointLostError as CheckpointLostError
from trygon._core.checkpoint.recorder import checkpoint as checkpoint
from trygon._core.checkpoint.settings import Checkpoint as Checkpoint
from trygon._core.types import ActorClass as ActorClass
from trygon._core.types import ActorHandle as ActorHandle
from trygon._core.types import ActorMethod as ActorMethod

def exit_actor() -> NoReturn: ...

"""Errors of what could not be placed, or lost its place.

What ran in a placement group when it was removed also died, and what waited there cannot be scheduled: these errors
are of both classes, so that programs which expect either go on working.
"""

from __future__ import annotations

from trygon import exceptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Details = Mapping[str, Any]


class TaskEndedWithPlacementGroup(exceptions.TaskPlacementGroupRemoved, exceptions.WorkerCrashedError):
    """The placement group that a task ran in was removed."""


class ActorEndedWithPlacementGroup(exceptions.ActorPlacementGroupRemoved, exceptions.ActorDiedError):
    """The placement group that an actor lived in was removed."""


class ActorNotInPlacementGroup(exceptions.ActorPlacementGroupRemoved, exceptions.ActorUnschedulableError):
    """The placement group that an actor waited for was removed."""


def _message(details: Details) -> str:
    text = str(details.get("message") or "").rstrip(".")
    return text[:1].upper() + text[1:]


def task_group_removed(details: Details) -> BaseException:
    """A task waited for a placement group that is gone."""
    return exceptions.TaskPlacementGroupRemoved(f"{_message(details) or 'Its placement group was removed'}.")


def task_ended_with_group(details: Details) -> BaseException:
    """A task ran in a placement group that is gone."""
    name = details.get("name") or "a task"
    return TaskEndedWithPlacementGroup(f"Task {name} was ended: the placement group that it ran in was removed.")


def task_unschedulable(details: Details) -> BaseException:
    """A task can run nowhere."""
    return exceptions.TaskUnschedulableError(f"{_message(details) or 'The task can run nowhere'}.")


def actor_error(details: Details) -> BaseException | None:
    """The error of an actor that died of its placement; None when it died of something else."""
    kind = details.get("cause_kind")
    class_name = details.get("class_name") or "the actor"
    error: Any
    if kind == "unschedulable":
        return exceptions.ActorUnschedulableError(f"{_message(details) or 'The actor can run nowhere'}.")
    if kind != "placement_group_removed":
        return None
    if details.get("pid"):
        text = f"Actor {class_name} was ended: the placement group that it lived in was removed."
        error = ActorEndedWithPlacementGroup(text)
        error.actor_id = details.get("actor_id")
        return error  # type: ignore[no-any-return]
    return ActorNotInPlacementGroup(f"Actor {class_name} was not made: {_message(details)}.")

"""Groups that a program makes of its actors, without a line in the actors."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from trygon.util import collective

_groups: dict[str, GroupHandle] = {}


class GroupHandle:
    """A group of actors. Each joins at its first call of the group."""

    def __init__(self, actors: list[Any], name: str, backend: str) -> None:
        self._actors, self._name, self._backend = list(actors), name, backend

    @property
    def actors(self) -> list[Any]:
        """The members, by rank."""
        return list(self._actors)

    @property
    def name(self) -> str:
        """The group's name, for `trygon.util.collective`."""
        return self._name

    @property
    def backend(self) -> str:
        """The backend's name."""
        return self._backend

    def get_rank(self, actor: Any) -> int:
        """The actor's rank; -1 if it is not in the group."""
        return self._actors.index(actor) if actor in self._actors else -1

    def __repr__(self) -> str:
        return f"GroupHandle({self._name!r}, {len(self._actors)} actors, {self._backend})"


def create_collective_group(
    actors: list[Any], backend: str = "trygon", name: str | None = None, **options: Any
) -> GroupHandle:
    """Makes a group of these actors; their order gives the ranks. Options: `gloo_timeout`, milliseconds."""
    if not actors:
        raise ValueError("A group needs at least one actor, but an empty list was given.")
    name = name or f"actors-{uuid4().hex}"
    collective.create_collective_group(actors, len(actors), list(range(len(actors))), backend, name, **options)
    group = _groups[name] = GroupHandle(actors, name, backend.lower())
    return group


def get_collective_groups(actors: list[Any], backend: str | None = None) -> list[GroupHandle]:
    """The groups made here that have all of these actors, and this backend, if one is named."""
    return [
        group
        for group in _groups.values()
        if all(actor in group.actors for actor in actors) and backend in (None, group.backend)
    ]


def destroy_collective_group(group: GroupHandle | str) -> None:
    """Ends a group on all of its members. ValueError if it was not made here, or is gone already."""
    name = group if isinstance(group, str) else group.name
    found = _groups.pop(name, None)
    if found is None:
        raise ValueError(f"There is no group {name!r} that create_collective_group made in this process.")
    from trygon import get
    from trygon.exceptions import RayActorError

    collective.destroy_collective_group(name)
    for ref in [actor.__ray_call__.remote(_leave, name) for actor in found.actors]:
        try:
            get(ref)
        except RayActorError:
            # An actor that has ended is in no group any more.
            pass


def destroy_all_collective_groups() -> None:
    """Ends every group that was made here."""
    for name in list(_groups):
        destroy_collective_group(name)


def _leave(_: Any, name: str) -> None:
    collective.destroy_collective_group(name)

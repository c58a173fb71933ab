"""Placement groups of the inline mode. Everything has room in one process, so a group only says what fits the
resources that `init` was given, and who is inside.

A group's gate is an object that everything inside depends on: it has a value once the group is reserved, and an error
when the group is removed. What runs at a removal cannot be stopped here; its result is dropped.
"""

from __future__ import annotations

from os import urandom
from weakref import WeakKeyDictionary, WeakSet

from trygon._core.inline.values import JOB_ID, Encoded, Entry, Failure, InlineRef, new_task_id
from trygon._core.inline.work import current_work
from trygon._core.options import actor_resources, placement, task_resources
from trygon._core.scheduling import PLACES
from trygon._core.system_errors import system_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from trygon._core.inline.actors import Actor
    from trygon._core.inline.engine import Engine
    from trygon._core.inline.work import Work


class _Group:
    def __init__(
        self, engine: Engine, bundles: list[dict[str, float]], strategy: str, name: str, namespace: str
    ) -> None:
        self.id = (JOB_ID + urandom(14)).hex()
        self.bundles, self.strategy, self.name, self.namespace = bundles, strategy, name, namespace
        self.state = "PENDING"
        self.gate = Entry(engine, None, new_task_id(), 0)
        self.members: WeakSet[Any] = WeakSet()


class Placement:
    """Who is where."""

    def __init__(self, engine: Engine, node_id: str, resources: Mapping[str, float]) -> None:
        self._engine, self._node_id, self._free = engine, node_id, dict(resources)
        self._groups: dict[str, _Group] = {}
        # The group of calls and actors, and whether it captures what they submit.
        self._place_of: WeakKeyDictionary[Any, tuple[str, bool]] = WeakKeyDictionary()

    def is_used(self, options: Mapping[str, Any]) -> bool:
        """Whether anything has to be looked at for a call with these options."""
        return bool(options or self._groups)

    def put(self, call: Work, options: Mapping[str, Any]) -> None:
        """Puts a task where its options say: it waits for the gate of its group."""
        needed = task_resources(options)
        gate = self._gate(call, options, needed, call.name)
        elsewhere = self._elsewhere(needed, call.name)
        if elsewhere:
            gate = self._closed(Failure(kind="task_unschedulable", details={"message": elsewhere}))
        if gate is not None:
            call.dependencies.append(gate)

    def put_actor(self, actor: Actor, constructor: Work, options: Mapping[str, Any]) -> None:
        """Puts an actor where its options say: its constructor waits for the gate of its group."""
        needed = actor_resources(options)[0]
        gate = self._gate(actor, options, needed, actor.class_name)
        elsewhere = self._elsewhere(needed, actor.class_name)
        if elsewhere:
            actor.end(elsewhere, "unschedulable")
        elif gate is not None and isinstance(gate.outcome, Failure):
            actor.end("its placement group was removed", "placement_group_removed")
        elif gate is not None:
            constructor.dependencies.append(gate)

    def _gate(self, member: Any, options: Mapping[str, Any], needed: Mapping[str, float], name: str) -> Entry | None:
        where = placement(options, needed, name)
        if where is None:
            group_id, captures = self.here()
            if not captures:
                return None
        else:
            group_id, captures = where[0].rpartition("_")[2], where[1]
            if not group_id:
                return None
        with self._engine.lock:
            self._place_of[member] = group_id, captures
            group = self._groups.get(group_id)
            if group is None:
                return self._closed(_removed(group_id))
            group.members.add(member)
            return group.gate

    def _elsewhere(self, needed: Mapping[str, float], name: str) -> str:
        here = f"node_id:{self._node_id}"
        wanted = next((wanted for wanted in needed if wanted.startswith("node_id:") and wanted != here), "")
        return f"{name} is bound to node {wanted[8:]}, which does not exist" if wanted else ""

    def here(self) -> tuple[str, bool]:
        """The group of what runs here, and whether it captures."""
        work = current_work.get()
        member = None if work is None else work.actor or work
        return ("", False) if member is None else self._place_of.get(member, ("", False))

    # The engine's functions.

    def create(
        self,
        bundles: list[dict[str, float]],
        strategy: str,
        *,
        name: str,
        namespace: str | None,
        labels: list[str],
        target: bytes,
        detached: bool,
    ) -> bytes:
        """Makes a group."""
        with self._engine.lock:
            namespace = namespace or self._engine.namespace
            if name and self._named(namespace, name):
                raise system_error("system", {"message": f"the placement group name {name!r} is taken"})
            group = _Group(self._engine, bundles, strategy, name, namespace)
            self._groups[group.id] = group
            self._settle()
        return bytes.fromhex(group.id)

    def _settle(self) -> None:
        """Reserves what fits, the oldest first."""
        for group in self._groups.values():
            needed = _sum(group.bundles)
            is_possible = group.strategy != "STRICT_SPREAD" or len(group.bundles) == 1
            fits = is_possible and all(self._free.get(name, 0.0) >= amount for name, amount in needed.items())
            if group.state == "PENDING" and fits:
                self._take(needed, 1)
                group.state = "CREATED"
                self._open(group.gate, Encoded(_handle(group)))

    def _take(self, amounts: Mapping[str, float], sign: int) -> None:
        for name, amount in amounts.items():
            self._free[name] = round(self._free.get(name, 0.0) - sign * amount, 4)

    def _open(self, gate: Entry, outcome: Encoded | Failure) -> None:
        gate.outcome = outcome
        callbacks, gate.callbacks = gate.callbacks, []
        for callback in callbacks:
            callback()
        self._engine.changed.notify_all()

    def remove(self, group_id: bytes) -> None:
        """Ends a group and what is inside."""
        with self._engine.lock:
            group = self._groups.get(group_id.hex())
            if group is None or group.state == "REMOVED":
                return
            if group.state == "CREATED":
                self._take(_sum(group.bundles), -1)
                group.gate = Entry(self._engine, None, new_task_id(), 0)
            group.state = "REMOVED"
            self._open(group.gate, _removed(group.id))
            members = list(group.members)
            self._settle()
        for member in members:
            if hasattr(member, "incarnation"):
                member.end("", "placement_group_removed")
            else:
                details = {"name": member.name, "cause_kind": "placement_group_removed"}
                self._engine.finish(member, Failure(kind="worker_died", details=details))

    def wait(self, group_id: bytes, timeout: float | None = None) -> str:
        """Waits until a group is reserved or gone."""
        group = self._groups.get(group_id.hex())
        if group is None:
            return "UNKNOWN"
        self._engine.wait_until(lambda: group.state != "PENDING", timeout)
        return group.state

    def ready(self, group_id: bytes, value: Any) -> InlineRef:
        """A reference that has the handle as its value once the group is reserved."""
        group = self._groups.get(group_id.hex())
        return InlineRef(self._closed(_removed(group_id.hex())) if group is None else group.gate)

    def _closed(self, failure: Failure) -> Entry:
        gate = Entry(self._engine, None, new_task_id(), 0)
        gate.outcome = failure
        return gate

    def table(self, argument: str) -> list[dict[str, Any]]:
        """Groups: all, or the one with this id, or with this name (after a namespace and a line feed)."""
        namespace, _, name = argument.partition("\n")
        with self._engine.lock:
            groups = list(self._groups.values())
        if name:
            groups = self._named(namespace, name)
        elif namespace:
            groups = [group for group in groups if group.id == argument]
        return [self._entry(group) for group in groups]

    def _named(self, namespace: str, name: str) -> list[_Group]:
        living = [group for group in self._groups.values() if group.state != "REMOVED"]
        return [group for group in living if (group.namespace, group.name) == (namespace, name)]

    def _entry(self, group: _Group) -> dict[str, Any]:
        return {
            "placement_group_id": group.id,
            "name": group.name,
            "namespace": group.namespace,
            "bundles": group.bundles,
            "node_id": "" if group.state == "PENDING" else self._node_id,
            "strategy": group.strategy,
            "state": group.state,
            "scheduling_state": {"PENDING": "INFEASIBLE", "CREATED": "FINISHED"}.get(group.state, group.state),
            "latency_us": 0,
        }

    def functions(self) -> dict[str, Any]:
        """The engine's functions, by name."""
        return {
            "create_placement_group": self.create,
            "remove_placement_group": self.remove,
            "wait_placement_group": self.wait,
            "placement_group_ready": self.ready,
        }


def plain(resources: Mapping[str, float]) -> dict[str, float]:
    """What is held, without where."""
    return {name: amount for name, amount in resources.items() if not name.startswith(PLACES)}


def _handle(group: _Group) -> Any:
    from trygon._core.ids import PlacementGroupID
    from trygon._core.placement_group import PlacementGroup

    return PlacementGroup(PlacementGroupID.from_hex(group.id), group.bundles)


def _removed(group_id: str) -> Failure:
    message = f"placement group {group_id} was removed, or never was"
    return Failure(kind="task_placement_group_removed", details={"message": message})


def _sum(bundles: list[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for bundle in bundles:
        for name, amount in bundle.items():
            total[name] = total.get(name, 0.0) + amount
    return total

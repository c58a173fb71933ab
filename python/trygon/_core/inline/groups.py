"""Placement groups of the inline mode: bundles are set aside on paper, so that groups wait for one another."""

from __future__ import annotations

from os import urandom
from time import monotonic

from trygon._core.inline.values import JOB_ID, Encoded, Entry, Failure, InlineRef, new_task_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._core.inline.engine import Engine


class Group:
    """One group. It is `CREATED` once the others leave room for all its bundles."""

    def __init__(self, bundles: list[dict[str, float]], strategy: str, name: str, namespace: str) -> None:
        self.id = JOB_ID + urandom(14)
        self.bundles, self.strategy, self.name, self.namespace = bundles, strategy, name, namespace
        self.state = "PENDING"
        self.began_s, self.latency_us = monotonic(), 0
        self.waiting: list[tuple[Entry, Any]] = []

    def total(self) -> dict[str, float]:
        """What all bundles hold together."""
        held: dict[str, float] = {}
        for bundle in self.bundles:
            for resource, amount in bundle.items():
                held[resource] = held.get(resource, 0.0) + amount
        return held


class Groups:
    """All groups of a session."""

    def __init__(self, engine: Engine, resources: dict[str, float], node_id: str) -> None:
        self._engine, self._resources, self._node_id = engine, resources, node_id
        self._groups: dict[bytes, Group] = {}

    def create(
        self, bundles: list[dict[str, float]], strategy: str, *, name: str, namespace: str | None, **others: Any
    ) -> bytes:
        """Asks for a group; returns its id."""
        with self._engine.lock:
            group = Group(bundles, strategy, name, namespace or self._engine.namespace)
            if name and any(other.name == name and other.namespace == group.namespace for other in self._living()):
                raise ValueError(f"There is a placement group named '{name}' in this namespace already.")
            self._groups[group.id] = group
        self._place()
        return group.id

    def remove(self, group_id: bytes) -> None:
        """Gives back what a group held."""
        with self._engine.lock:
            group = self._groups.get(group_id)
            if group is None or group.state == "REMOVED":
                return
            group.state = "REMOVED"
            waiting, group.waiting = group.waiting, []
            details = {"message": f"placement group {group_id.hex()} was removed"}
            for entry, _ in waiting:
                self._engine.settle(entry, Failure(kind="cancelled", details=details))
        self._place()

    def wait(self, group_id: bytes, timeout: float | None = None) -> str:
        """The state of a group once it is decided, or when the time is over."""
        group = self._groups.get(group_id)
        if group is None:
            return "UNKNOWN"
        self._engine.wait_until(lambda: group.state != "PENDING", timeout)
        return group.state

    def ready(self, group_id: bytes, value: Any) -> InlineRef:
        """A reference that has `value` once the group is there."""
        entry = Entry(self._engine, None, new_task_id(), 0)
        group = self._groups.get(group_id)
        with self._engine.lock:
            if group is None or group.state == "REMOVED":
                message = f"placement group {group_id.hex()} was removed"
                entry.outcome = Failure(kind="cancelled", details={"message": message})
            elif group.state == "CREATED":
                entry.outcome = Encoded(value)
            else:
                group.waiting.append((entry, value))
        return InlineRef(entry)

    def query(self, argument: str) -> list[dict[str, Any]]:
        """The groups of this id, of this namespace and name, or all of them."""
        namespace, _, name = argument.partition("\n")
        found = []
        for group in list(self._groups.values()):
            if name:
                is_meant = (group.namespace, group.name) == (namespace, name) and group.state != "REMOVED"
            else:
                is_meant = argument in ("", group.id.hex())
            if is_meant:
                found.append(self._described(group))
        return found

    def _living(self) -> list[Group]:
        return [group for group in self._groups.values() if group.state != "REMOVED"]

    def _place(self) -> None:
        with self._engine.lock:
            free = dict(self._resources)
            for group in self._living():
                total = group.total()
                has_room = all(free.get(name, 0.0) + 1e-9 >= amount for name, amount in total.items())
                fits_strategy = group.strategy != "STRICT_SPREAD" or len(group.bundles) == 1
                if group.state == "PENDING" and not (has_room and fits_strategy):
                    continue
                for name, amount in total.items():
                    free[name] = free.get(name, 0.0) - amount
                if group.state == "PENDING":
                    group.state = "CREATED"
                    group.latency_us = int((monotonic() - group.began_s) * 1e6)
                    for entry, value in group.waiting:
                        self._engine.settle(entry, Encoded(value))
                    group.waiting = []
            self._engine.changed.notify_all()

    def _described(self, group: Group) -> dict[str, Any]:
        return {
            "placement_group_id": group.id.hex(),
            "name": group.name,
            "namespace": group.namespace,
            "bundles": group.bundles,
            "strategy": group.strategy,
            "state": group.state,
            "node_id": self._node_id if group.state == "CREATED" else "",
            "latency_us": group.latency_us,
            "scheduling_state": "FINISHED" if group.state == "CREATED" else group.state,
        }


def placement_of(options: Any) -> tuple[str | None, bool]:
    """The group that a call is to run in, and whether what it submits runs there too."""
    strategy = options.get("scheduling_strategy")
    group = getattr(strategy, "placement_group", None)
    captures = getattr(strategy, "placement_group_capture_child_tasks", None)
    if group is None:
        group = options.get("placement_group")
        captures = options.get("placement_group_capture_child_tasks")
    group_id = getattr(group, "id", None)
    if group_id is None or group_id.is_nil():
        return None, False
    return group_id.hex(), bool(captures)

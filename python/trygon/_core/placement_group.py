"""Placement groups: resources that are reserved together, in bundles, for tasks and actors to run in."""

from __future__ import annotations

from trygon import _native
from trygon._core.ids import PlacementGroupID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._native import ObjectRef

STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")


class PlacementGroup:
    """A handle on a placement group. It can be sent to tasks and actors; all handles on a group are equal."""

    def __init__(self, id: PlacementGroupID, bundle_cache: list[dict[str, float]] | None = None) -> None:
        self.id = id
        self.bundle_cache = bundle_cache

    @staticmethod
    def empty() -> PlacementGroup:
        """The handle that stands for no group."""
        return PlacementGroup(PlacementGroupID.nil())

    @property
    def is_empty(self) -> bool:
        """Whether this stands for no group."""
        return self.id.is_nil()

    def ready(self) -> ObjectRef[PlacementGroup]:
        """A reference that has this handle as its value once all bundles are reserved.

        When the group is removed before, `get` of it raises TaskPlacementGroupRemoved.
        """
        if self.is_empty:
            return _native.put(self)
        self._fill_bundles()
        return _native.placement_group_ready(self.id.binary(), self)

    def wait(self, timeout_seconds: float = 30) -> bool:
        """Waits until all bundles are reserved; False when it takes longer than `timeout_seconds`.

        ValueError when the group was removed.
        """
        if self.is_empty:
            return True
        if timeout_seconds is not None and (isinstance(timeout_seconds, bool) or timeout_seconds < 0):
            raise ValueError(f"timeout_seconds of wait() must be >= 0 seconds, but {timeout_seconds} was given.")
        state = _native.wait_placement_group(self.id.binary(), timeout_seconds)
        if state in ("REMOVED", "UNKNOWN"):
            raise ValueError(f"Placement group {self.id.hex()} does not exist (any more): it cannot become ready.")
        return state == "CREATED"

    @property
    def bundle_specs(self) -> list[dict[str, float]]:
        """What each bundle holds."""
        self._fill_bundles()
        return [dict(bundle) for bundle in self.bundle_cache or []]

    @property
    def bundle_count(self) -> int:
        """How many bundles there are."""
        self._fill_bundles()
        return len(self.bundle_cache or [])

    def _fill_bundles(self) -> None:
        if self.bundle_cache is None and not self.is_empty:
            found = _query(self.id.hex())
            if not found:
                raise ValueError(f"Placement group {self.id.hex()} does not exist (any more).")
            self.bundle_cache = found[0]["bundles"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlacementGroup) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"PlacementGroup({'empty' if self.is_empty else self.id.hex()})"

    def __reduce__(self) -> Any:
        return PlacementGroup, (self.id, self.bundle_cache)


def placement_group(
    bundles: list[dict[str, float]],
    strategy: str | None = None,
    name: str = "",
    lifetime: str | None = None,
    _soft_target_node_id: str | None = None,
    bundle_label_selector: list[dict[str, str]] | None = None,
    topology_strategy: dict[str, str] | None = None,
) -> PlacementGroup:
    """Asks for bundles of resources, to be reserved all together, and returns a handle at once.

    The group waits its turn among tasks until there is room for all its bundles: `ready()` and `wait()` tell when.
    It ends when it is removed or the program ends. `strategy` is PACK (the default), SPREAD, STRICT_PACK or
    STRICT_SPREAD; with STRICT_SPREAD each bundle needs a node of its own. A `name` is unique in the namespace. With
    `lifetime="detached"` a group outlives the detached actor that made it.
    """
    bundles = _checked_bundles(bundles)
    if strategy is None:
        strategy = "PACK"
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, but {strategy!r} was given.")
    if lifetime not in (None, "detached"):
        raise ValueError(f"lifetime must be None or 'detached', but {lifetime!r} was given.")
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be a str, but {type(name).__name__} was given.")
    if topology_strategy:
        raise NotImplementedError("topology_strategy is not supported by this version of Trygon; leave it out.")
    _check_target(_soft_target_node_id, strategy)
    labels = _labels(bundle_label_selector, len(bundles))
    group_id = _native.create_placement_group(
        bundles,
        strategy,
        name=name or "",
        namespace=None,
        labels=labels,
        target=bytes.fromhex(_soft_target_node_id or ""),
        detached=lifetime == "detached",
    )
    return PlacementGroup(PlacementGroupID(group_id), bundles)


def _checked_bundles(bundles: Any) -> list[dict[str, float]]:
    example = 'e.g. [{"CPU": 1}, {"GPU": 1}]'
    if not isinstance(bundles, list):
        raise ValueError(f"bundles must be a list of dicts, {example}, but {type(bundles).__name__} was given.")
    if not bundles:
        raise ValueError(f"bundles must not be empty: name at least one, {example}.")
    return [_checked_bundle(bundle, example) for bundle in bundles]


def _checked_bundle(bundle: Any, example: str) -> dict[str, float]:
    if not isinstance(bundle, dict):
        raise ValueError(f"A bundle must be a dict of resources and amounts, {example}, but {bundle!r} was given.")
    for name, amount in bundle.items():
        if not isinstance(name, str) or not name or "_group_" in name:
            raise ValueError(f"The names of a bundle's resources must be str, {example}, but {name!r} was given.")
        if isinstance(amount, bool) or not isinstance(amount, (int, float)):
            raise ValueError(f"The amounts of a bundle must be numbers, {example}, but {bundle!r} was given.")
        if not 0 <= amount < float("inf"):
            raise ValueError(f"The amounts of a bundle must be >= 0, but {bundle!r} was given.")
        if amount and round(amount * 10_000) == 0:
            raise ValueError(f"Amounts cannot be finer than 0.0001, but {bundle!r} was given.")
        if name in ("GPU",) and amount > 1 and amount != int(amount):
            raise ValueError(f"Above 1, GPUs of a bundle must be whole, but {bundle!r} was given.")
    held = {name: float(amount) for name, amount in bundle.items() if amount}
    if not held:
        raise ValueError(f"A bundle must hold something, {example}, but {bundle!r} holds nothing.")
    return held


def _check_target(node_id: Any, strategy: str) -> None:
    if node_id is None:
        return
    if strategy != "STRICT_PACK":
        raise ValueError(f"_soft_target_node_id works only with the strategy STRICT_PACK, but {strategy} was given.")
    from trygon._core.scheduling import check_node_id

    check_node_id(node_id)


def _labels(selectors: Any, count: int) -> list[str]:
    """For each bundle the selectors that its node has to meet; none at all without any."""
    if selectors is None:
        return []
    example = 'e.g. [{"zone": "a"}, {"zone": "!b"}]'
    is_list = isinstance(selectors, list) and all(isinstance(selector, dict) for selector in selectors)
    if not is_list or not all(isinstance(text, str) for one in selectors for item in one.items() for text in item):
        raise ValueError(f"bundle_label_selector must be a list of dicts of str, {example}, but {selectors!r} is not.")
    if not selectors:
        return []
    if len(selectors) != count:
        raise ValueError(
            f"bundle_label_selector must have one dict for each bundle: there are {count} bundles and"
            f" {len(selectors)} dicts."
        )
    from trygon._core.scheduling import selector_text

    return [selector_text("bundle_label_selector", selector) for selector in selectors]


def remove_placement_group(placement_group: PlacementGroup) -> None:
    """Removes a group: tasks and actors in it end, and what it held is free. Does not wait for that."""
    if not isinstance(placement_group, PlacementGroup):
        raise TypeError(
            f"remove_placement_group() takes a PlacementGroup, but {type(placement_group).__name__} was given."
        )
    if not placement_group.is_empty:
        _native.remove_placement_group(placement_group.id.binary())


def get_placement_group(placement_group_name: str) -> PlacementGroup:
    """A handle on the group of this name in this program's namespace. ValueError if there is none."""
    if not isinstance(placement_group_name, str) or not placement_group_name:
        raise ValueError(f"get_placement_group() takes a non-empty name, but {placement_group_name!r} was given.")
    found = _query(f"{_native.context()['namespace']}\n{placement_group_name}")
    if not found:
        raise ValueError(
            f"There is no placement group named '{placement_group_name}' in this program's namespace. Was it made with"
            f" placement_group(..., name='{placement_group_name}'), and not removed since?"
        )
    return PlacementGroup(PlacementGroupID.from_hex(found[0]["placement_group_id"]), found[0]["bundles"])


def get_current_placement_group() -> PlacementGroup | None:
    """The group that the running task or actor is in; None outside of groups, and in the driver."""
    group_id = _native.context()["placement_group_id"]
    return None if group_id is None else PlacementGroup(PlacementGroupID.from_hex(group_id))


def placement_group_table(placement_group: PlacementGroup | None = None) -> dict[str, Any]:
    """What there is to say of a group, or of all groups by id: state, strategy, bundles, where they are, how long it
    took.
    """
    if placement_group is None:
        return {entry["placement_group_id"]: _table_entry(entry) for entry in _query("")}
    if not isinstance(placement_group, PlacementGroup):
        raise TypeError(
            f"placement_group_table() takes a PlacementGroup, but {type(placement_group).__name__} was given."
        )
    found = _query(placement_group.id.hex())
    return _table_entry(found[0]) if found else {}


def _table_entry(entry: dict[str, Any]) -> dict[str, Any]:
    latency_ms = entry["latency_us"] / 1000
    # A node that is a cluster of its own says once where all of them are.
    nodes = entry.get("bundle_nodes") or [entry["node_id"]] * len(entry["bundles"])
    return {
        "placement_group_id": entry["placement_group_id"],
        "name": entry["name"],
        "bundles": dict(enumerate(entry["bundles"])),
        "bundles_to_node_id": dict(enumerate(nodes)),
        "strategy": entry["strategy"],
        "state": entry["state"],
        "stats": {
            "end_to_end_creation_latency_ms": latency_ms,
            "scheduling_latency_ms": latency_ms,
            "scheduling_attempt": 1,
            "highest_retry_delay_ms": 0.0,
            "scheduling_state": entry["scheduling_state"],
        },
    }


def _query(argument: str) -> list[dict[str, Any]]:
    from trygon._core.state import query

    return list(query("placement_groups", argument))

"""Where a task or actor is to run: the values of the option `scheduling_strategy`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._core.placement_group import PlacementGroup

    LabelMatchExpressions = dict[str, "In | NotIn | Exists | DoesNotExist"]


class _ByValue:
    """Equal when of one class with equal fields: a function with options is made once for equal options."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *map(_hashable, vars(self).values())))


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted((key, hash(inner)) for key, inner in value.items()))
    return tuple(value) if isinstance(value, list) else value


class PlacementGroupSchedulingStrategy(_ByValue):
    """In a placement group: in one of its bundles, or with index -1 in any that has room.

    With `placement_group_capture_child_tasks=True`, what the task or actor submits runs in the group too, unless it
    says where.
    """

    def __init__(
        self,
        placement_group: PlacementGroup | None,
        placement_group_bundle_index: int = -1,
        placement_group_capture_child_tasks: bool | None = None,
    ) -> None:
        self.placement_group = placement_group
        self.placement_group_bundle_index = placement_group_bundle_index
        self.placement_group_capture_child_tasks = placement_group_capture_child_tasks

    def __repr__(self) -> str:
        return _described(self)


class NodeAffinitySchedulingStrategy(_ByValue):
    """On the node with this id (hexadecimal, or a NodeID). If there is no such node: with `soft` on any, otherwise
    TaskUnschedulableError or ActorUnschedulableError.
    """

    def __init__(
        self, node_id: Any, soft: bool, _spill_on_unavailable: bool = False, _fail_on_unavailable: bool = False
    ) -> None:
        if not isinstance(node_id, str):
            as_text = getattr(node_id, "hex", None)
            if as_text is None or isinstance(node_id, (int, float)):
                raise TypeError(f"node_id must be a node's id in hexadecimal, but {node_id!r} was given.")
            node_id = as_text()
        if _spill_on_unavailable and not soft:
            raise ValueError("_spill_on_unavailable needs soft=True: it allows another node.")
        if _fail_on_unavailable and soft:
            raise ValueError("_fail_on_unavailable needs soft=False: with soft=True another node would do.")
        self.node_id = node_id
        self.soft = soft
        self._spill_on_unavailable = _spill_on_unavailable
        self._fail_on_unavailable = _fail_on_unavailable

    def __repr__(self) -> str:
        return f"NodeAffinitySchedulingStrategy(node_id={self.node_id!r}, soft={self.soft!r})"


class _Values(_ByValue):
    def __init__(self, *values: str) -> None:
        name = type(self).__name__
        if not values:
            raise ValueError(f'{name} needs at least one value, e.g. {name}("a", "b").')
        for position, value in enumerate(values):
            if not isinstance(value, str):
                raise ValueError(
                    f'{name} takes str, e.g. {name}("a", "b"), but value {position} is {value!r} of type'
                    f" {type(value).__name__}."
                )
        self.values = list(values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.values))})"


class In(_Values):
    """The label has one of these values."""


class NotIn(_Values):
    """The label has none of these values, or does not exist."""


class Exists(_ByValue):
    """The label exists."""

    def __repr__(self) -> str:
        return "Exists()"


class DoesNotExist(_ByValue):
    """The label does not exist."""

    def __repr__(self) -> str:
        return "DoesNotExist()"


class NodeLabelSchedulingStrategy(_ByValue):
    """On a node whose labels fit `hard`; among those, rather on one that fits `soft`. Waits while no node fits."""

    def __init__(self, hard: LabelMatchExpressions, *, soft: LabelMatchExpressions | None = None) -> None:
        self.hard = _expressions(hard, "hard")
        self.soft = _expressions(soft, "soft")
        if not self.hard and not self.soft:
            raise ValueError("NodeLabelSchedulingStrategy needs an expression in hard or in soft; both are empty.")

    def __repr__(self) -> str:
        return _described(self)


def _expressions(given: Any, what: str) -> dict[str, Any]:
    if given is None:
        return {}
    example = 'e.g. {"zone": In("a")}'
    if not isinstance(given, dict):
        raise ValueError(f"{what} must be a dict of labels and conditions, {example}, but {given!r} was given.")
    for key, value in given.items():
        if not isinstance(key, str):
            raise ValueError(f"Keys of {what} must be str, {example}, but {key!r} was given.")
        if not isinstance(value, (In, NotIn, Exists, DoesNotExist)):
            raise ValueError(
                f"Values of {what} must be In, NotIn, Exists or DoesNotExist, {example}, but {value!r} was given for"
                f" {key}."
            )
    return dict(given)


def _described(strategy: object) -> str:
    fields = ", ".join(f"{name}={value!r}" for name, value in vars(strategy).items())
    return f"{type(strategy).__name__}({fields})"

"""The options that say where a task or actor runs, and how the engine is told.

The engine reads names and amounts: beside resources, `node_id:<id>` ties to a node and `labels:<selectors>` to nodes
with such labels; `soft_node_id:`, `near_node_id:` (if it has room now), `soft_labels:` and `strategy:SPREAD` are
wishes. A place in a group travels beside them: the bundle and group, and whether children run there too.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    # None: where the parent wants it; ("", False): outside of groups.
    Placement = tuple[str, bool] | None

OUTSIDE = ("", False)
# Names that say where, and not how much.
PLACES = ("node_id:", "labels:", "soft_node_id:", "near_node_id:", "soft_labels:", "strategy:")
_NAMES = ("DEFAULT", "SPREAD")
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.\-]{0,61}[A-Za-z0-9])?)"
_SELECTOR = re.compile(rf"!?{_VALUE}|!?in\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\)|")
_KEY = re.compile(rf"(?:[a-z0-9](?:[a-z0-9.\-]{{0,251}}[a-z0-9])?/)?{_VALUE}")
_warned = False


def check_strategy(name: str, value: Any) -> None:
    """Refuses what is no scheduling strategy."""
    if value is None:
        return
    if isinstance(value, str):
        if value not in _NAMES:
            raise ValueError(f"The option {name} must be one of 'DEFAULT', 'SPREAD' {_classes()}, got {value!r}.")
        return
    from trygon._core import scheduling_strategies as strategies

    if isinstance(value, strategies.NodeAffinitySchedulingStrategy):
        check_node_id(value.node_id)
        if value._fail_on_unavailable:
            raise NotImplementedError("_fail_on_unavailable=True is not supported by this version of Trygon.")
    elif isinstance(value, strategies.NodeLabelSchedulingStrategy):
        _expressions_text(value.hard)
        _expressions_text(value.soft)
    elif not isinstance(value, strategies.PlacementGroupSchedulingStrategy):
        raise TypeError(
            f"The option {name} must be one of 'DEFAULT', 'SPREAD' {_classes()}, but {type(value).__name__} was given."
        )


def _classes() -> str:
    return (
        "or an instance of PlacementGroupSchedulingStrategy, NodeAffinitySchedulingStrategy or"
        " NodeLabelSchedulingStrategy (of trygon.util.scheduling_strategies)"
    )


def check_node_id(node_id: Any) -> None:
    """Refuses what is not the id of a node."""
    if not isinstance(node_id, str) or not re.fullmatch(r"[0-9a-fA-F]{56}", node_id):
        raise ValueError(
            f"A node's id has 56 hexadecimal digits, but {node_id!r} was given; trygon.nodes() lists the nodes."
        )


def check_group(name: str, value: Any) -> None:
    """Refuses what is no placement group."""
    from trygon._core.placement_group import PlacementGroup

    if value is None or value == "default" or isinstance(value, PlacementGroup):
        return
    raise TypeError(f"The option {name} must be a PlacementGroup or None, but {type(value).__name__} was given.")


def check_selector(name: str, value: Any) -> None:
    """Refuses what is no selector of labels."""
    if value is not None:
        selector_text(name, value)


def selector_text(name: str, selector: Any) -> str:
    """A dict of labels and conditions as the engine reads it."""
    if not isinstance(selector, dict):
        raise TypeError(f"The option {name} must be a dict of labels, but {type(selector).__name__} was given.")
    for key, value in selector.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"Keys and values of {name} must be str, but {key!r}: {value!r} was given.")
        check_key(name, key)
        if not _SELECTOR.fullmatch(value):
            raise ValueError(
                f"{name}[{key!r}] must be a value, '!value', 'in(a,b)' or '!in(a,b)', each value at most 63 letters,"
                f" digits, '-', '_' or '.', beginning and ending with a letter or digit, but {value!r} was given."
            )
    return "&".join(f"{key}={value}" for key, value in sorted(selector.items()))


def check_key(name: str, key: str) -> None:
    """Refuses what is no name of a label."""
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"{key!r} in {name} is no name of a label: it has at most 63 letters, digits, '-', '_' or '.', begins and"
            " ends with a letter or digit, and may follow a prefix and '/' as in 'example.com/zone'."
        )


def check_labels(name: str, labels: Any) -> dict[str, str]:
    """Labels of a node: the ones that are given, or an error."""
    if labels is None:
        return {}
    if not isinstance(labels, dict):
        raise TypeError(f"{name} must be a dict of str, but {type(labels).__name__} was given.")
    for key, value in labels.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"Names and values of {name} must be str, but {key!r}: {value!r} was given.")
        check_key(name, key)
        if value and not re.fullmatch(_VALUE, value):
            raise ValueError(
                f"{name}[{key!r}] must be a label's value (letters, digits, '-', '_', '.'), but {value!r} was given."
            )
        if key in ("ray.io/node-id", "trygon.io/node-id"):
            raise ValueError(f"{key} in {name} is set by the engine: choose another name.")
    return dict(labels)


def check_fallback(name: str, value: Any) -> None:
    """Refuses what is no list of selectors to fall back to."""
    if value is None:
        return
    if not isinstance(value, list):
        raise TypeError(f"The option {name} must be a list of dicts, but {type(value).__name__} was given.")
    for entry in value:
        if not isinstance(entry, dict) or not entry:
            raise ValueError(f"Each entry of {name} must be a dict with label_selector, but {entry!r} was given.")
        unknown = [key for key in entry if key != "label_selector"]
        if unknown:
            raise ValueError(f"An entry of {name} may have label_selector only, but {unknown[0]!r} was given.")
        check_selector(f"label_selector in {name}", entry["label_selector"])


def demands(options: Mapping[str, Any]) -> dict[str, float]:
    """What the options demand beside amounts: a node, labels, a kind of accelerator."""
    found: dict[str, float] = {}
    kind = options.get("accelerator_type")
    if kind:
        found[f"accelerator_type:{kind}"] = 0.001
    strategy = options.get("scheduling_strategy")
    hard = ""
    if strategy == "SPREAD":
        found["strategy:SPREAD"] = 1.0
    elif strategy is not None and not isinstance(strategy, str):
        from trygon._core import scheduling_strategies as strategies

        if isinstance(strategy, strategies.NodeAffinitySchedulingStrategy):
            how = "" if not strategy.soft else "near_" if strategy._spill_on_unavailable else "soft_"
            found[f"{how}node_id:{strategy.node_id.lower()}"] = 1.0
        elif isinstance(strategy, strategies.NodeLabelSchedulingStrategy):
            hard = _expressions_text(strategy.hard)
            if strategy.soft:
                found[f"soft_labels:{_expressions_text(strategy.soft)}"] = 1.0
    text = _alternatives(options, hard)
    if text:
        found[f"labels:{text}"] = 1.0
    return found


def _alternatives(options: Mapping[str, Any], hard: str) -> str:
    selector = options.get("label_selector")
    fallback = options.get("fallback_strategy")
    choices: list[Any] = [] if selector is None else [selector]
    if choices or fallback:
        # Without a selector of its own, whatever node there is comes first.
        choices = choices or [{}]
        choices += [entry["label_selector"] or {} for entry in fallback or []]
    texts = [selector_text("label_selector", choice) for choice in choices] or [""]
    if not all(texts) and not hard:
        return ""
    return "|".join("&".join(part for part in (text, hard) if part) for text in texts)


def _expressions_text(expressions: Mapping[str, Any]) -> str:
    from trygon._core import scheduling_strategies as strategies

    parts = []
    for key, value in sorted(expressions.items()):
        check_key("NodeLabelSchedulingStrategy", key)
        if isinstance(value, strategies.Exists):
            parts.append(f"{key}=*")
        elif isinstance(value, strategies.DoesNotExist):
            parts.append(f"{key}=!*")
        else:
            parts.append(f"{key}={'!' if isinstance(value, strategies.NotIn) else ''}in({_values(value.values)})")
    return "&".join(parts)


def _values(values: Iterable[str]) -> str:
    for value in values:
        if not re.fullmatch(_VALUE, value):
            raise ValueError(f"{value!r} is no value of a label: use letters, digits, '-', '_' and '.'.")
    return ",".join(values)


def placement(options: Mapping[str, Any], resources: Mapping[str, float], name: str) -> Placement:
    """Where in which group; ValueError when it cannot be there."""
    from trygon._core.scheduling_strategies import PlacementGroupSchedulingStrategy

    group, index, capture = (
        options.get("placement_group", "default"),
        options.get("placement_group_bundle_index", -1),
        options.get("placement_group_capture_child_tasks"),
    )
    strategy = options.get("scheduling_strategy")
    if strategy is not None:
        if group != "default":
            raise ValueError(
                "The options scheduling_strategy and placement_group exclude each other: give the group as"
                " scheduling_strategy=PlacementGroupSchedulingStrategy(group)."
            )
        if not isinstance(strategy, PlacementGroupSchedulingStrategy):
            return OUTSIDE
        group, index = strategy.placement_group, strategy.placement_group_bundle_index
        capture = strategy.placement_group_capture_child_tasks
        check_group("placement_group", group)
    elif group not in ("default", None):
        _warn_old_spelling()
    index = -1 if index is None else index
    if isinstance(index, bool) or not isinstance(index, int):
        raise TypeError(f"The option placement_group_bundle_index must be an int, got {type(index).__name__}.")
    if group == "default" or group is None or group.is_empty:
        if index != -1:
            raise ValueError("The option placement_group_bundle_index needs a placement group; without one it is -1.")
        return None if group == "default" else OUTSIDE
    _check_fits(group.bundle_specs, index, resources, name)
    group_id = group.id.hex()
    return (group_id if index == -1 else f"{index}_{group_id}", bool(capture))


def _check_fits(bundles: list[dict[str, float]], index: int, resources: Mapping[str, float], name: str) -> None:
    if not -1 <= index < len(bundles):
        raise ValueError(
            f"placement_group_bundle_index is {index}, but the group's bundles have the indexes 0 to"
            f" {len(bundles) - 1}; -1 stands for any."
        )
    amounts = {key: amount for key, amount in resources.items() if not key.startswith(PLACES)}
    eligible = bundles if index == -1 else [bundles[index]]
    if not any(all(bundle.get(key, 0) >= amount for key, amount in amounts.items()) for bundle in eligible):
        which = "any bundle" if index == -1 else f"bundle {index}"
        raise ValueError(
            f"Cannot schedule {name} with the placement group: it needs {amounts}, which does not fit into {which} of"
            f" {bundles}. Ask for less, or make larger bundles."
        )


def _warn_old_spelling() -> None:
    global _warned
    if _warned:
        return
    _warned = True
    import warnings

    warnings.warn(
        "The option placement_group is an old spelling: use"
        " scheduling_strategy=PlacementGroupSchedulingStrategy(placement_group=group).",
        DeprecationWarning,
        stacklevel=5,
    )

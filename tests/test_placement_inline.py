"""Placement groups and strategies in the inline mode: the same program, the same results."""

import pytest
import trygon
from groups import Member, group_of_child, where
from trygon import exceptions
from trygon.util import placement_group
from trygon.util.placement_group import (
    get_current_placement_group,
    get_placement_group,
    placement_group_table,
    remove_placement_group,
)
from trygon.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from trygon.util.scheduling_strategies import PlacementGroupSchedulingStrategy as InGroup


def outcome(call):
    """What a call returns, or what it raises, in Ray's classes."""
    try:
        return call()
    except (exceptions.RayError, ValueError) as error:
        names = {kind.__name__ for kind in type(error).__mro__}
        return sorted(names & {"TaskPlacementGroupRemoved", "ActorPlacementGroupRemoved", "ValueError"})


def program():
    """Everything that can be said of groups without their ids."""
    seen = []
    group = placement_group([{"CPU": 1}, {"CPU": 1, "widget": 1}], name="team")
    names = {group.id.hex(): "team", None: None}
    seen.append((group.wait(5), trygon.get(group.ready()) == group, get_placement_group("team") == group))
    inside, second = InGroup(group), InGroup(group, 1, True)
    seen += [(names[group_id], held) for group_id, held in trygon.get([where.remote()])]
    seen += [
        (names[group_id], held) for group_id, held in [trygon.get(where.options(scheduling_strategy=inside).remote())]
    ]
    parent = trygon.remote(num_cpus=0)(lambda: (trygon.get(group_of_child.remote()), get_current_placement_group()))
    for strategy in (inside, second):
        child, current = trygon.get(parent.options(scheduling_strategy=strategy).remote())
        seen.append((names[child], current == group))
    actor = Member.options(scheduling_strategy=second).remote()
    seen.append([names[trygon.get(actor.where.remote())[0]], names[trygon.get(actor.group_of_child.remote())]])
    large = placement_group([{"CPU": 3}])
    later = where.options(num_cpus=0, scheduling_strategy=InGroup(large)).remote()
    seen.append((large.wait(0.05), trygon.wait([later], timeout=0.05)[0], placement_group_table(large)["state"]))
    call = actor.sleep.remote()
    remove_placement_group(group)
    seen.append(trygon.get(later)[0] == large.id.hex())
    seen.append(outcome(lambda: trygon.get(call, timeout=5)))
    seen.append(outcome(lambda: trygon.get(where.options(scheduling_strategy=inside).remote(), timeout=5)))
    seen.append(
        outcome(lambda: trygon.get(Member.options(scheduling_strategy=inside).remote().where.remote(), timeout=5))
    )
    seen.append(outcome(lambda: trygon.get(group.ready(), timeout=5)))
    seen.append(outcome(lambda: group.wait(1)))
    seen.append(outcome(lambda: get_placement_group("team")))
    apart = placement_group([{"CPU": 0.1}] * 2, strategy="STRICT_SPREAD")
    seen.append(apart.wait(0.05))
    states = [entry["state"] for entry in placement_group_table().values()]
    return seen, sorted(states)


def test_same_in_both_modes():
    options = {"num_cpus": 4, "resources": {"widget": 2}}
    with trygon.init(**options):
        expected = program()
    with trygon.init(mode="inline", **options):
        assert program() == expected


def test_nodes_and_labels():
    with trygon.init(mode="inline", num_cpus=2, labels={"zone": "a"}):
        node = trygon.get_runtime_context().get_node_id()
        assert trygon.get_runtime_context().get_node_labels()["zone"] == "a"
        here = where.options(
            label_selector={"zone": "a"}, scheduling_strategy=NodeAffinitySchedulingStrategy(node, False)
        )
        assert trygon.get(here.remote()) == (None, {"CPU": 1.0})
        nowhere = NodeAffinitySchedulingStrategy("a" * 56, soft=False)
        with pytest.raises(exceptions.TaskUnschedulableError):
            trygon.get(where.options(scheduling_strategy=nowhere).remote())
        with pytest.raises(exceptions.ActorUnschedulableError):
            trygon.get(Member.options(scheduling_strategy=nowhere).remote().where.remote())

"""Placement groups: their handles, their creation, what is said of them, their end."""

import pickle

import pytest
import trygon
from groups import Member, available, sleep, wait_until, where
from trygon import exceptions
from trygon.util import placement_group
from trygon.util.placement_group import (
    PlacementGroup,
    PlacementGroupID,
    get_current_placement_group,
    get_placement_group,
    placement_group_table,
    remove_placement_group,
)
from trygon.util.scheduling_strategies import PlacementGroupSchedulingStrategy as InGroup


@pytest.fixture
def group(engine):
    group = placement_group([{"CPU": 1}, {"CPU": 1, "widget": 1}], name="team")
    assert group.wait(5)
    return group


def test_a_handle_says_what_it_stands_for(group):
    assert isinstance(group, PlacementGroup) and isinstance(group.id, PlacementGroupID)
    assert group.bundle_specs == [{"CPU": 1.0}, {"CPU": 1.0, "widget": 1.0}]
    assert group.bundle_count == 2 and not group.is_empty
    assert PlacementGroup.empty().is_empty and PlacementGroup.empty().id.is_nil()
    assert PlacementGroup.empty().bundle_specs == []
    copy = pickle.loads(pickle.dumps(group))
    assert copy == group and hash(copy) == hash(group) and copy.bundle_specs == group.bundle_specs
    assert copy != PlacementGroup.empty() and {group: 1}[copy] == 1
    assert get_placement_group("team") == group


def test_ready_is_a_reference_to_the_handle(group):
    assert trygon.get(group.ready(), timeout=5) == group
    assert trygon.wait([group.ready()], timeout=5)[1] == []
    assert trygon.get(PlacementGroup.empty().ready(), timeout=5) == PlacementGroup.empty()


def test_a_group_that_waits_becomes_ready_when_there_is_room(group):
    waiting = placement_group([{"CPU": 3}])
    reference = waiting.ready()
    # A task may take the reference as its argument before there is a value.
    given = sleep.options(num_cpus=0).remote(0)
    passed = trygon.remote(num_cpus=0)(lambda handle: handle.bundle_count).remote(reference)
    assert not waiting.wait(0.05)
    assert placement_group_table(waiting)["state"] == "PENDING"
    assert trygon.wait([reference], timeout=0) == ([], [reference])
    with pytest.raises(exceptions.GetTimeoutError):
        trygon.get(reference, timeout=0.05)
    remove_placement_group(group)
    assert waiting.wait(5) and trygon.get(reference, timeout=5) == waiting
    assert trygon.get([passed, given], timeout=5) == [1, "slept"]


def test_ready_of_a_group_that_is_removed_raises(group):
    waiting = placement_group([{"CPU": 3}])
    reference = waiting.ready()
    remove_placement_group(waiting)
    for gone in (reference, waiting.ready()):
        with pytest.raises(exceptions.TaskPlacementGroupRemoved):
            trygon.get(gone, timeout=5)
    with pytest.raises(ValueError, match="does not exist"):
        waiting.wait(5)


def test_a_group_that_nobody_knows_is_no_group(engine):
    stranger = PlacementGroup(PlacementGroupID(b"\x01\x00\x00\x00" + b"\x07" * 14), [{"CPU": 1}])
    with pytest.raises(ValueError, match="does not exist"):
        stranger.wait(5)
    with pytest.raises(exceptions.TaskPlacementGroupRemoved):
        trygon.get(where.options(scheduling_strategy=InGroup(stranger)).remote(), timeout=5)
    actor = Member.options(scheduling_strategy=InGroup(stranger)).remote()
    with pytest.raises(exceptions.ActorPlacementGroupRemoved):
        trygon.get(actor.where.remote(), timeout=5)
    remove_placement_group(stranger)
    assert placement_group_table(stranger) == {}


def test_the_table_has_the_fields_of_ray(group):
    entry = placement_group_table(group)
    node = trygon.get_runtime_context().get_node_id()
    stats = entry.pop("stats")
    assert entry == {
        "placement_group_id": group.id.hex(),
        "name": "team",
        "bundles": {0: {"CPU": 1.0}, 1: {"CPU": 1.0, "widget": 1.0}},
        "bundles_to_node_id": {0: node, 1: node},
        "strategy": "PACK",
        "state": "CREATED",
    }
    assert stats["scheduling_state"] == "FINISHED" and stats["end_to_end_creation_latency_ms"] > 0
    assert sorted(stats) == [
        "end_to_end_creation_latency_ms",
        "highest_retry_delay_ms",
        "scheduling_attempt",
        "scheduling_latency_ms",
        "scheduling_state",
    ]
    assert placement_group_table()[group.id.hex()]["name"] == "team"
    remove_placement_group(group)
    assert placement_group_table(group)["state"] == "REMOVED"
    waiting = placement_group([{"CPU": 100}])
    entry = wait_until(lambda: placement_group_table(waiting))
    assert entry["bundles_to_node_id"] == {0: ""} and entry["stats"]["scheduling_state"] == "INFEASIBLE"


def test_resources_of_a_group_have_their_names(group):
    group_id = group.id.hex()
    total, free = trygon.cluster_resources(), available()
    assert (total["CPU"], free["CPU"], total["widget"], free["widget"]) == (4, 2, 2, 1)
    for resources in (total, free):
        assert resources[f"CPU_group_{group_id}"] == 2 and resources[f"CPU_group_0_{group_id}"] == 1
        assert resources[f"widget_group_1_{group_id}"] == 1 and f"widget_group_0_{group_id}" not in resources
        assert resources[f"bundle_group_{group_id}"] == 2000 and resources[f"bundle_group_1_{group_id}"] == 1000
    remove_placement_group(group)
    assert available() == trygon.cluster_resources() and available()["CPU"] == 4


@pytest.mark.parametrize("strategy", ["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"])
def test_every_strategy_works_on_one_node(engine, strategy):
    bundles = [{"CPU": 1}] if strategy == "STRICT_SPREAD" else [{"CPU": 1}, {"CPU": 2}]
    group = placement_group(bundles, strategy=strategy)
    assert group.wait(5) and placement_group_table(group)["strategy"] == strategy


def test_bundles_on_different_nodes_wait_and_say_why_once(engine, capfd):
    group = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_SPREAD", name="apart")
    assert not group.wait(0.3)
    other = placement_group([{"CPU": 1}])
    assert other.wait(5)
    trygon.shutdown()
    said = "".join(capfd.readouterr())
    assert said.count("STRICT_SPREAD") == 1 and '"apart"' in said


def test_names_are_unique_while_their_group_lives(group):
    with pytest.raises(exceptions.RaySystemError, match="team"):
        placement_group([{"CPU": 1}], name="team")
    assert placement_group_table(group)["state"] == "CREATED"
    remove_placement_group(group)
    with pytest.raises(ValueError, match="team"):
        get_placement_group("team")
    again = placement_group([{"CPU": 1}], name="team")
    assert get_placement_group("team") == again != group


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"bundles": []}, ValueError, "bundles"),
        ({"bundles": {"CPU": 1}}, ValueError, "list"),
        ({"bundles": ({"CPU": 1},)}, ValueError, "list"),
        ({"bundles": [{}]}, ValueError, "bundle"),
        ({"bundles": [{"CPU": 0}]}, ValueError, "bundle"),
        ({"bundles": [{"CPU": -1}]}, ValueError, ">= 0"),
        ({"bundles": [{"CPU": "1"}]}, ValueError, "numbers"),
        ({"bundles": [{"CPU": float("nan")}]}, ValueError, ">= 0"),
        ({"bundles": [{"CPU": 0.00001}]}, ValueError, "0.0001"),
        ({"bundles": [{"GPU": 1.5}]}, ValueError, "whole"),
        ({"bundles": [{1: 1}]}, ValueError, "str"),
        ({"bundles": [{"CPU": 1}], "strategy": "pack"}, ValueError, "STRICT_SPREAD"),
        ({"bundles": [{"CPU": 1}], "lifetime": "forever"}, ValueError, "detached"),
        ({"bundles": [{"CPU": 1}], "name": 3}, TypeError, "name"),
        ({"bundles": [{"CPU": 1}], "bundle_label_selector": [{"a": 1}]}, ValueError, "bundle_label_selector"),
        ({"bundles": [{"CPU": 1}], "bundle_label_selector": [{"a": "b"}] * 2}, ValueError, "1 bundles"),
        ({"bundles": [{"CPU": 1}], "_soft_target_node_id": "ab"}, ValueError, "STRICT_PACK"),
        (
            {"bundles": [{"CPU": 1}], "_soft_target_node_id": "ab", "strategy": "STRICT_PACK"},
            ValueError,
            "hexadecimal",
        ),
        ({"bundles": [{"CPU": 1}], "topology_strategy": {"a": "b"}}, NotImplementedError, "topology_strategy"),
    ],
)
def test_what_is_no_group_is_refused_at_the_call(arguments, error, named):
    with pytest.raises(error, match=named):
        placement_group(**arguments)
    assert not trygon.is_initialized()


def test_functions_about_groups_refuse_what_is_none(engine):
    for function in (remove_placement_group, placement_group_table):
        with pytest.raises(TypeError, match="PlacementGroup"):
            function("team")
    for name in ("", None, 3):
        with pytest.raises(ValueError, match="name"):
            get_placement_group(name)
    with pytest.raises(ValueError, match="timeout_seconds"):
        placement_group([{"CPU": 1}]).wait(-1)
    assert get_current_placement_group() is None


def test_labels_of_bundles_are_looked_at(capfd):
    with trygon.init(num_cpus=2, labels={"zone": "a"}):
        fits = placement_group([{"CPU": 1}] * 2, bundle_label_selector=[{"zone": "in(a,b)"}, {"zone": "!c"}])
        assert fits.wait(5)
        remove_placement_group(fits)
        never = placement_group([{"CPU": 1}] * 2, bundle_label_selector=[{"zone": "a"}, {"zone": "b"}])
        assert not never.wait(0.2)
    assert "zone=b" in "".join(capfd.readouterr())


def test_the_module_and_the_function_have_one_name():
    import trygon.util
    import trygon.util.placement_group as module

    assert callable(trygon.util.placement_group) and trygon.util.placement_group is placement_group
    assert module is placement_group or module.placement_group is placement_group

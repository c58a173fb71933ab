"""Where the strategies of tasks and actors put them in a cluster: SPREAD, and wishes for a node or for labels."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trygon
from trygon.cluster_utils import Cluster
from trygon.util import placement_group, placement_group_table, remove_placement_group
from trygon.util.scheduling_strategies import In, NodeAffinitySchedulingStrategy, NodeLabelSchedulingStrategy

NODES = 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Nodes that are all alike, but for their zones."""
    cluster = Cluster()
    try:
        for number in range(NODES):
            cluster.add_node(num_cpus=4, labels={"zone": str(number)})
        cluster.connect()
        yield cluster
    finally:
        trygon.shutdown()
        cluster.shutdown()


def node() -> str:
    return trygon.get_runtime_context().get_node_id()


@trygon.remote
def where(seconds: float = 0.3) -> str:
    time.sleep(seconds)
    return node()


@trygon.remote
def held() -> dict[str, float]:
    return trygon.get_runtime_context().get_assigned_resources()


@trygon.remote
class Keeper:
    def where(self) -> str:
        return node()

    def held(self) -> dict[str, float]:
        return trygon.get_runtime_context().get_assigned_resources()


def counted(nodes: list[str]) -> list[int]:
    return sorted(collections.Counter(nodes).values())


@pytest.mark.parametrize("num_cpus", [1, 0.1, 0])
def test_tasks_that_are_spread(cluster: Cluster, num_cpus: float) -> None:
    """One after the other on another node, however much room the first one has."""
    spread = where.options(num_cpus=num_cpus, scheduling_strategy="SPREAD")
    assert counted(trygon.get([spread.remote() for _ in range(NODES)])) == [1] * NODES
    # Leases that the first ones left are used again, beside new ones in turn.
    many = counted(trygon.get([spread.remote() for _ in range(3 * NODES)]))
    assert len(many) == NODES and min(many) >= 2, many
    packed = where.options(num_cpus=num_cpus)
    assert counted(trygon.get([packed.remote() for _ in range(NODES)])) == [NODES]


def test_children_that_are_spread(cluster: Cluster) -> None:
    """Whichever node their parent is on."""

    @trygon.remote(num_cpus=0)
    def parent() -> list[str]:
        spread = where.options(num_cpus=0.1, scheduling_strategy="SPREAD")
        return trygon.get([spread.remote() for _ in range(NODES)])

    spread = parent.options(scheduling_strategy="SPREAD")
    for nodes in trygon.get([spread.remote() for _ in range(NODES)]):
        assert counted(nodes) == [1] * NODES


def test_a_strategy_goes_before_large_arguments(cluster: Cluster) -> None:
    """Without one a task goes where they lie."""

    @trygon.remote(num_cpus=0.5)
    def reads(_data: bytes) -> str:
        time.sleep(0.3)
        return node()

    far = next(iter(cluster.worker_nodes)).node_id
    make = trygon.remote(lambda: bytes(2_000_000))
    data = make.options(scheduling_strategy=NodeAffinitySchedulingStrategy(far, soft=False)).remote()
    trygon.wait([data], fetch_local=False)
    assert trygon.get(reads.remote(data)) == far
    spread = reads.options(scheduling_strategy="SPREAD")
    assert counted(trygon.get([spread.remote(data) for _ in range(NODES)])) == [1] * NODES
    own = NodeAffinitySchedulingStrategy(node(), soft=True)
    assert trygon.get(reads.options(scheduling_strategy=own).remote(data)) == node()


def test_a_node_that_is_wished_for_only_while_it_has_room(cluster: Cluster) -> None:
    wanted = next(iter(cluster.worker_nodes)).node_id
    if_free = NodeAffinitySchedulingStrategy(wanted, soft=True, _spill_on_unavailable=True)
    whole = where.options(num_cpus=4, scheduling_strategy=if_free)
    # Leases of earlier tests are kept for a moment, and a node that is not free is none.
    for _ in range(10):
        first, second = trygon.get([whole.remote(1.0), whole.remote(1.0)], timeout=30)
        assert first != second, "both cannot have been there at once"
        if wanted in (first, second):
            return
    raise AssertionError(f"neither was ever on {wanted}")


def test_actors_that_are_spread(cluster: Cluster) -> None:
    keepers = [Keeper.options(num_cpus=0.1, scheduling_strategy="SPREAD").remote() for _ in range(2 * NODES)]
    assert counted(trygon.get([keeper.where.remote() for keeper in keepers])) == [2] * NODES


@pytest.mark.parametrize("kind", ["task", "actor"])
def test_a_node_that_is_wished_for(cluster: Cluster, kind: str) -> None:
    """There while it lives, and elsewhere when there is none."""
    wanted = next(iter(cluster.worker_nodes)).node_id
    there = NodeAffinitySchedulingStrategy(wanted, soft=True)
    assert set(_places(kind, there)) == {wanted}
    nowhere = NodeAffinitySchedulingStrategy("ab" * 28, soft=True)
    assert len(_places(kind, nowhere)) == 3


@pytest.mark.parametrize("kind", ["task", "actor"])
def test_labels_that_are_wished_for(cluster: Cluster, kind: str) -> None:
    """Where they are, if that suits the labels that must be; elsewhere where there are none."""
    zones = {each["NodeID"]: each["Labels"]["zone"] for each in trygon.nodes()}
    wish = NodeLabelSchedulingStrategy({}, soft={"zone": In("2")})
    assert {zones[place] for place in _places(kind, wish)} == {"2"}
    both = NodeLabelSchedulingStrategy({"zone": In("1", "3")}, soft={"zone": In("3", "0")})
    assert {zones[place] for place in _places(kind, both)} == {"3"}
    nowhere = NodeLabelSchedulingStrategy({}, soft={"zone": In("9")})
    assert len(_places(kind, nowhere)) == 3


def _places(kind: str, strategy: Any) -> list[str]:
    if kind == "task":
        return trygon.get([where.options(num_cpus=0.5, scheduling_strategy=strategy).remote(0.1) for _ in range(3)])
    keepers = [Keeper.options(num_cpus=0.1, scheduling_strategy=strategy).remote() for _ in range(3)]
    return trygon.get([keeper.where.remote() for keeper in keepers])


def test_a_strategy_is_nothing_that_is_held(cluster: Cluster) -> None:
    strategies = (
        "SPREAD",
        NodeAffinitySchedulingStrategy(node(), soft=True),
        NodeLabelSchedulingStrategy({}, soft={"zone": In("2")}),
    )
    for strategy in strategies:
        assert trygon.get(held.options(num_cpus=0.5, scheduling_strategy=strategy).remote()) == {"CPU": 0.5}
        keeper = Keeper.options(num_cpus=0.5, scheduling_strategy=strategy).remote()
        assert trygon.get(keeper.held.remote()) == {"CPU": 0.5}


def test_labels_of_each_bundle(cluster: Cluster) -> None:
    group = placement_group([{"CPU": 1}] * 3, bundle_label_selector=[{"zone": "2"}, {}, {"zone": "1"}])
    zones = _zones(group)
    assert (zones[0], zones[2]) == ("2", "1")
    remove_placement_group(group)
    nowhere = placement_group([{"CPU": 1}] * 2, bundle_label_selector=[{"zone": "2"}, {"zone": "9"}])
    assert not nowhere.wait(0.5)
    remove_placement_group(nowhere)


def test_the_node_that_a_group_is_rather_on(cluster: Cluster) -> None:
    for number in range(NODES):
        target = next(each["NodeID"] for each in trygon.nodes() if each["Labels"]["zone"] == str(number))
        group = placement_group([{"CPU": 1}] * 2, strategy="STRICT_PACK", _soft_target_node_id=target)
        assert set(_zones(group).values()) == {str(number)}
        remove_placement_group(group)
    too_small = placement_group([{"CPU": 3}], strategy="STRICT_PACK")
    _zones(too_small)
    full = placement_group_table(too_small)["bundles_to_node_id"][0]
    elsewhere = placement_group([{"CPU": 3}], strategy="STRICT_PACK", _soft_target_node_id=full)
    _zones(elsewhere)
    assert placement_group_table(elsewhere)["bundles_to_node_id"][0] != full
    for group in (too_small, elsewhere):
        remove_placement_group(group)


def _zones(group: Any) -> dict[int, str]:
    trygon.get(group.ready(), timeout=30)
    zones = {each["NodeID"]: each["Labels"]["zone"] for each in trygon.nodes()}
    return {index: zones[place] for index, place in placement_group_table(group)["bundles_to_node_id"].items()}

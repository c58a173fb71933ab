"""Tasks run where their large arguments are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy
import pytest
import trygon
from trygon.cluster_utils import Cluster
from trygon.util.scheduling_strategies import NodeAffinitySchedulingStrategy

LARGE_BYTES = 64 * 2**20


@trygon.remote
def make(size: int) -> numpy.ndarray:
    return numpy.ones(size, dtype=numpy.uint8)


@trygon.remote
def where(*arguments: object) -> str:
    return trygon.get_runtime_context().get_node_id()


@pytest.fixture
def members() -> Iterator[list[str]]:
    """Ids of two nodes beside the driver's; all three have room."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4})
    try:
        members = [cluster.add_node(num_cpus=16).node_id for _ in range(2)]
        cluster.wait_for_nodes()
        cluster.connect()
        yield members
    finally:
        cluster.shutdown()


def on(node: str) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node, soft=False)


def test_a_task_goes_to_its_large_argument(members: list[str]) -> None:
    own = trygon.get_runtime_context().get_node_id()
    assert trygon.get(where.remote(1)) == own
    for node in members:
        large = make.options(scheduling_strategy=on(node)).remote(LARGE_BYTES)
        trygon.wait([large], fetch_local=False)
        # Room enough: a lease that is idle goes back some milliseconds later, and is heard of later still.
        assert trygon.get([where.remote(large) for _ in range(3)]) == [node] * 3
        # It is known only when the argument is there.
        later = make.options(scheduling_strategy=on(node)).remote(LARGE_BYTES)
        assert trygon.get(where.remote(later)) == node
    small = make.options(scheduling_strategy=on(members[0])).remote(1000)
    assert trygon.get(where.remote(small)) == own


def test_most_bytes_decide(members: list[str]) -> None:
    here, there = members
    sizes = [(here, 3), (there, 5), (here, 4)]
    parts = [make.options(scheduling_strategy=on(node)).remote(size * 2**20) for node, size in sizes]
    trygon.wait(parts, num_returns=3, fetch_local=False)
    assert trygon.get(where.remote(*parts)) == here
    assert trygon.get(where.remote(*parts[:2])) == there


def test_a_full_node_is_not_waited_for(members: list[str]) -> None:
    large = make.options(scheduling_strategy=on(members[0])).remote(LARGE_BYTES)
    trygon.wait([large], fetch_local=False)

    @trygon.remote
    class Busy:
        def ready(self) -> None: ...

    busy = [Busy.options(num_cpus=8, scheduling_strategy=on(members[0])).remote() for _ in range(2)]
    trygon.get([actor.ready.remote() for actor in busy])
    assert trygon.get(where.remote(large), timeout=10) != members[0]


def test_the_wish_is_no_resource(members: list[str]) -> None:
    @trygon.remote
    def held(argument: object) -> dict[str, float]:
        return trygon.get_runtime_context().get_assigned_resources()

    large = make.options(scheduling_strategy=on(members[1])).remote(LARGE_BYTES)
    assert trygon.get(held.remote(large)) == {"CPU": 1.0}

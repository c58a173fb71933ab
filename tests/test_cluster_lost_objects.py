"""Large objects of a node that dies: made again by their tasks, taken from a copy, or an error that says why not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import trygon
from trygon import exceptions
from trygon.cluster_utils import Cluster

N = 20_000  # 160 kB: more than travels inline
LIMIT_S = 60


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that runs drivers and small things, and one node that makes large ones."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        made.add_node(num_cpus=2, resources={"pool": 100})
        made.wait_for_nodes()
        made.connect()
        yield made
    finally:
        trygon.shutdown()
        made.shutdown()


def kill_pool(cluster: Cluster, *, others: int = 1) -> None:
    """Adds nodes that can do the work of the one that is killed then."""
    pool = next(node for node in cluster.list_all_nodes() if not node.is_head())
    for _ in range(others):
        cluster.add_node(num_cpus=2, resources={"pool": 100})
    if others:
        cluster.wait_for_nodes()
    cluster.remove_node(pool, allow_graceful=False)


def made(references: list[Any]) -> None:
    """Waits until the objects are made, without bringing them here."""
    ready, _ = trygon.wait(references, num_returns=len(references), timeout=LIMIT_S, fetch_local=False)
    assert len(ready) == len(references)


@trygon.remote(resources={"pool": 0.01})
def large(seed: int, *arguments: Any) -> Any:
    return np.arange(N) + seed + sum(int(argument[0]) for argument in arguments)


def check(value: Any, first: int) -> None:
    assert value.shape == (N,) and int(value[0]) == first and int(value[-1]) == first + N - 1
    assert int(value.sum()) == N * first + N * (N - 1) // 2


def test_a_result_is_made_again(cluster: Cluster) -> None:
    reference = large.remote(7)
    made([reference])
    kill_pool(cluster)
    check(trygon.get(reference, timeout=LIMIT_S), 7)


def test_a_chain_is_made_again_from_its_beginning(cluster: Cluster) -> None:
    first = large.remote(1)
    second = large.remote(10, first)
    third = large.remote(100, second)
    made([first, second, third])
    kill_pool(cluster)
    check(trygon.get(third, timeout=LIMIT_S), 111)
    check(trygon.get(second, timeout=LIMIT_S), 11)
    check(trygon.get(first, timeout=LIMIT_S), 1)


def test_a_chain_of_which_only_the_end_is_referred_to(cluster: Cluster) -> None:
    last = large.remote(0)
    for seed in range(1, 20):
        last = large.remote(seed, last)
    made([last])
    kill_pool(cluster)
    check(trygon.get(last, timeout=LIMIT_S), sum(range(20)))


def test_a_diamond(cluster: Cluster) -> None:
    top = large.remote(1)
    left, right = large.remote(10, top), large.remote(20, top)
    bottom = large.remote(100, left, right)
    made([bottom])
    del top, left, right
    kill_pool(cluster)
    check(trygon.get(bottom, timeout=LIMIT_S), 132)


def test_many_at_once(cluster: Cluster) -> None:
    references = [large.remote(seed) for seed in range(200)]
    made(references)
    kill_pool(cluster)
    for seed, value in enumerate(trygon.get(references, timeout=LIMIT_S)):
        check(value, seed)


def test_arguments_that_are_lost_while_their_task_waits(cluster: Cluster) -> None:
    reference = large.remote(5)
    made([reference])
    late = large.options(resources={"later": 1}).remote(1, reference)
    pool = next(node for node in cluster.list_all_nodes() if not node.is_head())
    cluster.remove_node(pool, allow_graceful=False)
    cluster.add_node(num_cpus=2, resources={"pool": 100, "later": 1})
    check(trygon.get(late, timeout=LIMIT_S), 6)


def test_only_what_is_lost_is_made_again(cluster: Cluster, tmp_path: Any) -> None:
    """A small result of the same task stays, and everybody who waits shares one attempt."""
    runs = tmp_path / "runs"

    @trygon.remote(resources={"pool": 0.01}, num_returns=3)
    def several() -> Any:
        with open(runs, "a") as file:
            file.write("x")
        return np.arange(N), "small", np.arange(N) + 1

    first, small, second = several.remote()
    made([first, second])
    assert trygon.get(small) == "small"
    kill_pool(cluster)
    values = trygon.get([first, second, small, first], timeout=LIMIT_S)
    check(values[0], 0)
    check(values[1], 1)
    assert values[2] == "small" and runs.read_text() == "xx"


@trygon.remote(resources={"pool": 0.01}, max_retries=3)
def more(array: Any) -> Any:
    return array + 1


def test_what_put_made_stays_for_what_is_made_from_it(cluster: Cluster) -> None:
    given = trygon.put(np.arange(N))
    mine = more.remote(given)
    by_value = more.remote(np.arange(N) + 5)
    dropped = more.remote(more.remote(trygon.put(np.arange(N) + 7)))
    made([mine, by_value, dropped])
    kill_pool(cluster)
    # The arguments are here: only the results are lost.
    check(trygon.get(mine, timeout=LIMIT_S), 1)
    check(trygon.get(by_value, timeout=LIMIT_S), 6)
    check(trygon.get(dropped, timeout=LIMIT_S), 9)


def test_without_retries_the_error_says_so(cluster: Cluster) -> None:
    reference = large.options(max_retries=0).remote(1)
    other = large.remote(1, reference)
    made([reference, other])
    pool = next(node for node in cluster.list_all_nodes() if not node.is_head())
    kill_pool(cluster)
    with pytest.raises(exceptions.ObjectReconstructionFailedError, match="max_retries=0") as caught:
        trygon.get(reference, timeout=LIMIT_S)
    assert caught.value.reason == "OBJECT_UNRECONSTRUCTABLE_RETRIES_DISABLED"
    assert reference.hex() in str(caught.value) and pool.node_id in str(caught.value) and "large" in str(caught.value)
    # What needs it says so too.
    with pytest.raises(exceptions.ObjectReconstructionFailedError, match=reference.hex()) as caught:
        trygon.get(other, timeout=LIMIT_S)
    assert caught.value.reason == "OBJECT_UNRECONSTRUCTABLE_RETRIES_DISABLED"


def test_retries_are_used_up(cluster: Cluster) -> None:
    reference = large.options(max_retries=1).remote(3)
    made([reference])
    kill_pool(cluster)
    made_again = large.remote(0, reference)
    made([made_again, reference])
    kill_pool(cluster)
    with pytest.raises(exceptions.ObjectReconstructionFailedError, match="used up its retries") as caught:
        trygon.get(reference, timeout=LIMIT_S)
    assert caught.value.reason == "OBJECT_UNRECONSTRUCTABLE_MAX_ATTEMPTS_EXCEEDED"


def test_an_error_of_the_second_run_is_what_get_raises(cluster: Cluster, tmp_path: Any) -> None:
    flag = tmp_path / "ran"

    @trygon.remote(resources={"pool": 0.01})
    def once() -> Any:
        if flag.exists():
            raise KeyError("not twice")
        flag.touch()
        return np.arange(N)

    reference = once.remote()
    made([reference])
    kill_pool(cluster)
    with pytest.raises(KeyError, match="not twice"):
        trygon.get(reference, timeout=LIMIT_S)


def test_objects_inside_objects(cluster: Cluster) -> None:
    @trygon.remote(resources={"pool": 0.01})
    def use(inside: list[Any]) -> Any:
        return trygon.get(inside[0], timeout=LIMIT_S) + 1

    reference = large.remote(4)
    made([reference])
    result = use.remote([reference])
    made([result])
    del reference
    kill_pool(cluster)
    check(trygon.get(result, timeout=LIMIT_S), 5)


def test_a_borrower_waits_for_the_owner_to_make_it_again(cluster: Cluster) -> None:
    @trygon.remote(num_cpus=0)
    class Keeper:
        def keep(self, inside: list[Any]) -> None:
            self.kept = inside[0]

        def look(self) -> tuple[int, int]:
            value = trygon.get(self.kept, timeout=LIMIT_S)
            return int(value[0]), int(value[-1])

    keeper = Keeper.remote()
    reference = large.remote(2)
    made([reference])
    trygon.get(keeper.keep.remote([reference]))
    del reference
    kill_pool(cluster)
    assert trygon.get(keeper.look.remote(), timeout=LIMIT_S) == (2, N + 1)


def test_a_copy_elsewhere_is_preferred(cluster: Cluster, tmp_path: Any) -> None:
    """A borrower on a third node fetched it: its copy is taken, and nothing runs again."""
    runs = tmp_path / "runs"

    @trygon.remote(resources={"pool": 0.01})
    def counted() -> Any:
        with open(runs, "a") as file:
            file.write("x")
        return np.arange(N)

    @trygon.remote(resources={"third": 0.01})
    class Reader:
        def read(self, inside: list[Any]) -> int:
            self.kept, self.value = inside[0], trygon.get(inside[0])
            return int(self.value[-1])

    pool = next(node for node in cluster.list_all_nodes() if not node.is_head())
    cluster.add_node(num_cpus=1, resources={"third": 1})
    cluster.wait_for_nodes()
    reader = Reader.remote()
    reference = counted.options(max_retries=0).remote()
    made([reference])
    assert trygon.get(reader.read.remote([reference])) == N - 1
    cluster.remove_node(pool, allow_graceful=False)
    check(trygon.get(reference, timeout=LIMIT_S), 0)
    assert runs.read_text() == "x"


def test_a_borrower_that_is_stopped_holds_nobody_up(cluster: Cluster) -> None:
    @trygon.remote(num_cpus=0)
    class Keeper:
        def keep(self, inside: list[Any]) -> int:
            self.kept = inside[0]
            return os.getpid()

    keeper = Keeper.remote()
    reference = large.remote(6)
    made([reference])
    pid = trygon.get(keeper.keep.remote([reference]))
    os.kill(pid, signal.SIGSTOP)
    try:
        kill_pool(cluster)
        check(trygon.get(reference, timeout=LIMIT_S), 6)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_method_is_called_again_where_that_is_allowed(cluster: Cluster) -> None:
    @trygon.remote(resources={"pool": 0.01}, max_restarts=1)
    class Maker:
        def make(self, seed: int) -> Any:
            return np.arange(N) + seed

    maker = Maker.remote()
    again = maker.make.options(max_task_retries=2).remote(3)
    never = maker.make.remote(4)
    made([again, never])
    kill_pool(cluster)
    check(trygon.get(again, timeout=LIMIT_S), 3)
    with pytest.raises(exceptions.ObjectReconstructionFailedError, match="max_task_retries") as caught:
        trygon.get(never, timeout=LIMIT_S)
    assert caught.value.reason == "OBJECT_UNRECONSTRUCTABLE_RETRIES_DISABLED"


def test_items_of_a_generator(cluster: Cluster, tmp_path: Any) -> None:
    runs = tmp_path / "runs"

    @trygon.remote(resources={"pool": 0.01}, num_returns="streaming")
    def items() -> Iterator[Any]:
        with open(runs, "a") as file:
            file.write("x")
        for number in range(5):
            yield np.arange(N) + number

    generator = items.remote()
    taken = [next(generator) for _ in range(3)]
    made(taken)
    trygon.wait([generator.completed()] if hasattr(generator, "completed") else taken, timeout=LIMIT_S)
    kill_pool(cluster)
    for number, reference in enumerate(taken):
        check(trygon.get(reference, timeout=LIMIT_S), number)
    rest = [trygon.get(reference, timeout=LIMIT_S) for reference in generator]
    assert [int(value[0]) for value in rest] == [3, 4]
    assert runs.read_text() == "xx"


def test_a_generator_that_makes_fewer_items_the_second_time(cluster: Cluster, tmp_path: Any) -> None:
    flag = tmp_path / "ran"

    @trygon.remote(resources={"pool": 0.01}, num_returns="streaming")
    def fewer() -> Iterator[Any]:
        count = 1 if flag.exists() else 3
        flag.touch()
        for number in range(count):
            yield np.arange(N) + number

    taken = list(fewer.remote())
    made(taken)
    kill_pool(cluster)
    check(trygon.get(taken[0], timeout=LIMIT_S), 0)
    for reference in taken[1:]:
        with pytest.raises(exceptions.StreamingGeneratorReplayInconsistentError, match="fewer"):
            trygon.get(reference, timeout=LIMIT_S)


def test_awaiting_and_futures(cluster: Cluster) -> None:
    import asyncio

    references = [large.remote(seed) for seed in range(4)]
    made(references)
    kill_pool(cluster)

    async def all_of_them() -> list[Any]:
        return list(await asyncio.wait_for(asyncio.gather(*references[:2]), LIMIT_S))

    for seed, value in enumerate(asyncio.run(all_of_them())):
        check(value, seed)
    check(references[2].future().result(LIMIT_S), 2)
    ready, missing = trygon.wait(references, num_returns=4, timeout=LIMIT_S)
    assert (len(ready), missing) == (4, [])


def test_get_that_waits_when_the_node_dies(cluster: Cluster) -> None:
    """Nothing hangs: tasks that run, tasks that wait for them and the one who waits for all of it."""

    @trygon.remote(resources={"pool": 0.01})
    def slow(seed: int, argument: Any) -> Any:
        time.sleep(0.3)
        return argument + seed

    base = large.remote(1)
    references = [slow.remote(seed, base) for seed in range(8)]
    made([base])
    kill_pool(cluster)
    for seed, value in enumerate(trygon.get(references, timeout=LIMIT_S)):
        check(value, seed + 1)


def test_beyond_the_bound_nothing_is_made_again(cluster: Cluster) -> None:
    assert cluster.head_node is not None
    body = f"""
import os, sys, numpy as np, trygon
from trygon.cluster_utils import Cluster
trygon.init(address={cluster.address!r})
@trygon.remote(resources={{"pool": 0.01}})
def large(text):
    return np.arange({N})
first = large.remote("x" * 60_000)
trygon.wait([first], fetch_local=False)
second = large.remote("y" * 60_000)
trygon.wait([second], fetch_local=False)
print("made", flush=True)
sys.stdin.readline()
value = trygon.get(second)
try:
    trygon.get(first)
except trygon.exceptions.ObjectReconstructionFailedError as error:
    print(int(value[-1]), error.reason, "TRYGON_MAX_LINEAGE_BYTES" in str(error), flush=True)
"""
    package = os.path.dirname(os.path.dirname(os.path.abspath(trygon.__file__)))
    environment = {**os.environ, "PYTHONPATH": package, "TRYGON_MAX_LINEAGE_BYTES": "100000"}
    command = [sys.executable, "-c", body]
    program = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdin is not None and program.stdout is not None
    assert program.stdout.readline() == "made\n"
    kill_pool(cluster)
    output, _ = program.communicate("\n", timeout=LIMIT_S)
    assert output.splitlines()[-1] == f"{N - 1} OBJECT_UNRECONSTRUCTABLE_LINEAGE_EVICTED True"

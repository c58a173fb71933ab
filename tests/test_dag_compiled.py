"""Compiled graphs, and operations of several actors inside graphs."""

import asyncio
import os
import pickle
import time

import pytest
import trygon
from graph_parts import Counter, add, fail, run
from trygon.dag import (
    DAGContext,
    InputNode,
    MultiOutputNode,
)
from trygon.exceptions import (
    GetTimeoutError,
    RayCgraphCapacityExceeded,
    RayChannelError,
    RayChannelTimeoutError,
    RayTaskError,
)


def chain():
    first, second = Counter.remote(), Counter.remote()
    with InputNode() as given:
        return second.echo.bind(first.echo.bind(given))


def test_compiled(engine):
    compiled = chain().experimental_compile()
    assert trygon.get(compiled.execute(5)) == 5
    assert compiled.execute(6).get() == 6
    refs = [compiled.execute(number) for number in range(10)]
    assert trygon.get(refs) == list(range(10))
    assert trygon.get([compiled.execute(1), trygon.put(2)]) == [1, 2]
    for _ in range(200):
        assert trygon.get(compiled.execute(7)) == 7


def test_a_result_is_read_once(engine):
    compiled = chain().experimental_compile()
    ref = compiled.execute(1)
    assert trygon.get(ref) == 1
    for again in (lambda: trygon.get(ref), ref.get, lambda: trygon.get([ref])):
        with pytest.raises(ValueError, match="only once"):
            again()
    for send in (lambda: add.remote(compiled.execute(1)), lambda: pickle.dumps(compiled.execute(1))):
        with pytest.raises(TypeError, match="cannot be an argument"):
            send()
    with pytest.raises(TypeError):
        trygon.wait([compiled.execute(1)])
    with pytest.raises(TypeError, match="belongs to the process"):
        pickle.dumps(compiled)


def test_compiled_arguments(engine):
    one, two = Counter.remote(), Counter.remote()
    with InputNode() as given:
        node = MultiOutputNode([one.echo.bind(given[0]), two.echo.bind(given.name), one.echo.bind([given[1]])])
    compiled = node.experimental_compile()
    assert trygon.get(compiled.execute(1, 2, name=3)) == [1, 3, [2]]
    refs = compiled.execute([1], 2, name=3)
    assert [ref.get() for ref in refs] == [[1], 3, [2]]
    for args, kwargs, words in [
        ((1,), {"name": 3}, "2 positional arguments, but 1"),
        ((1, 2, 3), {"name": 3}, "2 positional arguments, but 3"),
        ((1, 2), {}, "'name', which is missing"),
        ((1, 2), {"name": 1, "more": 2}, "no use for an argument named 'more'"),
    ]:
        with pytest.raises(ValueError, match=words):
            compiled.execute(*args, **kwargs)
    with InputNode() as given:
        first_of = one.echo.bind(given[0])
    # Compiled, a position means an argument of execute; otherwise an only argument is looked into.
    assert trygon.get(first_of.experimental_compile().execute([4, 5])) == [4, 5]
    assert run(first_of, [4, 5]) == 4


def test_compiled_with_functions_and_actors_of_its_own(engine):
    actor = Counter.bind(add.bind(1, 1))
    with InputNode() as given:
        node = add.bind(actor.add.bind(given), 0)
    compiled = node.experimental_compile()
    assert [trygon.get(compiled.execute(1)) for _ in range(3)] == [3, 4, 5]
    again = node.experimental_compile()
    assert trygon.get(again.execute(1)) == 3


def test_several_results_compiled(engine):
    counter = Counter.remote()
    with InputNode() as given:
        left, right = counter.two.options(num_returns=2).bind(given)
        node = MultiOutputNode([add.bind(right), left])
    assert trygon.get(node.experimental_compile().execute(7)) == [15, 7]


def test_errors_go_through(engine):
    counter = Counter.remote()
    with InputNode() as given:
        node = counter.echo.bind(counter.fail.bind(given))
        task = counter.echo.bind(fail.bind(given))
    compiled = node.experimental_compile()
    for _ in range(2):
        with pytest.raises(ValueError, match="broken") as caught:
            trygon.get(compiled.execute(1))
        assert isinstance(caught.value, RayTaskError)
    with pytest.raises(KeyError, match="no such value"):
        run(task, 1)
    assert trygon.get(counter.echo.remote(3)) == 3


def test_how_many_may_be_unread(engine):
    counter = Counter.remote()
    with InputNode() as given:
        compiled = counter.echo.bind(given).experimental_compile(_max_inflight_executions=2)
    first, second = compiled.execute(1), compiled.execute(2)
    with pytest.raises(RayCgraphCapacityExceeded, match="2 is the most"):
        compiled.execute(3)
    assert first.get() == 1
    third = compiled.execute(3)
    del second
    fourth = compiled.execute(4)
    assert trygon.get([fourth, third]) == [4, 3]
    assert DAGContext.get_current().max_inflight_executions == 10


def test_waiting_with_a_limit(engine):
    counter = Counter.remote()
    with InputNode() as given:
        compiled = counter.slow.bind(given).experimental_compile()
    ref = compiled.execute(1)
    with pytest.raises(RayChannelTimeoutError, match="0.05 s") as caught:
        trygon.get(ref, timeout=0.05)
    assert isinstance(caught.value, TimeoutError) and isinstance(caught.value.__cause__, GetTimeoutError)
    assert trygon.get(ref, timeout=10) == 1


def test_teardown(engine):
    counter = Counter.remote()
    with InputNode() as given:
        compiled = counter.echo.bind(given).experimental_compile()
    ref = compiled.execute(1)
    assert not compiled.is_teardown
    compiled.teardown()
    compiled.teardown()
    assert compiled.is_teardown
    with pytest.raises(RayChannelError, match="torn down"):
        compiled.execute(1)
    assert trygon.get(ref) == 1
    assert trygon.get(counter.echo.remote(2)) == 2
    with InputNode() as given, counter.echo.bind(given).experimental_compile() as other:
        assert trygon.get(other.execute(3)) == 3
    assert other.is_teardown
    with InputNode() as given:
        last = counter.echo.bind(given).experimental_compile()
    last.teardown(kill_actors=True)
    with pytest.raises(trygon.exceptions.RayActorError):
        trygon.get(counter.echo.remote(1), timeout=10)


def test_actors_of_a_compiled_graph_end_with_it(engine):
    with InputNode() as given:
        compiled = MultiOutputNode([Counter.bind().pid.bind(), add.bind(given)]).experimental_compile()
    pid = trygon.get(compiled.execute(1))[0]
    assert os.path.exists(f"/proc/{pid}")
    compiled.teardown()
    deadline = time.monotonic() + 5
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _lives(pid)


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_asynchronous_execution(engine):
    one, two = Counter.remote(), Counter.remote()

    async def main():
        with InputNode() as given:
            compiled = one.echo.bind(given).experimental_compile(enable_asyncio=True, _max_inflight_executions=50)
            several = MultiOutputNode([one.echo.bind(given), two.fail.bind(given)]).experimental_compile(
                enable_asyncio=True
            )
        future = await compiled.execute_async(3)
        assert await future == 3
        with pytest.raises(ValueError, match="only once"):
            await future
        futures = [await compiled.execute_async(number) for number in range(40)]
        assert await asyncio.gather(*futures) == list(range(40))
        with pytest.raises(ValueError, match="execute_async"):
            compiled.execute(1)
        good, bad = await several.execute_async(5)
        assert await good == 5
        with pytest.raises(ValueError, match="broken"):
            await bad
        with InputNode() as given:
            plain = one.echo.bind(given).experimental_compile()
        with pytest.raises(ValueError, match="enable_asyncio=True"):
            await plain.execute_async(1)

    asyncio.run(main())


def test_nothing_is_kept(engine, empty_table):
    counter = Counter.remote()
    with InputNode() as given:
        node = add.bind(counter.echo.bind(given), Counter.bind(1).add.bind(given))
    compiled = node.experimental_compile()
    for number in range(20):
        assert run(node, number) == 2 * number + 1
        assert trygon.get(compiled.execute(number)) >= 2 * number
        compiled.execute(number)
    del compiled, node, given, counter


# --- Operations of several actors inside a graph.


@trygon.remote(num_cpus=0)
class Tensors:
    def __init__(self, rank):
        self.rank = rank

    def make(self, size):
        import numpy

        return numpy.arange(size, dtype="float32") + self.rank

    def text(self, size):
        return "none"

    def total(self, array):
        return float(array.sum())


@pytest.mark.parametrize("size", [4, 400_000])
def test_collective_operations_in_a_graph(engine, size):
    import numpy as np
    from trygon.experimental.collective import allgather, allreduce, reducescatter
    from trygon.util.collective import ReduceOp

    actors = [Tensors.remote(rank) for rank in range(2)]
    with InputNode() as given:
        made = [actor.make.bind(given) for actor in actors]
        sums = allreduce.bind(made)
        largest = allreduce.bind(made, op=ReduceOp.MAX)
        gathered = allgather.bind(made)
        scattered = reducescatter.bind(made)
        totals = [actor.total.bind(each) for actor, each in zip(actors, sums, strict=True)]
        node = MultiOutputNode([*sums, *largest, gathered[1], *scattered, *totals])
    expected = np.arange(size, dtype="float32")
    for execute in (node.execute, node.execute, node.experimental_compile().execute):
        first, second, most, most_too, everything, low, high, *numbers = trygon.get(execute(size))
        assert np.array_equal(first, 2 * expected + 1) and np.array_equal(second, first)
        assert np.array_equal(most, expected + 1) and np.array_equal(most_too, most)
        assert np.array_equal(everything, np.concatenate([expected, expected + 1]))
        assert np.array_equal(np.concatenate([low, high]), first)
        assert numbers == [float(first.sum())] * 2


def test_wrong_collective_operations(engine):
    from trygon.experimental.collective import allreduce

    actor, other = Tensors.remote(0), Tensors.remote(1)
    with InputNode() as given:
        node = actor.make.bind(given)
        for words, call in [
            ("list of calls", lambda: allreduce.bind([])),
            ("different actors", lambda: allreduce.bind([node, node])),
            (".remote", lambda: allreduce.bind([add.bind(1)])),
            ("op must be", lambda: allreduce.bind([node], op="sum")),
            ("transport", lambda: allreduce.bind([node], transport="nccl")),
        ]:
            with pytest.raises(ValueError, match=words):
                call()
        texts = MultiOutputNode(allreduce.bind([actor.text.bind(given), other.text.bind(given)]))
    with pytest.raises(TypeError, match="numpy or torch"):
        trygon.get(texts.execute(1), timeout=20)


def test_groups_made_from_outside(engine):
    from trygon.experimental import collective as outside
    from trygon.util import collective

    actors = [Tensors.remote(rank) for rank in range(2)]
    group = outside.create_collective_group(actors, backend="gloo", name="outside")
    assert outside.get_collective_groups(actors) == [group] == outside.get_collective_groups([actors[1]], "gloo")
    assert [group.get_rank(actor) for actor in actors] == [0, 1]

    def total(_):
        import numpy

        array = numpy.ones(3)
        collective.allreduce(array, "outside")
        return array.tolist(), collective.get_rank("outside")

    assert trygon.get([actor.__ray_call__.remote(total) for actor in actors]) == [([2.0] * 3, 0), ([2.0] * 3, 1)]
    outside.destroy_collective_group(group)
    assert outside.get_collective_groups(actors) == []
    with pytest.raises(ValueError, match="no group"):
        outside.destroy_collective_group("outside")
    with pytest.raises(RuntimeError, match="not initialized"):
        trygon.get(actors[0].__ray_call__.remote(total))
    outside.create_collective_group(actors, name="outside")
    outside.destroy_all_collective_groups()

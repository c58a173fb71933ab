"""Collective calls between actors: results against numpy's, and groups."""

import threading

import numpy as np
import pytest
import trygon
from members import BACKENDS, Member, members, reduced, run_all, value
from trygon.util import collective
from trygon.util.collective import ReduceOp

# Below and above the border between small and large, with rests in every round.
SIZES = [0, 1, 5, 8_000, 70_001, 3_000_017]


def check_all_operations(rank, count, sizes, kind):
    for size in sizes:
        for op in ReduceOp:
            array = value(rank, size, kind)
            collective.allreduce(array, op=op)
            assert np.array_equal(array, reduced(count, size, op, kind)), (size, op)
        for target in {0, count - 1}:
            array = value(rank, size, kind)
            collective.reduce(array, target)
            expected = reduced(count, size, ReduceOp.SUM, kind) if rank == target else value(rank, size, kind)
            assert np.array_equal(array, expected), (size, target)
            array = value(rank, size, kind)
            collective.broadcast(array, target)
            assert np.array_equal(array, value(target, size, kind)), (size, target)
        outs = [np.zeros(size, kind) for _ in range(count)]
        collective.allgather(outs, value(rank, size, kind))
        for other in range(count):
            assert np.array_equal(outs[other], value(other, size, kind)), (size, other)
        out = np.zeros(size, kind)
        collective.reducescatter(out, [value(rank, size, kind, salt) for salt in range(count)], op=ReduceOp.SUM)
        assert np.array_equal(out, reduced(count, size, ReduceOp.SUM, kind, salt=rank)), size
        collective.barrier()
    return True


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_are_those_of_numpy(engine, backend, count):
    assert all(run_all(members(count, backend=backend), check_all_operations, SIZES, "float32"))


def test_four_members_and_large_tensors(engine):
    def large(rank, count):
        array = value(rank, 6_000_001, "int64")
        collective.allreduce(array)
        return np.array_equal(array, reduced(count, 6_000_001, ReduceOp.SUM, "int64"))

    assert all(run_all(members(4), large))


@pytest.mark.parametrize("kind", ["float64", "float16", "int8", "uint16", "int64", "complex64"])
def test_types(engine, kind):
    def sums(rank, count):
        for size in (3, 100_003):
            array = value(rank, size, kind)
            collective.allreduce(array)
            assert array.dtype == kind and np.array_equal(array, reduced(count, size, ReduceOp.SUM, kind))
        return True

    assert all(run_all(members(2), sums))


def test_every_member_gets_the_same_bits(engine):
    def digest(rank, count):
        array = np.random.default_rng(rank).standard_normal(500_001)
        collective.allreduce(array)
        return array.tobytes()[:100_000], hash(array.tobytes()[100_000:].hex())

    first, *others = run_all(members(3), lambda rank, count: digest(rank, count)[0])
    assert all(other == first for other in others)


@pytest.mark.parametrize("backend", BACKENDS)
def test_send_and_receive(engine, backend):
    def pass_on(rank, count):
        following, preceding = (rank + 1) % count, (rank - 1) % count
        for size in (3, 4_000):
            # Everybody sends first: small tensors are on their way when send returns.
            collective.send(value(rank, size), following)
            array = np.zeros(size, "float32")
            collective.recv(array, preceding)
            assert np.array_equal(array, value(preceding, size))
        large = value(rank, 2_000_003)
        if rank == 0:
            collective.send(large, following)
            collective.recv(large, preceding)
        else:
            collective.recv(large, preceding)
            collective.send(large, following)
        return np.array_equal(large, value(0, 2_000_003))

    assert all(run_all(members(3, backend=backend), pass_on))


def test_members_that_never_meet_the_hub(engine):
    def two_of_three(rank, count):
        array = value(rank, 10)
        if rank == 1:
            collective.send(array, 2)
        elif rank == 2:
            collective.recv(array, 1)
        return array.tolist()

    found = run_all(members(3), two_of_three)
    assert found[2] == found[1] == value(1, 10).tolist()


def test_arrays_with_gaps_and_several_dimensions(engine):
    def strided(rank, count):
        for size in (10, 300):
            whole = np.zeros((size, size), "float64")
            part = whole[::2, 1::3]
            part[...] = rank + 1
            collective.allreduce(part)
            assert (part == sum(range(1, count + 1))).all()
            assert whole.sum() == part.sum()
            scalar = np.array(float(rank))
            collective.allreduce(scalar)
            assert scalar == sum(range(count))
            fortran = np.asfortranarray(np.arange(12.0).reshape(3, 4))
            collective.broadcast(fortran, 0)
            assert np.array_equal(fortran, np.arange(12.0).reshape(3, 4))
        return True

    assert all(run_all(members(2), strided))


def test_result_over_its_own_input(engine):
    def over(rank, count):
        inputs = [value(rank, 50_000, salt=salt) for salt in range(count)]
        collective.reducescatter(inputs[rank], inputs)
        gathered = [np.zeros(50_000, "float32") for _ in range(count)]
        gathered[rank][...] = rank
        collective.allgather(gathered, gathered[rank])
        return (
            np.array_equal(inputs[rank], reduced(count, 50_000, ReduceOp.SUM, salt=rank)),
            [float(each[0]) for each in gathered],
        )

    assert run_all(members(3), over) == [(True, [0.0, 1.0, 2.0])] * 3


def test_declared_group(engine):
    actors = [Member.remote() for _ in range(3)]
    collective.create_collective_group(actors, 3, [2, 0, 1], backend="gloo", group_name="declared")

    def first_use(rank, count):
        before = collective.is_group_initialized("declared")
        array = np.ones(4)
        collective.allreduce(array, "declared")
        return (
            before,
            array.tolist(),
            collective.get_rank("declared"),
            collective.get_collective_group_size("declared"),
            collective.is_group_initialized("declared"),
        )

    found = run_all(actors, first_use)
    assert [each[2] for each in found] == [2, 0, 1]
    assert all(each[:2] == (False, [3.0] * 4) and each[3:] == (3, True) for each in found)
    with pytest.raises(RuntimeError, match="declared already"):
        collective.create_collective_group(actors, 3, [2, 0, 1], group_name="declared")
    run_all(actors, lambda rank, count: collective.destroy_collective_group("declared"))
    collective.create_collective_group(actors, 3, [0, 1, 2], group_name="declared")
    assert [each[2] for each in run_all(actors, first_use)] == [0, 1, 2]


def test_groups_are_destroyed_and_made_again(engine):
    actors = [Member.remote() for _ in range(2)]

    def again(rank, count, number, place):
        collective.init_collective_group(2, place, "trygon", "again")
        array = np.full(30_000, float(number))
        collective.allreduce(array, "again")
        collective.destroy_collective_group("again")
        collective.destroy_collective_group("again")
        assert collective.get_rank("again") == collective.get_collective_group_size("again") == -1
        return float(array[0])

    for number in range(5):
        refs = [actor.run.remote(again, number, place) for place, actor in enumerate(actors)]
        assert trygon.get(refs, timeout=20) == [2.0 * number] * 2


def test_one_member_after_the_other(engine):
    """Making a group does not wait, so members can be made in a row."""
    actors = [Member.remote() for _ in range(3)]
    for rank, actor in enumerate(actors):
        trygon.get(actor.run.remote(lambda _, __, rank=rank: collective.init_collective_group(3, rank, "gloo")))

    def total(rank, count):
        array = np.ones(1)
        collective.allreduce(array)
        return float(array[0])

    assert run_all(actors, total) == [3.0] * 3


def test_two_groups_at_once(engine):
    def both(rank, count):
        collective.init_collective_group(count, count - 1 - rank, "trygon", "other")
        found = []
        for number in range(20):
            array = np.full(20_000, float(number))
            collective.allreduce(array, "default")
            collective.broadcast(array, 0, "other")
            found.append(array[0])
        return found

    assert run_all(members(2), both) == [[2.0 * number for number in range(20)]] * 2


def test_threads_of_a_member_take_turns(engine):
    def threads(rank, count):
        arrays = [np.ones(20_000) for _ in range(4)]
        workers = [threading.Thread(target=collective.allreduce, args=(array,)) for array in arrays]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return [float(array[0]) for array in arrays]

    assert run_all(members(2), threads) == [[2.0] * 4] * 2


def test_the_driver_can_be_a_member(engine):
    actor = Member.remote(2, 1)
    collective.init_collective_group(2, 0)
    array = np.ones(100_000)
    done = actor.run.remote(lambda rank, count: collective.broadcast(np.zeros(100_000), 0))
    collective.broadcast(array, 0)
    trygon.get(done)
    # The group is left open: shutdown leaves it, and the leak check sees that.
    trygon.shutdown()
    assert not collective.is_group_initialized("default")
    collective.destroy_collective_group()
    assert not trygon.is_initialized()


def test_a_backend_of_ones_own(engine):
    def own(rank, count):
        from trygon.util.collective.collective_group.base_collective_group import BaseGroup

        calls = []

        class Recorder(BaseGroup):
            @classmethod
            def backend(cls):
                return "recorder"

            @classmethod
            def check_backend_availability(cls):
                return True

            def allreduce(self, tensor, allreduce_options=None):
                calls.append(("allreduce", tensor, allreduce_options.reduceOp.name))

            def barrier(self, barrier_options=None):
                calls.append("barrier")

            reduce = allgather = broadcast = reducescatter = send = recv = lambda *_: None

            def destroy_group(self):
                calls.append("destroyed")

        collective.register_collective_backend("recorder", Recorder)
        with pytest.raises(ValueError, match="already"):
            collective.register_collective_backend("recorder", Recorder)
        with pytest.raises(TypeError, match="BaseGroup"):
            collective.register_collective_backend("other", int)
        assert collective.is_backend_available("recorder")
        collective.init_collective_group(2, 1, "recorder")
        collective.allreduce("anything", op=ReduceOp.MAX)
        collective.barrier()
        found = collective.get_rank(), collective.get_collective_group_size()
        collective.destroy_collective_group()
        return found, calls

    found, calls = trygon.get(Member.remote().run.remote(own))
    assert found == (1, 2)
    assert calls == [("allreduce", ["anything"], "MAX"), "barrier", "destroyed"]


def test_torch_tensors(engine):
    pytest.importorskip("torch")

    def tensors(rank, count):
        import torch

        torch.set_num_threads(1)
        for kind in (torch.float32, torch.int64, torch.bfloat16, torch.float16):
            for size in (7, 300_001):
                tensor = (torch.arange(size) % 7 + rank).to(kind)
                expected = sum((torch.arange(size) % 7 + each).to(kind) for each in range(count))
                collective.allreduce(tensor)
                assert torch.equal(tensor, expected), (kind, size)
                outs = [torch.zeros(size, dtype=kind) for _ in range(count)]
                collective.allgather(outs, torch.full((size,), rank, dtype=kind))
                assert all((out == other).all() for other, out in enumerate(outs))
        matrix = torch.zeros(400, 300)
        matrix.t().fill_(rank + 1.0)
        collective.allreduce(matrix.t())
        assert (matrix == sum(range(1, count + 1))).all()
        parameter = torch.nn.Parameter(torch.ones(3) * rank)
        collective.broadcast(parameter, 1)
        assert parameter.tolist() == [1.0] * 3
        with pytest.raises(RuntimeError, match="meta"):
            collective.allreduce(torch.ones(3, device="meta"))
        # Members may mix numpy and torch.
        mixed = np.ones(100_000, "float32") if rank == 0 else torch.ones(100_000)
        collective.allreduce(mixed)
        return float(mixed[0])

    assert run_all(members(2), tensors, timeout=60) == [2.0, 2.0]


def test_the_inline_mode():
    """Actors share one process there, and are members all the same."""
    with trygon.init(mode="inline"):
        actors = members(2)

        def total(rank, count, name):
            small, large = np.ones(3), np.full(30_000, rank)
            collective.allreduce(small, name)
            collective.broadcast(large, 1, name)
            return small.tolist(), int(large[-1]), collective.get_rank(name)

        assert run_all(actors, total, "default") == [([2.0] * 3, 1, 0), ([2.0] * 3, 1, 1)]
        collective.create_collective_group(actors, 2, [1, 0], group_name="declared")
        assert [each[2] for each in run_all(actors, total, "declared")] == [1, 0]

"""What members of a collective group do wrong, and that nobody waits for ever."""

import contextlib
import os
import signal
import socket
import time

import numpy as np
import pytest
import trygon
from members import BACKENDS, Member, errors_of, members, run_all
from trygon.util import collective
from trygon.util.collective import ReduceOp
from trygon.util.collective.rendezvous import Store


def test_different_calls_are_an_error_on_all(engine):
    def first(rank, count):
        collective.allreduce(np.ones(3))

    for second, words in [
        (lambda rank, count: collective.barrier(), "barrier"),
        (lambda rank, count: collective.allreduce(np.ones(4)), "4 elements"),
        (lambda rank, count: collective.allreduce(np.ones(3, "int32")), "int32"),
        (lambda rank, count: collective.allreduce(np.ones(3), op=ReduceOp.MAX), "MAX"),
        (lambda rank, count: collective.broadcast(np.ones(3), 1), "broadcast"),
    ]:
        for error in errors_of(members(3), [first, second, first]):
            assert isinstance(error, collective.CollectiveError)
            assert words in str(error) and "allreduce(SUM) of float64 of 3 elements" in str(error)
            assert "rank 1" in str(error)


@pytest.mark.parametrize("size", [3, 5_000_000])
def test_sending_while_the_others_call_something_else(engine, size):
    def run(rank, count):
        if rank == 1:
            collective.send(np.ones(size), 0)
            collective.recv(np.ones(size), 0)
        collective.barrier()

    actors = members(2, timeout_ms=1_000)
    run_all(actors, lambda rank, count: collective.barrier())
    begun = time.monotonic()
    found = errors_of(actors, [run, run])
    assert time.monotonic() - begun < 5
    assert all(isinstance(error, collective.CollectiveError) for error in found)


def test_small_sends_wait_for_their_receiver(engine):
    def run(rank, count):
        if rank == 1:
            collective.send(np.arange(5), 0)
        collective.barrier()
        array = np.zeros(5, int)
        if rank == 0:
            collective.recv(array, 1)
        return array.tolist()

    assert run_all(members(2), run)[0] == [0, 1, 2, 3, 4]


def test_receiving_something_else(engine):
    def run(rank, count):
        if rank == 0:
            collective.send(np.ones(7, "int64"), 1)
            collective.barrier()
        else:
            collective.recv(np.ones(5, "float32"), 0)

    actors = members(2)
    run_all(actors, lambda rank, count: collective.barrier())
    first, second = errors_of(actors, [run, run])
    assert "float32 of 5 elements" in str(second) and "int64 of 7 elements" in str(second)
    assert isinstance(first, collective.CollectiveError)


def test_who_does_not_come_is_named(engine):
    actors = members(3, timeout_ms=700)
    run_all(actors, lambda rank, count: collective.barrier())
    begun = time.monotonic()
    found = errors_of(
        actors, [lambda rank, count: collective.barrier(), lambda rank, count: collective.barrier(), lambda *_: None]
    )
    assert time.monotonic() - begun < 5
    assert found[2] is None
    for error in found[:2]:
        assert isinstance(error, collective.CollectiveError)
        assert "barrier" in str(error) and "0.7 s" in str(error) and "take part: 2" in str(error)
    assert isinstance(found[0], collective.CollectiveTimeoutError)


def test_members_that_never_come(engine):
    first = Member.remote(3, 0, timeout_ms=500)
    last = Member.remote(3, 2, timeout_ms=500)
    found = errors_of([first, last], [lambda rank, count: collective.barrier()] * 2)
    assert all(isinstance(error, collective.CollectiveError) for error in found)
    assert "500" not in str(found[0]) and "0.5 s: 1" in str(found[0])


def test_waiting_for_the_hub(engine):
    alone = Member.remote(2, 1, timeout_ms=300)
    with pytest.raises(collective.CollectiveTimeoutError, match="0.3 s: 0"):
        trygon.get(alone.run.remote(lambda rank, count: collective.barrier()), timeout=10)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("victim", [0, 1, 2])
def test_death_of_a_member_is_an_error_on_all_others(engine, backend, victim):
    actors = members(3, backend=backend, timeout_ms=20_000)
    run_all(actors, lambda rank, count: collective.allreduce(np.ones(3_000_000, "float32")))
    pid = trygon.get(actors[victim].pid.remote())

    def for_ever(rank, count):
        array = np.ones(3_000_000, "float32")
        while True:
            collective.allreduce(array)

    refs = [actor.run.remote(for_ever) for actor in actors]
    time.sleep(0.3)
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    for rank, ref in enumerate(refs):
        kind = trygon.exceptions.ActorDiedError if rank == victim else collective.CollectiveError
        with pytest.raises(kind):
            trygon.get(ref, timeout=15)
    assert time.monotonic() - begun < 5
    survivors = [actor for rank, actor in enumerate(actors) if rank != victim]
    for error in errors_of(survivors, [lambda rank, count: collective.barrier()] * 2):
        assert isinstance(error, collective.CollectiveError) and "cannot be used any more" in str(error)

    def smaller(rank, count, place):
        collective.destroy_collective_group()
        collective.init_collective_group(2, place, backend)
        array = np.ones(50_000)
        collective.allreduce(array)
        return float(array[0])

    refs = [actor.run.remote(smaller, place) for place, actor in enumerate(survivors)]
    assert trygon.get(refs, timeout=20) == [2.0, 2.0]


def test_death_while_waiting_leaves_nothing(engine):
    """Members that are killed while they look for each other; the leak check finds what would stay behind."""
    hub = Member.remote(3, 0, timeout_ms=2_000)
    other = Member.remote(3, 1, timeout_ms=2_000)
    pids = trygon.get([hub.pid.remote(), other.pid.remote()])
    refs = [actor.run.remote(lambda rank, count: collective.barrier()) for actor in (hub, other)]
    time.sleep(0.3)
    os.kill(pids[0], signal.SIGKILL)
    # The next one with this rank takes its place.
    actors = [Member.remote(3, rank, timeout_ms=2_000) for rank in (0, 2)]
    found = errors_of(actors, [lambda rank, count: collective.barrier()] * 2)
    with pytest.raises(trygon.exceptions.ActorDiedError):
        trygon.get(refs[0], timeout=10)
    # The second member had joined the dead hub, and knows; so the new hub misses it, unless it was quick.
    assert all(error is None or isinstance(error, collective.CollectiveError) for error in found)


def test_two_processes_with_one_rank(engine):
    actors = [Member.remote(3, rank, timeout_ms=3_000) for rank in (0, 1, 1)]
    found = errors_of(actors, [lambda rank, count: collective.barrier()] * 3)
    assert all(isinstance(error, collective.CollectiveError) for error in found)
    assert any("Two processes say that they are rank 1" in str(error) for error in found)


def test_members_that_disagree_about_their_number(engine):
    actors = [Member.remote(2, 0, timeout_ms=3_000), Member.remote(3, 1, timeout_ms=3_000)]
    for error in errors_of(actors, [lambda rank, count: collective.barrier()] * 2):
        assert isinstance(error, collective.CollectiveError)
        assert "world_size=3" in str(error) and "rank 0 says 2" in str(error)


def stop_after(seconds, function):
    """Calls `function` until an alarm stops it with a KeyError, in the middle of a call.

    Between two calls the alarm would stop the member's own code: of that the group knows nothing.
    """

    def stop(number, frame):
        while frame is not None and frame.f_code.co_name not in ("_reduce", "_receive"):
            frame = frame.f_back
        if frame is not None:
            raise KeyError("stopped")
        signal.setitimer(signal.ITIMER_REAL, 0.001)

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        while True:
            function()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_error_in_one_member_reaches_the_others(engine, backend):
    def interrupted(rank, count):
        if rank == 1:
            stop_after(0.2, lambda: collective.allreduce(np.ones(200_000)))
        while True:
            collective.allreduce(np.ones(200_000))

    actors = members(2, backend=backend)
    # Both are there: the time until the alarm is for calls.
    trygon.get([actor.pid.remote() for actor in actors])
    first, second = errors_of(actors, [interrupted] * 2)
    assert isinstance(second, KeyError)
    # In the middle of a tensor's bytes there is no place to say why.
    assert isinstance(first, collective.CollectiveError) and "rank 1 (process" in str(first)


@pytest.mark.parametrize("have_met", [False, True])
def test_an_error_of_one_who_waits_reaches_who_comes_later(engine, have_met):
    actors = members(2)
    trygon.get([actor.pid.remote() for actor in actors])
    if have_met:
        run_all(actors, lambda rank, count: collective.barrier())

    def late(rank, count):
        time.sleep(0.8)
        collective.allreduce(np.ones(10))

    first, second = errors_of(
        actors, [late, lambda rank, count: stop_after(0.2, lambda: collective.allreduce(np.ones(10)))]
    )
    assert isinstance(second, KeyError)
    assert isinstance(first, collective.CollectiveError) and "stopped" in str(first)


def test_an_error_reaches_whom_there_is_no_connection_to(engine):
    actors = members(3)
    run_all(actors, lambda rank, count: collective.barrier())
    waits = actors[1].run.remote(lambda *_: stop_after(0.2, lambda: collective.recv(np.ones(3), 2)))
    with pytest.raises(KeyError, match="stopped"):
        trygon.get(waits, timeout=15)
    begun = time.monotonic()
    (error,) = errors_of(actors[2:], [lambda *_: collective.recv(np.ones(3), 1)])
    assert isinstance(error, collective.CollectiveError) and "stopped" in str(error)
    assert time.monotonic() - begun < 5


def check_that_an_end_is_noticed(pid, rank, waiting):
    """Kills the process; all these calls, which wait for it, fail soon and name it."""
    time.sleep(0.7)
    done, _ = trygon.wait(waiting, num_returns=1, timeout=0)
    assert not done
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    for ref in waiting:
        with pytest.raises(collective.CollectiveError, match=rf"rank {rank} \(process {pid}\) .* ended"):
            trygon.get(ref, timeout=15)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("have_met", [False, True])
@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_member_is_killed_while_others_wait_for_it(engine, backend, have_met, victim):
    """Far from the time-out, whether or not there is a connection already."""
    actors = members(3, backend=backend)
    pids = trygon.get([actor.pid.remote() for actor in actors])
    if have_met:
        run_all(actors, lambda rank, count: collective.barrier())
    waiting = [
        actor.run.remote(lambda rank, count: collective.allreduce(np.ones(20_000)))
        for rank, actor in enumerate(actors)
        if rank != victim
    ]
    check_that_an_end_is_noticed(pids[victim], victim, waiting)


@pytest.mark.parametrize(
    "call", [lambda rank, count: collective.barrier(), lambda rank, count: collective.recv(np.ones(3), 2)]
)
def test_a_member_is_killed_to_whom_there_is_no_connection(engine, call):
    """The hub makes no call meanwhile, so it tells nobody."""
    actors = members(3)
    pids = trygon.get([actor.pid.remote() for actor in actors])
    run_all(actors, lambda rank, count: collective.barrier())
    check_that_an_end_is_noticed(pids[2], 2, [actors[1].run.remote(call)])


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_members_child_keeps_its_connections_open(engine, victim):
    def leave_child(rank, count):
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        return child

    actors = members(2)
    pids = trygon.get([actor.pid.remote() for actor in actors])
    run_all(actors, lambda rank, count: collective.barrier())
    child = trygon.get(actors[victim].run.remote(leave_child))
    try:
        waiting = actors[1 - victim].run.remote(lambda rank, count: collective.barrier())
        check_that_an_end_is_noticed(pids[victim], victim, [waiting])
    finally:
        # The node ends what a dead worker leaves behind, sooner or later than this.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_who_left_in_peace_ends_nobodys_wait(engine):
    def leave(rank, count):
        collective.destroy_collective_group()

    def exchange(rank, count):
        if rank == 0:
            time.sleep(1.5)
            collective.send(np.arange(3), 1)
        array = np.zeros(3, int)
        if rank == 1:
            collective.recv(array, 0)
        return array.tolist()

    actors = members(3)
    run_all(actors, lambda rank, count: collective.barrier())
    trygon.get(actors[2].run.remote(leave))
    assert run_all(actors[:2], exchange)[1] == [0, 1, 2]


def test_wrong_arguments_break_nothing(engine):
    def wrong(rank, count):
        def refused(kind, words, function, *args, **kwargs):
            with pytest.raises(kind, match=words):
                function(*args, **kwargs)

        array = np.ones(3)
        read_only = np.ones(3)
        read_only.flags.writeable = False
        refused(RuntimeError, "not initialized", collective.allreduce, array, "unknown")
        refused(RuntimeError, "tensor type", collective.allreduce, [1, 2])
        refused(RuntimeError, "tensor type", collective.allreduce, 5)
        refused(RuntimeError, "read-only", collective.allreduce, read_only)
        refused(RuntimeError, "array of numbers", collective.allreduce, np.array(["a"]))
        refused(RuntimeError, "bool", collective.allreduce, np.array([True]))
        refused(RuntimeError, "no order", collective.allreduce, np.ones(3, complex), op=ReduceOp.MIN)
        refused(ValueError, "op must be", collective.allreduce, array, op="sum")
        refused(ValueError, "dst_rank", collective.reduce, array, 2)
        refused(ValueError, "src_rank", collective.broadcast, array, -1)
        refused(RuntimeError, "own rank", collective.send, array, rank)
        refused(ValueError, "src_rank", collective.recv, array, 7)
        refused(RuntimeError, "list of 2 tensors", collective.allgather, [array], array)
        refused(RuntimeError, "number 1 of the list", collective.allgather, [array, np.ones(4)], array)
        refused(RuntimeError, "list of tensors", collective.reducescatter, array, array)
        refused(RuntimeError, "already", collective.init_collective_group, 2, rank)
        refused(RuntimeError, "CUDA", collective.allreduce_multigpu, [array])
        refused(RuntimeError, "CUDA", collective.synchronize, 0)
        collective.allreduce(array)
        return array.tolist()

    assert run_all(members(2), wrong) == [[2.0] * 3] * 2


@pytest.mark.parametrize(
    ("kind", "words", "call"),
    [
        (ValueError, "NCCL", lambda: collective.init_collective_group(2, 0, "nccl")),
        (ValueError, "Known are: gloo, mpi, tcp, trygon", lambda: collective.init_collective_group(2, 0, "smoke")),
        (ValueError, "group_name", lambda: collective.init_collective_group(2, 0, group_name="")),
        (AssertionError, "0 to world_size - 1 = 1", lambda: collective.init_collective_group(2, 2)),
        (ValueError, "rank must be", lambda: collective.init_collective_group(2, -1)),
        (AssertionError, "greater than zero", lambda: collective.init_collective_group(0, 0)),
        (ValueError, "milliseconds", lambda: collective.init_collective_group(2, 0, gloo_timeout=0)),
        (RuntimeError, "greater than zero", lambda: collective.create_collective_group([], 0, [])),
        (RuntimeError, "one rank", lambda: collective.create_collective_group([1], 2, [0, 1])),
        (RuntimeError, "each once", lambda: collective.create_collective_group([1, 2], 2, [0, 0])),
        (RuntimeError, "world_size is 3", lambda: collective.create_collective_group([1, 2], 3, [0, 1])),
        (RuntimeError, "handles of actors", lambda: collective.create_collective_group([1, 2], 2, [0, 1])),
    ],
)
def test_wrong_groups_are_refused(engine, kind, words, call):
    with pytest.raises(kind, match=words):
        call()


def test_questions_about_a_group_that_is_not_there(engine):
    assert collective.get_rank() == collective.get_collective_group_size() == -1
    assert not collective.is_group_initialized("default")
    collective.destroy_collective_group("default")
    assert collective.gloo_available() and not collective.nccl_available()
    assert [collective.is_backend_available(name) for name in ("gloo", "torch_gloo", "nccl", "smoke")] == [
        True,
        True,
        False,
        False,
    ]
    assert collective.types.Backend("torch_gloo") == "GLOO"
    with pytest.raises(ValueError, match="smoke"):
        collective.types.Backend("smoke")


def test_a_strangers_connection_is_not_believed(engine):
    """Whoever has not read the store cannot become a member, and stops nobody."""
    hub = Member.remote(2, 0, backend="tcp")
    waiting = hub.run.remote(lambda rank, count: collective.barrier())
    store = Store()
    deadline = time.monotonic() + 10
    while (record := store.get("door/default/0")) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert record is not None
    with socket.create_connection(tuple(record["tcp"])) as stranger:
        stranger.sendall(b"\1" * 200)
        stranger.settimeout(5)
        got = b""
        try:
            while more := stranger.recv(1000):
                got += more
        except ConnectionResetError:
            pass
    # The challenge, and nothing after the wrong answer.
    assert len(got) == 32
    member = Member.remote(2, 1, backend="tcp")
    trygon.get([waiting, member.run.remote(lambda rank, count: collective.barrier())], timeout=15)

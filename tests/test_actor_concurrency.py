"""Actors that run several calls at once: event loops, threads, concurrency groups, and what keeps its order."""

import asyncio
import os
import resource
import signal
import threading
import time

import pytest
import trygon
from trygon.exceptions import ActorDiedError, PendingCallsLimitExceeded, RayActorError


@trygon.remote
class Loop:
    def __init__(self, base=0):
        self.base = base
        self.loop = asyncio.get_running_loop()
        self.event = asyncio.Event()
        self.running = 0
        self.most = 0

    async def wait(self):
        await self.event.wait()
        return self.base

    async def set(self):
        self.event.set()

    def plain(self, x):
        assert asyncio.get_running_loop() is self.loop
        return x + self.base

    async def add(self, x):
        return x + self.base

    async def read(self, box):
        return await asyncio.gather(*box)

    async def crowd(self, delay_s):
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(delay_s)
        self.running -= 1
        return self.most

    async def who(self):
        before = trygon.get_runtime_context().get_task_id()
        await asyncio.sleep(0.02)
        context = trygon.get_runtime_context()
        in_thread = await asyncio.to_thread(lambda: trygon.get_runtime_context().get_task_id())
        assert before == context.get_task_id() == in_thread
        return before, context.get_task_name()

    async def fail(self):
        await asyncio.sleep(0)
        raise KeyError("inside")

    async def timeout(self):
        async with asyncio.timeout(0.05):
            await asyncio.sleep(10)

    async def leave(self):
        await asyncio.sleep(0)
        trygon.actor.exit_actor()

    async def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    async def spawn_and_forget(self):
        async def later():
            await asyncio.sleep(0.01)
            self.base = 99

        self.task = asyncio.get_running_loop().create_task(later())

    async def call_task(self, x):
        return await double.remote(x) + await asyncio.wrap_future(double.remote(x).future())


@trygon.remote
def double(x):
    return x * 2


@trygon.remote
def slow(value, delay_s=0.3):
    time.sleep(delay_s)
    return value


@trygon.remote
class Threads:
    def __init__(self, parties=4):
        self.barrier = threading.Barrier(parties)
        self.log = []

    def meet(self):
        self.barrier.wait(10)
        return threading.get_ident()

    def who(self):
        context = trygon.get_runtime_context()
        first = context.get_task_id()
        time.sleep(0.02)
        assert first == trygon.get_runtime_context().get_task_id()
        return first

    def note(self, value):
        self.log.append(value)
        return list(self.log)

    def nested(self, x):
        return trygon.get(double.remote(x))

    def leave(self):
        trygon.actor.exit_actor()


def test_thousands_of_calls_wait_at_once(engine):
    actor = Loop.remote(3)
    waiting = [actor.wait.remote() for _ in range(900)]
    assert trygon.get(actor.add.remote(1)) == 4
    assert trygon.wait(waiting, num_returns=1, timeout=0)[0] == []
    trygon.get(actor.set.remote())
    assert trygon.get(waiting) == [3] * 900


def test_plain_methods_run_on_the_loop_and_constructors_see_it(engine):
    assert trygon.get(Loop.remote(1).plain.remote(2)) == 3


def test_max_concurrency_limits_an_event_loop(engine):
    actor = Loop.options(max_concurrency=3).remote()
    assert max(trygon.get([actor.crowd.remote(0.02) for _ in range(20)])) == 3


def test_references_are_awaited_inside(engine):
    actor = Loop.remote()
    assert trygon.get(actor.read.remote([double.remote(i) for i in range(20)])) == [2 * i for i in range(20)]
    assert trygon.get(actor.call_task.remote(4)) == 16


def test_each_call_knows_its_own_task(engine):
    actor = Loop.remote()
    refs = [actor.who.remote() for _ in range(10)]
    assert trygon.get(refs) == [(ref.task_id().hex(), "Loop.who") for ref in refs]
    threads = Threads.options(max_concurrency=4).remote()
    refs = [threads.who.remote() for _ in range(10)]
    assert trygon.get(refs) == [ref.task_id().hex() for ref in refs]


def test_errors_and_timeouts_of_coroutines(engine):
    actor = Loop.remote()
    with pytest.raises(KeyError, match="inside"):
        trygon.get(actor.fail.remote())
    with pytest.raises(TimeoutError):
        trygon.get(actor.timeout.remote())
    assert trygon.get(actor.add.remote(1)) == 1


def test_a_coroutine_can_leave_tasks_behind(engine):
    actor = Loop.remote()
    trygon.get(actor.spawn_and_forget.remote())
    time.sleep(0.1)
    assert trygon.get(actor.plain.remote(0)) == 99


@pytest.mark.parametrize("kind", ["loop", "threads"])
def test_exit_actor_ends_it_without_restart(engine, kind):
    actor = Loop.options(max_restarts=3).remote() if kind == "loop" else Threads.options(max_concurrency=2).remote()
    with pytest.raises(RayActorError):
        trygon.get(actor.leave.remote(), timeout=10)
    with pytest.raises(ActorDiedError):
        trygon.get(actor.__ray_ready__.remote(), timeout=10)


@pytest.mark.parametrize("kind", ["loop", "threads"])
def test_pending_calls_finish_after_the_last_handle_goes(engine, kind):
    if kind == "loop":
        actor = Loop.remote(7)
        refs = [actor.crowd.remote(0.2) for _ in range(5)]
    else:
        actor = Threads.options(max_concurrency=3).remote(3)
        refs = [actor.meet.remote() for _ in range(3)]
    del actor
    assert len(trygon.get(refs, timeout=10)) in (3, 5)


def test_calls_that_may_have_begun_fail_or_are_retried_with_the_process(engine):
    actor = Loop.options(max_restarts=1).remote()
    waiting = actor.wait.remote()
    with pytest.raises(RayActorError):
        trygon.get(actor.die.remote(), timeout=10)
    with pytest.raises(RayActorError):
        trygon.get(waiting, timeout=10)
    assert trygon.get(actor.add.remote(1), timeout=10) == 1
    again = Loop.options(max_restarts=1, max_task_retries=1).remote(5)
    waiting = again.wait.remote()
    trygon.get(again.add.remote(1))
    trygon.kill(again, no_restart=False)
    trygon.get(again.set.remote(), timeout=10)
    assert trygon.get(waiting, timeout=10) == 5


def test_threads_run_side_by_side(engine):
    actor = Threads.options(max_concurrency=4).remote()
    assert len(set(trygon.get([actor.meet.remote() for _ in range(4)], timeout=20))) == 4
    assert trygon.get([actor.nested.remote(i) for i in range(8)]) == [2 * i for i in range(8)]


def test_concurrency_groups_have_their_own_limits(engine):
    @trygon.remote(concurrency_groups={"io": 2, "compute": 1})
    class Groups:
        def __init__(self):
            self.barrier = threading.Barrier(2)

        @trygon.method(concurrency_group="io")
        def io(self):
            self.barrier.wait(10)
            return threading.get_ident()

        @trygon.method(concurrency_group="compute")
        def compute(self):
            return threading.get_ident()

        def other(self):
            return threading.get_ident()

    actor = Groups.remote()
    io = set(trygon.get([actor.io.remote() for _ in range(4)], timeout=20))
    compute, other = trygon.get([actor.compute.remote(), actor.other.remote()])
    assert len(io) == 2
    assert len({compute, other, *io}) == 4
    assert trygon.get(actor.other.options(concurrency_group="io").remote()) in io
    with pytest.raises(ValueError, match="compute, io"):
        actor.other.options(concurrency_group="nothing")


def test_concurrency_groups_of_an_event_loop(engine):
    @trygon.remote(concurrency_groups={"one": 1})
    class Groups:
        def __init__(self):
            self.running = 0

        @trygon.method(concurrency_group="one")
        async def alone(self):
            self.running += 1
            await asyncio.sleep(0.01)
            self.running -= 1
            return self.running

        async def beside(self):
            return "free"

    actor = Groups.remote()
    alone = [actor.alone.remote() for _ in range(10)]
    assert trygon.get(actor.beside.remote()) == "free"
    assert trygon.get(alone) == [0] * 10


def test_a_late_argument_holds_back_only_where_order_is_kept(engine):
    parallel = Threads.options(max_concurrency=2).remote()
    late, early = parallel.note.remote(slow.remote("late")), parallel.note.remote("early")
    assert trygon.get(early) == ["early"]
    assert trygon.get(late) == ["early", "late"]
    ordered = Threads.remote()
    late, early = ordered.note.remote(slow.remote("late")), ordered.note.remote("early")
    assert trygon.get(early) == ["late", "early"]
    loose = Threads.options(allow_out_of_order_execution=True).remote()
    late, early = loose.note.remote(slow.remote("late")), loose.note.remote("early")
    assert trygon.get(early) == ["early"]
    with pytest.raises(ValueError, match="allow_out_of_order_execution"):
        Loop.options(allow_out_of_order_execution=False).remote()
    assert trygon.get(late)


def test_max_pending_calls(engine):
    @trygon.remote(max_pending_calls=3)
    class Slow:
        def work(self):
            time.sleep(0.2)

    actor = Slow.remote()
    refs = [actor.work.remote() for _ in range(3)]
    with pytest.raises(PendingCallsLimitExceeded, match="3"):
        actor.work.remote()
    trygon.get(refs)
    trygon.get(actor.work.remote())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_concurrency": 0}, ValueError),
        ({"max_concurrency": "2"}, TypeError),
        ({"max_pending_calls": 0}, ValueError),
        ({"concurrency_groups": ["io"]}, TypeError),
        ({"concurrency_groups": {"io": 0}}, ValueError),
        ({"allow_out_of_order_execution": 1}, TypeError),
    ],
)
def test_wrong_options_are_refused(options, error):
    class Plain:
        pass

    with pytest.raises(error, match=next(iter(options))):
        trygon.remote(**options)(Plain)


def test_a_group_that_does_not_exist_is_refused_at_creation(engine):
    class Wrong:
        @trygon.method(concurrency_group="missing")
        def work(self):
            pass

    with pytest.raises(ValueError, match="missing"):
        trygon.remote(Wrong).remote()


def resident_mb():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


@trygon.remote
class Blocking:
    async def wait_inside(self):
        return trygon.get(slow.remote(5, 0.05))


def test_blocking_an_event_loop_works_and_is_warned_of(engine, capfd):
    assert trygon.get(Blocking.remote().wait_inside.remote()) == 5
    deadline = time.monotonic() + 5
    seen = ""
    while "blocks the event loop" not in seen and time.monotonic() < deadline:
        time.sleep(0.05)
        seen += capfd.readouterr().err
    assert "blocks the event loop" in seen


def make_detached(name):
    Threads.options(name=name, lifetime="detached").remote()


def test_a_detached_actor_outlives_handles_and_its_creator(engine):
    trygon.get(trygon.remote(max_calls=1)(make_detached).remote("lasting"))
    make_detached("mine")
    time.sleep(0.5)
    for name in ("lasting", "mine"):
        actor = trygon.get_actor(name)
        assert trygon.get(actor.note.remote(1)) == [1]
        trygon.kill(actor)
    with pytest.raises(ValueError, match="lifetime"):
        Threads.options(lifetime="for ever")


async def growth_mb(awaitables):
    """What awaiting these takes, in tasks of their own."""
    before = resident_mb()
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks, resident_mb() - before


def test_a_hundred_thousand_awaits_stay_small(engine):
    """asyncio's own tasks and futures take about 90 MB for as many; the engine adds little."""

    async def main():
        gate = Loop.options(max_concurrency=200_000).remote(1)
        await gate.plain.remote(0)
        refs = [gate.wait.remote() for _ in range(100_000)]
        tasks, grown_mb = await growth_mb(refs)
        await gate.set.remote()
        assert await asyncio.gather(*tasks) == [1] * 100_000
        del refs
        return grown_mb

    grown_mb = asyncio.run(main())
    assert grown_mb < 115, f"{grown_mb:.0f} MB"


def test_an_actor_that_waits_for_its_last_call_ends_with_it(engine):
    """Nobody holds the actor, and the caller of its last call is dead: the call may still end the process itself."""

    @trygon.remote(max_concurrency=2, num_cpus=0)
    class Leaves:
        def pid(self):
            return os.getpid()

        def leave_later(self):
            time.sleep(0.8)
            trygon.actor.exit_actor()

    @trygon.remote(max_retries=0)
    def calls_and_dies(actor):
        actor.leave_later.remote()
        time.sleep(0.3)
        os._exit(1)

    actor = Leaves.remote()
    pid = trygon.get(actor.pid.remote())
    caller = calls_and_dies.remote(actor)
    del actor
    with pytest.raises(trygon.exceptions.WorkerCrashedError):
        trygon.get(caller)
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{pid}")

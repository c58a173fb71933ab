"""Async and threaded actors, concurrency groups, limits."""

import asyncio
import time

import ray
from observe import case, raised, run


@ray.remote
class Waiter:
    def __init__(self):
        self.event = asyncio.Event()
        self.waiting = 0

    async def wait(self):
        self.waiting += 1
        await self.event.wait()
        return "woken"

    async def wake(self):
        self.event.set()
        return self.waiting

    def plain(self):
        return "plain"

    async def fail(self):
        raise KeyError("async")

    async def count(self, number):
        for index in range(number):
            await asyncio.sleep(0)
            yield index


@ray.remote
def square(x):
    return x * x


@case
def async_calls_overlap():
    waiter = Waiter.remote()
    refs = [waiter.wait.remote() for _ in range(20)]
    time.sleep(0.5)
    return ray.get(waiter.wake.remote()), set(ray.get(refs)), ray.get(waiter.plain.remote())


@case
def async_errors():
    return raised(lambda: ray.get(Waiter.remote().fail.remote()))


@case
def await_inside():
    @ray.remote
    class Gatherer:
        async def run(self, box):
            one = await square.remote(3)
            many = await asyncio.gather(*[square.remote(index) for index in range(4)])
            given = await asyncio.gather(*box)
            done, pending = await asyncio.wait([asyncio.ensure_future(asyncio.wrap_future(box[0].future()))])
            return one, many, given, len(done), len(pending)

    return ray.get(Gatherer.remote().run.remote([square.remote(5), square.remote(6)]))


@case
def thousand_in_flight():
    @ray.remote
    class Many:
        def __init__(self):
            self.now = self.most = 0

        async def call(self):
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.3)
            self.now -= 1

        async def peak(self):
            return self.most

    many = Many.remote()
    ray.get([many.call.remote() for _ in range(900)])
    return ray.get(many.peak.remote()) > 300


@case
def async_limit():
    @ray.remote(max_concurrency=3)
    class Limited:
        def __init__(self):
            self.now = self.most = 0

        async def call(self):
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.05)
            self.now -= 1
            return self.most

    limited = Limited.remote()
    return max(ray.get([limited.call.remote() for _ in range(12)]))


@case
def threads():
    @ray.remote(max_concurrency=4)
    class Threaded:
        def __init__(self):
            import threading

            self.barrier = threading.Barrier(4, timeout=10)

        def meet(self):
            self.barrier.wait()
            return "met"

    threaded = Threaded.remote()
    return ray.get([threaded.meet.remote() for _ in range(4)])


@case
def one_at_a_time():
    @ray.remote
    class Single:
        def __init__(self):
            self.inside = 0

        def call(self):
            self.inside += 1
            seen = self.inside
            time.sleep(0.01)
            self.inside -= 1
            return seen

    single = Single.remote()
    return max(ray.get([single.call.remote() for _ in range(10)]))


@case
def concurrency_groups():
    @ray.remote(concurrency_groups={"io": 2, "compute": 1})
    class Grouped:
        @ray.method(concurrency_group="io")
        async def io(self):
            await asyncio.sleep(0.05)
            return "io"

        @ray.method(concurrency_group="compute")
        async def compute(self):
            return "compute"

        async def default(self):
            return "default"

    grouped = Grouped.remote()
    return (
        ray.get([grouped.io.remote(), grouped.compute.remote(), grouped.default.remote()]),
        ray.get(grouped.default.options(concurrency_group="io").remote()),
        raised(lambda: Grouped.options(concurrency_groups={"x": 1}).remote()),
    )


@case
def thread_groups():
    @ray.remote(concurrency_groups={"slow": 1})
    class Grouped:
        @ray.method(concurrency_group="slow")
        def slow(self):
            time.sleep(1)
            return "slow"

        def fast(self):
            return "fast"

    grouped = Grouped.remote()
    slow = grouped.slow.remote()
    fast = ray.get(grouped.fast.remote(), timeout=10)
    return fast, len(ray.wait([slow], timeout=0)[0]), ray.get(slow)


@case
def pending_limit():
    @ray.remote(max_pending_calls=2)
    class Busy:
        def work(self):
            time.sleep(0.5)

    busy = Busy.remote()
    return [raised(busy.work.remote) for _ in range(4)]


@case
def groups_that_do_not_exist():
    @ray.remote(concurrency_groups={"io": 1})
    class Grouped:
        async def call(self):
            return 1

    return raised(lambda: ray.get(Grouped.remote().call.options(concurrency_group="no").remote(), timeout=10))


@case
def sync_methods_run_on_the_loop():
    @ray.remote
    class Loop:
        async def mine(self):
            return id(asyncio.get_running_loop())

        async def thread(self):
            import threading

            return threading.get_ident()

    loop = Loop.remote()
    return len(set(ray.get([loop.mine.remote() for _ in range(3)]))), len(
        set(ray.get([loop.thread.remote() for _ in range(3)]))
    )


@case
def get_in_an_async_method():
    @ray.remote
    class Getter:
        async def run(self, box):
            return await box[0]

    return ray.get(Getter.remote().run.remote([square.remote(4)]))


@case
def async_exit():
    @ray.remote
    class Leaver:
        async def leave(self):
            ray.actor.exit_actor()

        async def ping(self):
            return 1

    leaver = Leaver.remote()
    ray.get(leaver.ping.remote())
    return raised(lambda: ray.get(leaver.leave.remote())), raised(lambda: ray.get(leaver.ping.remote(), timeout=10))


@case
def async_generators():
    return [ray.get(ref) for ref in Waiter.remote().count.options(num_returns="streaming").remote(4)]


@case
def wrong_concurrency():
    class Plain:
        def f(self):
            return 1

    return {
        "zero": raised(lambda: ray.remote(max_concurrency=0)(Plain).remote()),
        "text": raised(lambda: ray.remote(max_concurrency="2")(Plain).remote()),
        "pending": raised(lambda: ray.remote(max_pending_calls=-2)(Plain).remote()),
    }


run(num_cpus=8)

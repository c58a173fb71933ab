"""Programs with event loops, threads and generators, whose observations must be the same in both modes."""

from __future__ import annotations

import asyncio
import threading

import trygon
from same_programs import add, fail, seen


@trygon.remote
class Loop:
    def __init__(self):
        self.event = asyncio.Event()
        self.running = self.most = 0

    async def wait(self):
        await self.event.wait()
        return "woken"

    async def set(self):
        self.event.set()

    async def crowd(self):
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.01)
        self.running -= 1
        return self.most

    async def use(self, box):
        return await box[0] + sum(await asyncio.gather(*box))

    async def fail(self):
        await asyncio.sleep(0)
        raise KeyError("in a coroutine")

    def plain(self):
        return self.most


def event_loops():
    loop = Loop.remote()
    waiting = [loop.wait.remote() for _ in range(5)]
    before = trygon.wait(waiting, timeout=0.05)[0]
    loop.set.remote()
    limited = Loop.options(max_concurrency=3).remote()
    return (
        before,
        trygon.get(waiting),
        max(trygon.get([limited.crowd.remote() for _ in range(12)])),
        trygon.get(loop.use.remote([add.remote(1), trygon.put(5)])),
        seen(lambda: trygon.get(loop.fail.remote())),
        trygon.get(loop.plain.remote()),
    )


def signals_between_driver_and_task():
    @trygon.remote(num_cpus=0)
    def waits(loop):
        return trygon.get(loop.wait.remote())

    loop = Loop.options(num_cpus=0).remote()
    ref = waits.remote(loop)
    before = trygon.wait([ref], timeout=0.2)[0]
    loop.set.remote()
    return before, trygon.get(ref)


def threads_in_actors():
    @trygon.remote(max_concurrency=3)
    class Meeting:
        def __init__(self):
            self.barrier = threading.Barrier(3)

        def meet(self):
            self.barrier.wait(10)
            return "met"

    meeting = Meeting.remote()
    return trygon.get([meeting.meet.remote() for _ in range(3)])


def awaiting_in_the_driver():
    async def main():
        first = await add.remote(1)
        rest = await asyncio.gather(*[add.remote(i) for i in range(10)])
        try:
            await fail.remote("awaited")
        except KeyError as error:
            return first, rest, error.args
        return None

    futures = [add.remote(i).future() for i in range(5)]
    return asyncio.run(main()), [future.result(10) for future in futures]


@trygon.remote
def count(n, fail_at=None):
    for i in range(n):
        if i == fail_at:
            raise ValueError(f"no item {i}")
        yield [i]


def generators():
    generator = count.remote(5)
    taken = [trygon.get(ref) for ref in generator]
    failed = list(count.remote(5, fail_at=2))
    several = [count.remote(3), count.remote(0)]
    ready, _ = trygon.wait(several, num_returns=2, timeout=10)
    return (
        taken,
        generator.is_finished(),
        seen(lambda: next(generator))[1][0],
        [seen(lambda ref=ref: trygon.get(ref)) for ref in failed],
        len(ready),
        trygon.get(count.options(num_returns=2).remote(5)),
        isinstance(several[0], trygon.ObjectRefGenerator),
        trygon.get(several[0].completed()),
        seen(lambda: add.remote(several[1]))[1],
    )


def generators_of_actors():
    @trygon.remote
    class Maker:
        def items(self, n):
            yield from range(n)

    @trygon.remote
    class Waker:
        async def items(self, n):
            for i in range(n):
                await asyncio.sleep(0)
                yield i

    async def main(maker):
        return [await ref async for ref in maker.items.remote(4)]

    maker, waker = Maker.remote(), Waker.remote()
    one, two = maker.items.remote(3), maker.items.remote(2)
    return (
        [trygon.get(ref) for ref in two],
        [trygon.get(ref) for ref in one],
        [trygon.get(ref) for ref in waker.items.remote(3)],
        asyncio.run(main(maker)),
        asyncio.run(main(waker)),
    )


ALL = [
    event_loops,
    signals_between_driver_and_task,
    threads_in_actors,
    awaiting_in_the_driver,
    generators,
    generators_of_actors,
]

"""`await ref` and `ref.future()`."""

import asyncio
import concurrent.futures
import threading
import time

import pytest
import trygon


@trygon.remote
def after(seconds, value=None):
    time.sleep(seconds)
    return value


@trygon.remote
def bad():
    raise ValueError("async")


def test_await(engine):
    async def main():
        assert await trygon.put(1) == 1
        assert await after.remote(0.05, 2) == 2
        assert await asyncio.gather(*[after.remote(0, i) for i in range(200)]) == list(range(200))
        with pytest.raises(ValueError, match="async"):
            await bad.remote()

    asyncio.run(main())
    asyncio.run(main())


def test_the_loop_goes_on_meanwhile(engine):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        ticking = asyncio.ensure_future(tick())
        await after.remote(0.3)
        ticking.cancel()
        assert ticks > 10

    asyncio.run(main())


def test_wait_for_and_cancel(engine):
    async def main():
        slow = after.remote(0.5, "late")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(slow, 0.05)
        assert await slow == "late"
        done, pending = await asyncio.wait(
            [asyncio.ensure_future(_of(after.remote(s))) for s in (0, 1)], return_when="FIRST_COMPLETED"
        )
        assert len(done) == len(pending) == 1

    async def _of(ref):
        return await ref

    asyncio.run(main())


def test_large_values(engine):
    async def main():
        assert len(await trygon.remote(lambda: b"x" * 1_000_000).remote()) == 1_000_000

    asyncio.run(main())


def test_futures(engine):
    before = threading.active_count()
    futures = [after.remote(0.01, i).future() for i in range(100)]
    assert threading.active_count() <= before + 1
    assert [future.result(timeout=20) for future in futures] == list(range(100))
    with pytest.raises(ValueError, match="async"):
        bad.remote().future().result(timeout=10)
    called = threading.Event()
    trygon.put(1).future().add_done_callback(lambda future: called.set())
    assert called.wait(5)
    done = concurrent.futures.wait([after.remote(0).future()], timeout=10).done
    assert len(done) == 1


def test_futures_end_with_the_engine():
    trygon.init(num_cpus=1)
    future = after.remote(5).future()
    trygon.shutdown()
    with pytest.raises(trygon.exceptions.RaySystemError):
        future.result(timeout=3)


def test_several_loops_in_threads(engine):
    results = []

    def run(i):
        async def main():
            return await after.remote(0.01, i)

        results.append(asyncio.run(main()))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == list(range(5))


def test_await_inside_a_task(engine):
    @trygon.remote
    def inside():
        async def main():
            return await after.remote(0.01, "in")

        return asyncio.run(main())

    assert trygon.get(inside.remote(), timeout=20) == "in"

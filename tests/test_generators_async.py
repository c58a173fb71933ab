"""Generators of actors with an event loop, and of actors with threads."""

import asyncio
import gc
import os
import signal
import time

import pytest
import trygon
from trygon import exceptions


def values(generator):
    return [trygon.get(ref) for ref in generator]


def until(condition, limit_s=5.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


@trygon.remote
class Loop:
    def __init__(self):
        self.log = []

    async def items(self, n, fail_at=None, pause_s=0.0):
        try:
            for i in range(n):
                if i == fail_at:
                    raise ValueError(f"no item {i}")
                if pause_s:
                    await asyncio.sleep(pause_s)
                self.log.append(i)
                yield i
        finally:
            self.log.append("end")

    def plain_items(self, n):
        for i in range(n):
            self.log.append(i)
            yield i

    async def endless(self):
        number = 0
        while True:
            number += 1
            yield number

    async def relayed(self, other, n):
        async for ref in other.items.remote(n):
            yield await ref + 100

    @trygon.method(num_returns="dynamic")
    async def listed(self, n, fail_at=None):
        for i in range(n):
            if i == fail_at:
                raise ValueError(f"no item {i}")
            yield i

    async def named(self, n):
        for _ in range(n):
            await asyncio.sleep(0.001)
            yield trygon.get_runtime_context().get_task_id()

    async def lines(self):
        return self.log


def test_items_of_a_loop(engine, empty_table):
    loop = Loop.remote()
    assert values(loop.items.remote(200)) == list(range(200))
    assert values(loop.plain_items.remote(200)) == list(range(200))
    assert values(loop.items.remote(0)) == []
    refs = list(loop.items.remote(5, fail_at=2))
    assert trygon.get(refs[:2]) == [0, 1] and len(refs) == 3
    with pytest.raises(ValueError, match="no item 2"):
        trygon.get(refs[2])
    assert trygon.get(loop.plain_items.options(num_returns=2).remote(5)) == [0, 1]
    del refs


def test_many_generators_run_beside_one_another(engine, empty_table):
    loop = Loop.remote()
    began = time.monotonic()
    generators = [loop.items.remote(10, pause_s=0.01) for _ in range(50)]
    assert [values(generator) for generator in generators] == [list(range(10))] * 50
    assert time.monotonic() - began < 5
    del generators


def test_a_loop_stays_awake_beside_a_generator_that_never_waits(engine):
    loop = Loop.remote()
    generator = loop.endless.options(_generator_backpressure_num_objects=10_000).remote()
    next(generator)
    assert trygon.get(loop.lines.remote(), timeout=10) == []
    free = loop.endless.remote()
    next(free)
    assert trygon.get(loop.lines.remote(), timeout=10) == []
    del generator, free


def test_back_pressure_in_a_loop(engine):
    loop = Loop.remote()
    generator = loop.items.options(_generator_backpressure_num_objects=3).remote(20)
    until(lambda: trygon.get(loop.lines.remote()) == [0, 1, 2])
    time.sleep(0.05)
    assert trygon.get(loop.lines.remote()) == [0, 1, 2]
    assert trygon.get(next(generator)) == 0
    until(lambda: trygon.get(loop.lines.remote()) == [0, 1, 2, 3])
    assert values(generator) == list(range(1, 20))
    assert values(loop.plain_items.options(_generator_backpressure_num_objects=1).remote(300)) == list(range(300))


def test_dropped_generators_of_a_loop_go_on_to_their_end(engine, empty_table):
    loop = Loop.remote()
    waits = loop.items.options(_generator_backpressure_num_objects=2).remote(1000)
    runs = loop.items.remote(200, pause_s=0.001)
    next(waits)
    next(runs)
    del waits, runs
    gc.collect()
    until(lambda: trygon.get(loop.lines.remote()).count("end") == 2)


def test_lists_of_a_loop(engine, empty_table):
    loop = Loop.remote()
    with pytest.warns(DeprecationWarning):
        listed = loop.listed
    assert values(trygon.get(listed.remote(4))) == [0, 1, 2, 3]
    failed = list(trygon.get(listed.remote(4, fail_at=3)))
    assert len(failed) == 4
    with pytest.raises(ValueError, match="no item 3"):
        trygon.get(failed[3])
    del failed


def test_one_loop_takes_what_another_makes(engine, empty_table):
    first, second = Loop.remote(), Loop.remote()
    assert values(second.relayed.remote(first, 50)) == list(range(100, 150))


def test_each_generator_knows_its_call(engine):
    loop = Loop.remote()
    one, two = loop.named.remote(3), loop.named.remote(3)
    seen = [values(one), values(two)]
    assert all(len(set(names)) == 1 for names in seen) and seen[0][0] != seen[1][0]
    assert seen[0][0] == one.task_id().hex()


def test_a_loop_that_dies(engine):
    @trygon.remote(max_restarts=1, max_task_retries=1)
    class Mortal:
        async def items(self, path):
            for i in range(10):
                if i == 5 and not os.path.exists(path):
                    open(path, "w").close()
                    await asyncio.sleep(0.05)
                    os.kill(os.getpid(), signal.SIGKILL)
                yield i

        async def last(self):
            yield 1
            os._exit(1)

    mortal = Mortal.remote()
    path = f"/tmp/trygon-test-{os.getpid()}-{time.monotonic_ns()}"
    try:
        assert values(mortal.items.remote(path)) == list(range(10))
    finally:
        os.unlink(path)
    refs = list(mortal.last.options(max_task_retries=0).remote())
    with pytest.raises((exceptions.ActorDiedError, exceptions.ActorUnavailableError)):
        trygon.get(refs[-1])


def test_threads_make_items(engine, empty_table):
    @trygon.remote(max_concurrency=4)
    class Threads:
        def items(self, n):
            for i in range(n):
                time.sleep(0.001)
                yield i

        def ping(self):
            return "here"

    threads = Threads.remote()
    generators = [threads.items.options(_generator_backpressure_num_objects=2).remote(20) for _ in range(3)]
    for generator in generators:
        next(generator)
    assert trygon.get(threads.ping.remote(), timeout=10) == "here"
    assert [values(generator) for generator in generators] == [list(range(1, 20))] * 3
    del generators, generator

"""Nobody waits for ever: for objects of a process that is known to be dead, after a shutdown, or without the daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
import trygon
from trygon.util.queue import Queue


@trygon.remote(num_cpus=0)
class Holder:
    def make(self):
        return [trygon.put(5)]

    def hold(self, references):
        self.references = references

    def give(self):
        return self.references

    def daemon(self):
        return os.getppid()


@trygon.remote
def endless():
    time.sleep(1000)


@pytest.fixture
def engine():
    with trygon.init(num_cpus=2) as context:
        yield context


def test_get_after_the_owners_death_was_heard_of(engine):
    owner, holder = Holder.remote(), Holder.remote()
    references = trygon.get(owner.make.remote())
    trygon.get(holder.hold.remote(references))
    trygon.kill(owner)
    del references
    time.sleep(0.2)
    [reference] = trygon.get(holder.give.remote())
    began = time.monotonic()
    with pytest.raises(trygon.exceptions.OwnerDiedError):
        trygon.get(reference, timeout=20)
    assert time.monotonic() - began < 5


def test_wait_raises_when_the_daemon_is_gone(engine):
    reference = endless.remote()
    os.kill(trygon.get(Holder.remote().daemon.remote()), signal.SIGKILL)
    with pytest.raises(trygon.exceptions.LocalRayletDiedError):
        trygon.wait([reference])
    with pytest.raises(trygon.exceptions.LocalRayletDiedError):
        reference.future().result(10)


def test_await_ends_with_the_daemon(engine):
    async def main():
        waiting = asyncio.ensure_future(_value(endless.remote()))
        await asyncio.sleep(0.1)
        os.kill(await Holder.remote().daemon.remote(), signal.SIGKILL)
        with pytest.raises(trygon.exceptions.LocalRayletDiedError):
            await asyncio.wait_for(waiting, 10)

    asyncio.run(main())


def test_await_ends_with_the_session():
    async def main():
        for _ in range(2):
            trygon.init(num_cpus=1)
            waiting = asyncio.ensure_future(_value(endless.remote()))
            await asyncio.sleep(0.1)
            trygon.shutdown()
            with pytest.raises(trygon.exceptions.RaySystemError):
                await asyncio.wait_for(waiting, 10)

    asyncio.run(main())


def test_a_cancelled_get_async_takes_no_item(engine):
    async def main():
        queue = Queue()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(queue.get_async(), 0.2)
        await queue.put_async(1)
        assert await asyncio.wait_for(queue.get_async(), 10) == 1

    asyncio.run(main())


def test_clean_up_of_a_generator_is_not_interrupted(engine, tmp_path):
    @trygon.remote(_generator_backpressure_num_objects=1)
    def numbers(path):
        try:
            while True:
                yield 1
        finally:
            path.write_text("done")

    paths = [tmp_path / str(number) for number in range(10)]
    for path in paths:
        generator = numbers.remote(path)
        trygon.get(next(generator))
        trygon.cancel(generator)
        del generator
    deadline = time.monotonic() + 10
    while not all(path.exists() for path in paths) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(path.exists() and path.read_text() == "done" for path in paths)


async def _value(reference):
    return await reference


@trygon.remote
def after(delay_s, value=5):
    time.sleep(delay_s)
    return value


@trygon.remote
def wrong():
    raise KeyError("not there")


@trygon.remote
class Keeper:
    def __init__(self, value=0):
        self.value = value

    def get(self):
        return self.value

    def spread(self, count):
        return [after.remote(0.05 * i, i) for i in range(count)]


def test_an_actor_is_made_before_its_arguments(engine):
    began = time.monotonic()
    keeper = Keeper.remote(after.remote(0.5))
    assert time.monotonic() - began < 0.4
    assert trygon.get(keeper.get.remote(), timeout=10) == 5


def test_an_argument_that_fails_fails_the_actor(engine):
    keeper = Keeper.remote(wrong.remote())
    with pytest.raises(trygon.exceptions.ActorDiedError, match="not there"):
        trygon.get(keeper.get.remote(), timeout=10)


def test_an_actor_that_waits_for_an_argument_can_be_killed(engine):
    keeper = Keeper.remote(after.remote(30))
    time.sleep(0.2)
    trygon.kill(keeper)
    with pytest.raises(trygon.exceptions.ActorDiedError):
        trygon.get(keeper.get.remote(), timeout=10)


def test_an_actor_without_handles_stays_while_its_objects_are_in_use(engine):
    refs = trygon.get(Keeper.remote().spread.remote(8), timeout=10)
    assert trygon.get(refs, timeout=10) == list(range(8))

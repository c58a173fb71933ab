"""`trygon.util.queue.Queue`."""

import asyncio
import queue as standard
import time

import pytest
import trygon
from trygon.util.queue import Empty, Full, Queue


def test_first_in_first_out(engine):
    queue = Queue()
    for i in range(50):
        queue.put(i)
    assert queue.size() == queue.qsize() == len(queue) == 50 and not queue.empty() and not queue.full()
    assert [queue.get() for _ in range(50)] == list(range(50))
    assert queue.empty()


def test_full_and_empty(engine):
    queue = Queue(maxsize=2)
    queue.put(1)
    queue.put(2, block=True, timeout=1)
    assert queue.full()
    for call in (
        lambda: queue.put(3, timeout=0.05),
        lambda: queue.put(3, block=False),
        lambda: queue.put_nowait(3),
        lambda: queue.put_nowait_batch([3]),
    ):
        with pytest.raises(Full) as caught:
            call()
        assert isinstance(caught.value, standard.Full)
    assert [queue.get(), queue.get(block=False)] == [1, 2]
    for call in (
        lambda: queue.get(timeout=0.05),
        lambda: queue.get(block=False),
        lambda: queue.get_nowait(),
        lambda: queue.get_nowait_batch(1),
    ):
        with pytest.raises(Empty) as caught:
            call()
        assert isinstance(caught.value, standard.Empty)


def test_timeouts_take_their_time(engine):
    queue = Queue(1)
    began = time.monotonic()
    with pytest.raises(Empty):
        queue.get(timeout=0.2)
    assert 0.15 < time.monotonic() - began < 1
    # A get that gave up takes nothing.
    queue.put("x")
    assert queue.get(timeout=1) == "x"


def test_batches(engine):
    queue = Queue(4)
    queue.put_nowait_batch([1, 2, 3])
    with pytest.raises(Full, match="room for 1"):
        queue.put_nowait_batch([4, 5])
    assert queue.size() == 3
    with pytest.raises(Empty, match="has 3 items"):
        queue.get_nowait_batch(4)
    assert queue.get_nowait_batch(2) == [1, 2] and queue.get_nowait_batch(0) == []
    queue.put_nowait_batch(iter("ab"))
    assert queue.get_nowait_batch(3) == [3, "a", "b"]


def test_wrong_arguments(engine):
    queue = Queue()
    with pytest.raises(ValueError, match="non-negative"):
        queue.get(timeout=-1)
    with pytest.raises(ValueError, match="non-negative"):
        queue.put(1, timeout=-0.1)
    with pytest.raises(TypeError, match="iterable"):
        queue.put_nowait_batch(3)
    with pytest.raises(TypeError, match="num_items"):
        queue.get_nowait_batch("3")
    with pytest.raises(ValueError, match="num_items"):
        queue.get_nowait_batch(-1)
    with pytest.raises(TypeError, match="maxsize"):
        Queue("3")


def test_waiting_for_each_other(engine):
    queue, answers = Queue(1), Queue()

    @trygon.remote
    def consume(queue, answers, count):
        for _ in range(count):
            answers.put(queue.get() * 10)

    @trygon.remote
    def produce(queue, count):
        for i in range(count):
            queue.put(i)

    done = [consume.remote(queue, answers, 20), produce.remote(queue, 20)]
    trygon.get(done, timeout=30)
    assert [answers.get() for _ in range(20)] == [10 * i for i in range(20)]


def test_many_wait_at_once(engine):
    queue = Queue()
    waiting = [queue.actor.get.remote() for _ in range(2000)]
    queue.put_nowait_batch(range(2000))
    assert sorted(trygon.get(waiting, timeout=30)) == list(range(2000))


def test_waiting_frees_the_cpu(one_cpu):
    queue = Queue()

    @trygon.remote
    def take(queue):
        return queue.get()

    @trygon.remote
    def give(queue):
        queue.put("given")

    taken = take.remote(queue)
    time.sleep(0.1)
    trygon.get(give.remote(queue), timeout=20)
    assert trygon.get(taken, timeout=20) == "given"


def test_in_event_loops(engine):
    queue = Queue(1)

    async def main():
        await queue.put_async(1)
        with pytest.raises(Full):
            await queue.put_async(2, timeout=0.05)
        with pytest.raises(Full):
            await queue.put_async(2, block=False)
        assert await queue.get_async() == 1
        with pytest.raises(Empty):
            await queue.get_async(timeout=0.05)
        with pytest.raises(Empty):
            await queue.get_async(block=False)
        with pytest.raises(ValueError):
            await queue.get_async(timeout=-1)
        taken = asyncio.gather(*[queue.get_async() for _ in range(10)])
        for i in range(10):
            await queue.put_async(i)
        assert sorted(await taken) == list(range(10))

    asyncio.run(main())


def test_inside_an_async_actor(engine):
    @trygon.remote
    class Relay:
        def __init__(self, source, target):
            self.source, self.target = source, target

        async def run(self, count):
            for _ in range(count):
                await self.target.put_async(await self.source.get_async() + 1)

    source, target = Queue(), Queue()
    relay = Relay.remote(source, target)
    running = relay.run.remote(10)
    for i in range(10):
        source.put(i)
    trygon.get(running, timeout=20)
    assert target.get_nowait_batch(10) == list(range(1, 11))


def test_values_of_all_sizes_and_references(engine):
    import numpy

    queue = Queue()
    array = numpy.arange(300_000.0)
    reference = trygon.put("kept")
    queue.put(array)
    queue.put({"reference": reference})
    queue.put(None)
    del reference
    assert (queue.get() == array).all()
    assert trygon.get(queue.get()["reference"]) == "kept"
    assert queue.get() is None


def test_options_of_the_actor(engine):
    queue = Queue(actor_options={"name": "the queue", "resources": {"widget": 1}})
    queue.put(1)
    assert trygon.get(trygon.get_actor("the queue").qsize.remote()) == 1
    assert trygon.available_resources()["widget"] == 1


def test_shutdown(engine):
    queue = Queue()

    @trygon.remote
    def use(queue):
        try:
            queue.get(timeout=10)
        except trygon.exceptions.ActorDiedError:
            return "ended"

    waiting = use.remote(queue)
    time.sleep(0.2)
    queue.shutdown()
    assert trygon.get(waiting, timeout=20) == "ended"
    with pytest.raises(trygon.exceptions.ActorDiedError):
        queue.put(1)
    queue.shutdown()
    other = Queue()
    other.put(1)
    other.shutdown(force=True)
    with pytest.raises(trygon.exceptions.ActorDiedError):
        other.qsize()


def test_a_dropped_queue_ends(engine):
    queue = Queue()
    pid = trygon.get(queue.actor.__ray_call__.remote(lambda self: __import__("os").getpid()))
    del queue
    import leaks

    assert not leaks.wait_gone([pid], 5)

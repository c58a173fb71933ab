"""The helpers where everything runs in the program's own process."""

import pytest
import trygon
from trygon.util import ActorPool, Executor, as_completed, map_unordered
from trygon.util.metrics import Counter, prometheus_text
from trygon.util.multiprocessing import Pool
from trygon.util.queue import Empty, Queue


@pytest.fixture(autouse=True)
def inline():
    with trygon.init(mode="inline", num_cpus=2):
        yield


@trygon.remote
def square(x):
    return x * x


@trygon.remote
class Squarer:
    def square(self, x):
        return x * x


def increment(x):
    if x == 13:
        raise KeyError(x)
    return x + 1


def test_results_as_they_come():
    assert sorted(as_completed([square.remote(i) for i in range(20)])) == [i * i for i in range(20)]
    assert sorted(map_unordered(square, range(30), backpressure_size=4)) == [i * i for i in range(30)]


def test_actor_pools():
    pool = ActorPool([Squarer.remote() for _ in range(2)])
    assert list(pool.map(lambda actor, value: actor.square.remote(value), range(6))) == [i * i for i in range(6)]


def test_pools_and_executors():
    with Pool(2) as pool:
        assert pool.map(increment, range(10)) == list(range(1, 11))
        assert pool.apply(increment, (1,)) == 2
        assert list(pool.imap(increment, range(5))) == [1, 2, 3, 4, 5]
        with pytest.raises(KeyError):
            pool.map(increment, [13])
    with Executor(2) as executor:
        assert executor.submit(increment, 1).result() == 2
        assert list(executor.map(increment, range(5))) == [1, 2, 3, 4, 5]


def test_queues():
    queue = Queue(2)
    queue.put(1)
    queue.put(2)
    assert [queue.get(), queue.get()] == [1, 2]
    with pytest.raises(Empty):
        queue.get(timeout=0.05)


def test_metrics():
    counter = Counter("inline")

    @trygon.remote
    def count():
        counter.inc()

    trygon.get([count.remote() for _ in range(3)])
    assert "ray_inline_total 3.0" in prometheus_text()


def test_bars(capfd):
    from trygon.experimental.tqdm_ray import tqdm

    @trygon.remote
    def work():
        return sum(tqdm(range(5), desc="inline"))

    assert trygon.get(work.remote()) == 10
    said = capfd.readouterr()
    assert "inline: 100%" in said.err and "\x01" not in said.out

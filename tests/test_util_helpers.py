"""`ActorPool`, `as_completed`, `map_unordered`, `list_named_actors`, `log_once` and what is only named."""

import itertools
import time

import pytest
import trygon
from trygon import util
from trygon.util import ActorPool, as_completed, debug, list_named_actors, map_unordered


@trygon.remote
class Doubler:
    def double(self, x):
        if x == "boom":
            raise ValueError("boom")
        if isinstance(x, float):
            time.sleep(x)
        return x * 2

    def pair(self, x):
        return x, -x

    def die(self, _):
        import os

        os._exit(1)


@trygon.remote
def give(x, seconds=0.0):
    time.sleep(seconds)
    if x == "boom":
        raise ValueError("boom")
    return x


def double(actor, value):
    return actor.double.remote(value)


@pytest.fixture
def actors(engine):
    made = [Doubler.remote() for _ in range(2)]
    yield made
    # The fixture's value outlives the engine; handles keep the descriptors of theirs.
    made.clear()


def test_map_in_order_and_not(actors):
    pool = ActorPool(actors)
    assert list(pool.map(lambda actor, value: actor.double.remote(value), range(20))) == [2 * i for i in range(20)]
    assert sorted(pool.map_unordered(double, range(20))) == [2 * i for i in range(20)]
    assert list(pool.map(double, [])) == []
    assert list(pool.map_unordered(double, [0.4, 0.0]))[0] == 0.0


def test_submit_and_get_next(actors):
    pool = ActorPool(actors)
    for value in range(5):
        pool.submit(double, value)
    assert pool.has_next() and not pool.has_free()
    assert [pool.get_next() for _ in range(5)] == [0, 2, 4, 6, 8]
    assert not pool.has_next() and pool.has_free()
    for call in (pool.get_next, pool.get_next_unordered):
        with pytest.raises(StopIteration):
            call()


def test_timeouts(actors):
    pool = ActorPool(actors)
    pool.submit(double, 0.4)
    for call in (pool.get_next, pool.get_next_unordered):
        with pytest.raises(TimeoutError):
            call(timeout=0.02)
    assert pool.has_next() and pool.get_next(timeout=5) == 0.8
    pool.submit(double, 0.3)
    with pytest.raises(TimeoutError, match="given up"):
        pool.get_next(timeout=0.02, ignore_if_timedout=True)
    assert not pool.has_next() and pool.has_free()
    pool.submit(double, 3)
    assert pool.get_next() == 6


def test_errors_of_calls_leave_the_pool_usable(actors):
    pool = ActorPool(actors)
    for value in ("boom", 2, 3):
        pool.submit(double, value)
    with pytest.raises(ValueError, match="boom"):
        pool.get_next()
    assert [pool.get_next(), pool.get_next()] == [4, 6]
    with pytest.raises(AttributeError):
        pool.submit(lambda actor, value: actor.nothing.remote(value), 1)
    assert list(pool.map(double, [1, 2])) == [2, 4]


def test_ordered_after_unordered(actors):
    pool = ActorPool(actors)
    pool.submit(double, 0.3)
    pool.submit(double, 0.0)
    assert pool.get_next_unordered() == 0.0
    pool.submit(double, 1)
    assert pool.get_next() == 0.6
    with pytest.raises(ValueError, match="get_next_unordered"):
        pool.get_next()
    assert pool.get_next_unordered() == 2
    pool.submit(double, 0.2)
    # What was under way is dropped by a map.
    assert list(pool.map(double, [5])) == [10]


def test_push_and_pop(actors):
    pool = ActorPool(actors[:1])
    with pytest.raises(ValueError, match="already"):
        pool.push(actors[0])
    pool.submit(double, 0.2)
    with pytest.raises(ValueError, match="already"):
        pool.push(actors[0])
    assert pool.pop_idle() is None
    pool.submit(double, 4)
    pool.push(actors[1])
    assert [pool.get_next(), pool.get_next()] == [0.4, 8]
    assert {pool.pop_idle(), pool.pop_idle()} == set(actors)
    assert pool.pop_idle() is None


def test_methods_with_several_results(actors):
    pool = ActorPool(actors)
    results = pool.map(lambda actor, value: actor.pair.options(num_returns=2).remote(value), [1, 2, 3])
    assert [list(result) for result in results] == [[1, -1], [2, -2], [3, -3]]
    unordered = pool.map_unordered(lambda actor, value: actor.pair.options(num_returns=2).remote(value), [1, 2])
    assert sorted(list(result) for result in unordered) == [[1, -1], [2, -2]]


def test_a_dead_actor_leaves_the_pool(actors):
    pool = ActorPool(actors)
    pool.submit(lambda actor, value: actor.die.remote(value), 0)
    with pytest.raises(trygon.exceptions.ActorDiedError):
        pool.get_next()
    assert list(pool.map(double, range(6))) == [2 * i for i in range(6)]
    pool.pop_idle()
    assert pool.pop_idle() is None


def test_a_pool_travels(actors):
    @trygon.remote
    def use(pool):
        return list(pool.map(lambda actor, value: actor.double.remote(value), range(4)))

    @trygon.remote
    class User:
        def __init__(self, pool):
            self.pool = pool

        def use(self):
            return [self.pool.get_next() for _ in range(3)]

    assert trygon.get(use.remote(ActorPool(actors))) == [0, 2, 4, 6]
    pool = ActorPool(actors)
    for value in range(3):
        pool.submit(lambda actor, value: actor.double.remote(value), value)
    assert trygon.get(User.remote(pool).use.remote()) == [0, 2, 4]


def test_as_completed(engine):
    refs = [give.remote(i, seconds) for i, seconds in enumerate((0.4, 0.0, 0.2))]
    assert list(as_completed(refs)) == [1, 2, 0]
    assert sorted(as_completed([give.remote(i) for i in range(300)], chunk_size=7)) == list(range(300))
    refs = [give.remote(i) for i in range(5)]
    assert set(as_completed(refs, yield_obj_refs=True)) == set(refs)
    assert list(as_completed([])) == []
    with pytest.raises(ValueError, match="chunk_size"):
        as_completed(refs, chunk_size=0)
    with pytest.raises(ValueError, match="boom"):
        list(as_completed([give.remote("boom")]))


def test_map_unordered(engine):
    assert sorted(map_unordered(give, range(250))) == list(range(250))
    assert sorted(map_unordered(give, range(5), backpressure_size=None)) == list(range(5))
    assert sorted(map_unordered(give.options(num_cpus=2), range(5), backpressure_size=2)) == list(range(5))
    references = list(map_unordered(give, range(5), yield_obj_refs=True))
    assert sorted(trygon.get(references)) == list(range(5))
    with pytest.raises(ValueError, match="backpressure_size"):
        map_unordered(give, [1], backpressure_size=0)
    with pytest.raises(TypeError, match="remote function"):
        map_unordered(len, [1])


def test_map_unordered_takes_items_as_it_goes(engine):
    taken = []

    def items():
        for i in itertools.count():
            taken.append(i)
            yield i

    results = map_unordered(give, items(), backpressure_size=10)
    assert len([next(results) for _ in range(50)]) == 50
    assert len(taken) <= 110
    results.close()


def test_in_a_task(engine):
    @trygon.remote
    def outer():
        return sorted(map_unordered(give, range(20), backpressure_size=4))

    assert trygon.get(outer.remote()) == list(range(20))


def test_list_named_actors():
    with trygon.init(num_cpus=2, namespace="here"):
        kept = [
            Doubler.options(name="one").remote(),
            Doubler.options(name="two", namespace="there").remote(),
            Doubler.remote(),
        ]
        trygon.get([actor.double.remote(1) for actor in kept])
        assert list_named_actors() == ["one"]
        everywhere = list_named_actors(all_namespaces=True)
        assert sorted(everywhere, key=lambda actor: actor["name"]) == [
            {"name": "one", "namespace": "here"},
            {"name": "two", "namespace": "there"},
        ]
        trygon.kill(kept[0])
        deadline = time.monotonic() + 5
        while list_named_actors() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list_named_actors() == []


def test_log_once(monkeypatch):
    for name in ("_said_s", "_is_disabled", "_is_periodic"):
        monkeypatch.setattr(debug, name, {} if name == "_said_s" else False)
    assert [util.log_once("key") for _ in range(3)] == [True, False, False]
    assert util.log_once("other")
    debug.reset_log_once("key")
    assert util.log_once("key") and not util.log_once("other")
    now = time.monotonic
    monkeypatch.setattr(debug.time, "monotonic", lambda: now() + 61)
    assert not util.log_once("key")
    util.enable_periodic_logging()
    assert [util.log_once("key") for _ in range(2)] == [True, False]
    debug.reset_log_once()
    util.disable_log_once_globally()
    assert not util.log_once("new")


def test_names():
    assert set(util.__all__) <= set(dir(util))
    for name in util.__all__:
        assert getattr(util, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        util.nothing  # noqa: B018
    with pytest.raises(ImportError, match="map_unordered"):
        import trygon.util.iter  # noqa: F401


def test_importing_util_is_cheap():
    import subprocess
    import sys

    code = (
        f"import sys; sys.path[:] = {sys.path!r}; import trygon, trygon.util;"
        "print([m for m in ('asyncio', 'threading', 'multiprocessing', 'concurrent.futures', 'numpy')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr

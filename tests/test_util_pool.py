"""`trygon.util.multiprocessing.Pool` beside what `multiprocessing.Pool` promises."""

import itertools
import multiprocessing
import os
import signal
import threading
import time

import pytest
import trygon
from trygon.util.multiprocessing import Pool, PoolTaskError, TimeoutError


@pytest.fixture
def pool(engine):
    with Pool(2) as made:
        yield made


def increment(x):
    return x + 1


def fail_on_three(x):
    if x == 3:
        raise KeyError("three")
    return x


def add(a, b=0, *, c=0):
    return a + b + c


def wait_and_give(seconds):
    time.sleep(seconds)
    return seconds


STATE = {}


def remember(value):
    STATE["value"] = value


def recall(_=None):
    return STATE.get("value")


def process_id(_=None):
    return os.getpid()


def test_map(pool):
    assert pool.map(increment, range(1000)) == list(range(1, 1001))
    assert pool.map(increment, iter([1, 2, 3]), chunksize=2) == [2, 3, 4]
    assert pool.map(increment, []) == []
    assert pool.map(lambda x: x * 2, [1, 2]) == [2, 4]
    assert pool.map(str, (1, 2)) == ["1", "2"]


def test_starmap(pool):
    assert pool.starmap(add, [(1, 2), (3, 4), (5,)]) == [3, 7, 5]
    assert pool.starmap_async(add, zip(range(10), range(10)), chunksize=3).get() == [2 * i for i in range(10)]


def test_apply(pool):
    assert pool.apply(add, (1, 2), {"c": 3}) == 6
    assert pool.apply(add, [1]) == 1
    assert pool.apply_async(add, (1,), {"b": 5}).get(timeout=10) == 6
    results = [pool.apply_async(increment, (i,)) for i in range(2000)]
    assert [result.get() for result in results] == list(range(1, 2001))


def test_methods_partials_and_remote_functions(pool):
    from functools import partial

    assert pool.apply("abc".upper) == "ABC"
    assert pool.map(partial(add, 10), [1, 2]) == [11, 12]
    assert pool.map(trygon.remote(increment), [1, 2]) == [2, 3]
    with pytest.raises(TypeError, match="calls functions"):
        pool.map(5, [1])


def test_a_changed_partial_is_sent_again(pool):
    class Holder:
        def __init__(self):
            self.value = 1

        def give(self):
            return self.value

    holder = Holder()
    assert pool.apply(holder.give) == 1
    holder.value = 2
    assert pool.apply(holder.give) == 2


def test_errors_are_the_users(pool):
    with pytest.raises(KeyError, match="three") as caught:
        pool.map(fail_on_three, range(6))
    assert type(caught.value) is KeyError
    assert "fail_on_three" in str(caught.value.__cause__)
    with pytest.raises(KeyError) as caught:
        pool.apply(fail_on_three, (3,))
    assert type(caught.value) is KeyError
    assert pool.map(fail_on_three, range(3)) == [0, 1, 2]


def test_stop_iteration_is_no_end(pool):
    def stop(x):
        raise StopIteration

    with pytest.raises((RuntimeError, StopIteration)):
        pool.map(stop, range(5))


def test_successful_ready_and_timeout(pool):
    result = pool.apply_async(wait_and_give, (0.5,))
    assert not result.ready()
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        result.get(timeout=0.05)
    assert time.monotonic() - began < 0.4
    result.wait(0.01)
    assert not result.ready()
    result.wait()
    assert result.ready() and result.successful() and result.get() == 0.5
    failed = pool.apply_async(fail_on_three, (3,))
    failed.wait()
    assert not failed.successful()
    assert issubclass(TimeoutError, multiprocessing.TimeoutError)
    assert issubclass(PoolTaskError, Exception)


def test_callbacks(pool):
    got, failed = [], []
    pool.apply_async(increment, (1,), callback=got.append, error_callback=failed.append).wait()
    pool.map_async(increment, [1, 2], callback=got.append, error_callback=failed.append).wait()
    pool.starmap_async(add, [(1, 1)], callback=got.append).wait()
    pool.map_async(increment, [], callback=got.append).wait()
    assert got == [2, [2, 3], [2], []] and not failed
    pool.map_async(fail_on_three, range(5), callback=got.append, error_callback=failed.append).wait()
    assert len(got) == 4 and [type(error) for error in failed] == [KeyError]


def test_a_callback_that_raises_is_logged_and_stops_nothing(pool, caplog):
    def bad(value):
        raise RuntimeError("in the callback")

    result = pool.apply_async(increment, (1,), callback=bad)
    assert result.get(timeout=10) == 2
    assert "RuntimeError: in the callback" in caplog.text
    assert pool.apply(increment, (5,)) == 6


def test_imap_is_ordered_and_lazy(pool):
    assert list(pool.imap(wait_and_give, [0.1, 0, 0.05, 0])) == [0.1, 0, 0.05, 0]
    taken = []

    def items():
        for i in itertools.count():
            taken.append(i)
            yield i

    results = pool.imap(increment, items())
    assert [next(results) for _ in range(10)] == list(range(1, 11))
    assert len(taken) < 500
    assert list(pool.imap(increment, range(95), chunksize=10)) == list(range(1, 96))


def test_imap_unordered(pool):
    first = next(pool.imap_unordered(wait_and_give, [1.0, 0.0]))
    assert first == 0.0
    assert sorted(pool.imap_unordered(increment, range(500), chunksize=7)) == list(range(1, 501))


def test_imap_goes_on_after_an_error(pool):
    results = pool.imap(fail_on_three, range(6), chunksize=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(results)
    assert list(results) == [4, 5]
    with pytest.raises(StopIteration):
        next(results)


def test_imap_timeout(pool):
    results = pool.imap(wait_and_give, [0.4])
    with pytest.raises(TimeoutError):
        results.next(timeout=0.05)
    assert results.next(timeout=5) == 0.4


def test_initializer(engine):
    with Pool(2, remember, ("here",)) as pool:
        assert set(pool.map(recall, range(50), chunksize=1)) == {"here"}


def test_an_initializer_that_fails_is_said_once_and_not_repeated(engine):
    with Pool(2, fail_on_three, (3,)) as pool:
        with pytest.raises(RuntimeError, match="initializer of the pool failed: KeyError"):
            pool.map(increment, range(10))
        with pytest.raises(RuntimeError, match="initializer"):
            pool.apply(increment, (1,))


def test_processes_end_after_their_calls(engine):
    with Pool(2, maxtasksperchild=3) as pool:
        pids = pool.map(process_id, range(30), chunksize=1)
        assert len(set(pids)) >= 10
        assert max(pids.count(pid) for pid in set(pids)) <= 3


def test_work_is_spread(pool):
    assert len(set(pool.map(lambda _: (time.sleep(0.05), os.getpid())[1], range(8), chunksize=1))) == 2


def test_long_calls_do_not_queue_behind_each_other(pool):
    pool.map(increment, range(2000), chunksize=1)
    began = time.monotonic()
    results = [pool.apply_async(wait_and_give, (seconds,)) for seconds in (0.6, 0.1, 0.1, 0.1, 0.1, 0.1)]
    [result.get() for result in results]
    assert time.monotonic() - began < 1.2


def test_a_process_that_dies_fails_only_its_call(pool):
    def die(x):
        if x == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    results = [pool.apply_async(die, (i,)) for i in range(40)]
    outcomes = []
    for result in results:
        try:
            outcomes.append(result.get(timeout=20))
        except trygon.exceptions.RayActorError as error:
            outcomes.append(type(error))
    assert outcomes[:5] == [0, 1, 2, 3, 4] and outcomes[6:] == list(range(6, 40))
    assert isinstance(outcomes[5], type)
    assert pool.map(increment, range(10)) == list(range(1, 11))


def test_close_and_join(engine):
    pool = Pool(2)
    with pytest.raises(ValueError, match="still running"):
        pool.join()
    results = [pool.apply_async(wait_and_give, (0.1,)) for _ in range(4)]
    pool.close()
    for refused in (
        lambda: pool.apply(increment, (1,)),
        lambda: pool.map(increment, [1]),
        lambda: pool.imap(increment, [1]),
        lambda: pool.__enter__(),
    ):
        with pytest.raises(ValueError, match="Pool not running"):
            refused()
    pool.join()
    assert all(result.ready() for result in results)
    assert [result.get() for result in results] == [0.1] * 4


def test_terminate(engine):
    pool = Pool(2)
    result = pool.apply_async(time.sleep, (60,))
    waiting = [pool.apply_async(increment, (1,)) for _ in range(100)]
    time.sleep(0.1)
    began = time.monotonic()
    pool.terminate()
    pool.join()
    with pytest.raises(RuntimeError, match="terminated"):
        result.get()
    del waiting
    assert time.monotonic() - began < 2


def test_a_dropped_pool_ends(engine):
    pool = Pool(2)
    pids = set(pool.map(process_id, range(20), chunksize=1))
    del pool
    deadline = time.monotonic() + 5
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


def test_shutdown_of_the_engine_fails_what_waits():
    trygon.init(num_cpus=2)
    pool = Pool(2)
    result = pool.apply_async(time.sleep, (60,))
    time.sleep(0.1)
    trygon.shutdown()
    with pytest.raises(Exception, match="shut down|actor|not"):
        result.get(timeout=5)


def test_arguments_are_checked(engine):
    with pytest.raises(ValueError, match="only 4 CPUs"):
        Pool(100)
    with pytest.raises(ValueError, match="at least 1"):
        Pool(0)
    with pytest.raises(TypeError):
        Pool(1.5)
    with pytest.raises(TypeError, match="callable"):
        Pool(1, initializer=5)
    with pytest.raises(ValueError, match="maxtasksperchild"):
        Pool(1, maxtasksperchild=0)
    with pytest.warns(UserWarning, match="context"), Pool(1, context=multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(ValueError, match="chunksize"):
            pool.map(increment, [1], chunksize=0)
        with pytest.raises(TypeError, match="iterable"):
            pool.map(increment, 5)
        with pytest.raises(TypeError, match="cannot be sent"):
            trygon.put(pool).hex()
        with pytest.raises(TypeError):
            pool.apply(increment, (threading.Lock(),))


def test_default_size_and_options(engine):
    with Pool(ray_remote_args={"resources": {"widget": 1}, "num_cpus": 1}) as pool:
        # Only two of the four fit: there are two widgets.
        assert pool.map(increment, range(100)) == list(range(1, 101))
        assert trygon.available_resources().get("widget", 0) == 0
    with Pool(2) as pool:
        pool.map(increment, [1])
        assert trygon.available_resources()["CPU"] == 4


def test_starts_the_engine():
    with Pool(3) as pool:
        assert pool.map(increment, [1, 2]) == [2, 3]
        assert trygon.cluster_resources()["CPU"] == 3


def test_inside_a_task_that_holds_the_only_cpu(one_cpu):
    @trygon.remote
    def inner(x):
        return x * 10

    @trygon.remote
    def outer():
        with Pool(1) as pool:
            return pool.map(lambda x: trygon.get(inner.remote(x)), [1, 2, 3])

    assert trygon.get(outer.remote(), timeout=30) == [10, 20, 30]


def test_large_values(pool):
    import numpy

    array = numpy.arange(200_000.0)
    assert pool.apply(numpy.sum, (array,)) == array.sum()
    doubled = pool.map(lambda a: a * 2, [array, array])
    assert (doubled[1] == array * 2).all()


def test_from_several_threads(pool):
    found = {}

    def use(base):
        found[base] = [pool.apply(add, (base, i)) for i in range(50)]

    threads = [threading.Thread(target=use, args=(base,)) for base in (0, 1000, 2000)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == {base: [base + i for i in range(50)] for base in (0, 1000, 2000)}


def test_a_callback_that_blocks_holds_up_no_result(pool):
    release = threading.Event()
    blocked = pool.apply_async(increment, (1,), callback=lambda _: release.wait(20))
    found = []

    def use():
        found.append(pool.apply(increment, (5,)))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(10)
    assert found == [6] and not blocked.ready()
    release.set()
    assert blocked.get(timeout=10) == 2


def test_callbacks_may_use_the_pool(pool):
    chained = []
    first = pool.apply_async(increment, (1,), callback=lambda value: chained.append(pool.apply(increment, (value,))))
    first.wait(10)
    assert chained == [3]


def test_who_waits_does_not_hold_up_the_others(pool):
    pool.map(increment, range(10), chunksize=1)
    slow = threading.Thread(target=pool.apply, args=(wait_and_give, (1.5,)))
    slow.start()
    time.sleep(0.1)
    took = []
    for _ in range(20):
        arrived = threading.Event()
        began = time.monotonic()
        pool.apply_async(increment, (1,), callback=lambda _, event=arrived: event.set())
        assert arrived.wait(5)
        took.append(time.monotonic() - began)
    slow.join()
    # A machine that is busy may delay one or two.
    assert sorted(took)[-3] < 0.2, took

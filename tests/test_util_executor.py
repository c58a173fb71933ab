"""`trygon.util.executor.Executor` beside what `concurrent.futures` promises."""

import asyncio
import concurrent.futures
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import trygon
from trygon.util.executor import Executor


@pytest.fixture
def executor(engine):
    with Executor(2) as made:
        yield made


def increment(x):
    return x + 1


def wait_and_give(seconds):
    time.sleep(seconds)
    return seconds


def until_running(futures):
    deadline = time.monotonic() + 20
    while not all(future.running() for future in futures):
        assert time.monotonic() < deadline
        time.sleep(0.002)


def mark(value):
    os.environ["TRYGON_TEST_MARK"] = value


def marked():
    return os.environ.get("TRYGON_TEST_MARK")


def fail(x):
    raise LookupError(f"no {x}")


def test_submit(executor):
    assert isinstance(executor, concurrent.futures.Executor)
    assert executor.submit(increment, 1).result() == 2
    assert executor.submit(lambda *a, **k: (a, k), 1, b=2).result(timeout=10) == ((1,), {"b": 2})
    futures = [executor.submit(increment, i) for i in range(2000)]
    assert [future.result() for future in futures] == list(range(1, 2001))


def test_errors(executor):
    future = executor.submit(fail, 5)
    with pytest.raises(LookupError, match="no 5") as caught:
        future.result()
    assert type(caught.value) is LookupError and "in fail" in str(caught.value.__cause__)
    assert type(future.exception()) is LookupError
    assert executor.submit(increment, 1).exception() is None


def test_states_callbacks_and_timeouts(executor):
    future = executor.submit(wait_and_give, 0.4)
    called = []
    future.add_done_callback(called.append)
    until_running([future])
    assert not future.done() and not future.cancel()
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(timeout=0.05)
    with pytest.raises(TimeoutError):
        future.exception(timeout=0.01)
    assert future.result() == 0.4 and future.done() and called == [future]


def test_as_completed_and_wait(executor):
    futures = [executor.submit(wait_and_give, seconds) for seconds in (0.3, 0.0, 0.1)]
    assert [future.result() for future in concurrent.futures.as_completed(futures)][-1] == 0.3
    done, waiting = concurrent.futures.wait([executor.submit(increment, i) for i in range(20)])
    assert len(done) == 20 and not waiting


def test_cancel_what_waits(executor):
    running = [executor.submit(wait_and_give, 0.5) for _ in range(2)]
    until_running(running)
    waiting = [executor.submit(increment, i) for i in range(10)]
    cancelled = [future for future in waiting if future.cancel()]
    assert len(cancelled) == 10
    with pytest.raises(concurrent.futures.CancelledError):
        cancelled[0].result()
    assert [future.result() for future in running] == [0.5, 0.5]
    assert executor.submit(increment, 1).result() == 2


def test_map(executor):
    assert list(executor.map(increment, range(500))) == list(range(1, 501))
    assert list(executor.map(pow, [2, 3], [3, 2])) == [8, 9]
    assert list(executor.map(increment, range(1000), chunksize=100)) == list(range(1, 1001))
    assert list(executor.map(increment, [])) == []
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(increment, [1], chunksize=0)


def test_map_error_and_timeout(executor):
    results = executor.map(lambda x: 10 // x, [1, 0, 2])
    assert next(results) == 10
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)
    with pytest.raises(TimeoutError):
        list(executor.map(wait_and_give, [0, 1], timeout=0.2))


def test_map_takes_items_as_results_are_taken(executor):
    taken = []

    def items():
        for i in range(10**9):
            taken.append(i)
            yield i

    results = executor.map(increment, items(), buffersize=4)
    assert [next(results) for _ in range(10)] == list(range(1, 11))
    assert len(taken) <= 15
    results.close()


def test_shutdown(engine):
    executor = Executor(2)
    futures = [executor.submit(wait_and_give, 0.1) for _ in range(6)]
    executor.shutdown()
    assert all(future.done() for future in futures)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(increment, 1)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.map(increment, [1])
    executor.shutdown()


def test_shutdown_without_waiting_and_with_cancelling(engine):
    executor = Executor(1)
    first = executor.submit(wait_and_give, 0.3)
    until_running([first])
    others = [executor.submit(increment, i) for i in range(5)]
    began = time.monotonic()
    executor.shutdown(wait=False, cancel_futures=True)
    assert time.monotonic() - began < 0.1
    assert all(future.cancelled() for future in others)
    assert first.result(timeout=5) == 0.3


def test_a_dropped_executor_finishes_its_work(engine):
    future = Executor(1).submit(wait_and_give, 0.2)
    assert future.result(timeout=10) == 0.2


def test_initializer(engine):
    with Executor(2, initializer=mark, initargs=("yes",)) as executor:
        assert executor.submit(marked).result() == "yes"
    with Executor(1, initializer=fail, initargs=(1,)) as executor:
        with pytest.raises(concurrent.futures.BrokenExecutor, match="no 1"):
            executor.submit(increment, 1).result()
        with pytest.raises(concurrent.futures.BrokenExecutor):
            executor.submit(increment, 1)


def test_a_dying_process_fails_one_call(executor):
    victim = executor.submit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    rest = [executor.submit(increment, i) for i in range(20)]
    with pytest.raises(trygon.exceptions.ActorDiedError):
        victim.result(timeout=20)
    assert [future.result(timeout=20) for future in rest] == list(range(1, 21))


def test_calls_per_child(engine):
    with Executor(1, max_tasks_per_child=2) as executor:
        pids = [executor.submit(os.getpid).result() for _ in range(6)]
    assert len(set(pids)) == 3


def test_in_an_event_loop(executor):
    async def main():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*[loop.run_in_executor(executor, increment, i) for i in range(300)])

    assert asyncio.run(main()) == list(range(1, 301))


def test_wrong_arguments(engine):
    with pytest.raises(ValueError, match="max_workers"):
        Executor(0)
    with pytest.raises(TypeError, match="initializer"):
        Executor(1, initializer=5)
    with pytest.raises(TypeError, match="max_tasks_per_child"):
        Executor(1, max_tasks_per_child="2")
    with pytest.raises(ValueError, match="max_tasks_per_child"):
        Executor(1, max_tasks_per_child=0)
    with Executor(1) as executor, pytest.raises(TypeError, match="cannot be sent"):
        trygon.put(executor)


def test_the_end_of_the_program_waits_for_what_was_submitted():
    body = f"""
        import sys, time; sys.path[:] = {sys.path!r}
        import trygon
        from trygon.util import Executor
        trygon.init(num_cpus=1)
        def speak(i):
            time.sleep(0.1); print("said", i)
        executor = Executor(1)
        for i in range(3): executor.submit(speak, i)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(body)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [line.split(") ")[1] for line in done.stdout.splitlines()] == ["said 0", "said 1", "said 2"]

"""How multiprocessing.Pool does the rows that make sense for it: one task is one apply_async of a module function."""

import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

from rows.concurrency import submitted
from rows.context import check, clock
from rows.fresh import EXTRA_WORKERS
from rows.registry import pool_row
from rows.tasks import SPEED_TURNS, efficiency


def increment(x):
    """x -> x + 1"""
    return x + 1


def spin(iterations, x):
    """x -> x + 1 after that many turns of an empty loop."""
    for _ in range(iterations):
        pass
    return x + 1


def spin_seconds(iterations):
    """Seconds that the loop of `spin` takes in the worker."""
    start = clock()
    for _ in range(iterations):
        pass
    return clock() - start


def make_array(x, length):
    """An array as a task's result, which Pool has to copy to its caller."""
    import numpy

    return numpy.full(length, x, dtype=numpy.int64)


def slow_increment(x):
    """increment, slow enough that both workers get some."""
    time.sleep(0.05)
    return x + 1


def submit_and_get(pool, context, count):
    """A round: one apply_async per task, then all results."""

    def once():
        values = context.values(count)
        start = clock()
        pending = [pool.apply_async(increment, (value,)) for value in values]
        results = [item.get() for item in pending]
        seconds = clock() - start
        check(sum(results), sum(values) + count, "sum of results")
        return seconds

    return once


@pool_row("single client tasks sync")
def tasks_sync(pool, context):
    return context.latency("single client tasks sync", lambda x: pool.apply(increment, (x,)))


@pool_row("single client tasks async")
def tasks_async(pool, context):
    return context.rate("single client tasks async", 1000, submit_and_get(pool, context, 1000))


@pool_row("single client tasks and get batch")
def tasks_and_get_batch(pool, context):
    return context.rate("single client tasks and get batch", 1, submit_and_get(pool, context, 1000))


@pool_row("Pool.map of x + 1")
def pool_map(pool, context):
    def once() -> float:
        values = context.values(10_000)
        start = clock()
        results = pool.map(increment, values)
        seconds = clock() - start
        check(results == [value + 1 for value in values], True, "results in order")
        return seconds

    return context.rate("Pool.map of x + 1", 10_000, once)


@pool_row("Pool.apply_async of x + 1")
def pool_apply(pool, context):
    return context.rate("Pool.apply_async of x + 1", 1000, submit_and_get(pool, context, 1000))


@pool_row("Executor.submit of x + 1")
def executor_submit(pool, context):
    executor = context.state.get("executor")
    if executor is None:
        executor = context.state["executor"] = ProcessPoolExecutor(2)
    return context.rate("Executor.submit of x + 1", 1000, submitted(context, executor, increment))


@pool_row("submit 100k then drain")
def backlog(pool, context):
    count = 10_000 if context.quick else 30_000
    values = context.values(count)
    start = clock()
    pending = [pool.apply_async(increment, (value,)) for value in values]
    submitted = clock()
    results = [item.get() for item in pending]
    end = clock()
    check(sum(results), sum(values) + count, "sum of results")
    return {"submit 100k": count / (submitted - start), "submit 100k then drain": count / (end - start)}


def efficiency_row(task_us):
    """The row for tasks of that length."""
    name = f"efficiency of {task_us} us tasks"

    @pool_row(name)
    def measure(pool, context):
        def submit_all(turns, values):
            pending = [pool.apply_async(spin, (turns, value)) for value in values]
            return [item.get() for item in pending]

        speed = SPEED_TURNS / statistics.median(pool.map(spin_seconds, [SPEED_TURNS] * 8, chunksize=1))
        return efficiency(name, task_us, context, speed, submit_all)


efficiency_row(10)
efficiency_row(100)


@pool_row("get 100 MB")
def get_large(pool, context):
    length = 100 * 1000 * 1000 // 8
    samples = []
    for value in context.values(2 if context.quick else 4):
        start = clock()
        array = pool.apply(make_array, (value, length))
        samples.append(clock() - start)
        check(int(array[::4999].sum()), value * len(array[::4999]), "checksum")
    return {"get 100 MB": 1e6 * statistics.median(samples)}


@pool_row("dependent chain of 1000")
def chain(pool, context):
    def once():
        first = value = context.values(1)[0]
        start = clock()
        for _ in range(1000):
            value = pool.apply(increment, (value,))
        seconds = clock() - start
        check(value, first + 1000, "end of the chain")
        return seconds

    return context.rate("dependent chain of 1000", 1000, once)


@pool_row("fan-in of 1000 tasks")
def fan_in(pool, context):
    def once():
        values = context.values(1000)
        start = clock()
        pending = [pool.apply_async(increment, (value,)) for value in values]
        total = pool.apply(sum, ([item.get() for item in pending],))
        seconds = clock() - start
        check(total, sum(values) + 1000, "sum")
        return seconds

    return context.duration_ms("fan-in of 1000 tasks", once)


def start_workers(context, count):
    """Milliseconds from nothing to the first answers of that many new workers."""
    values = context.values(count)
    start = clock()
    with multiprocessing.Pool(count) as pool:
        results = pool.map(increment, values, chunksize=1)
        seconds = clock() - start
    check(results, [value + 1 for value in values], "first results")
    return 1e3 * seconds


@pool_row("worker start to first result")
def worker_start(pool, context):
    return {"worker start to first result": statistics.median(start_workers(context, 1) for _ in range(5))}


@pool_row("20 actors to first results")
def twenty_workers(pool, context):
    return {"20 actors to first results": start_workers(context, 20)}


@pool_row("import and init to first result")
def import_and_init(_, context):
    # The import was timed by the child, since this module has to import multiprocessing before the row begins.
    import_ms = 1e3 * context.import_seconds
    return {"import and init to first result": import_ms + start_workers(context, 2), "import alone": import_ms}


@pool_row("idle settle")
def idle_settle(pool, context):
    values = context.values(4)
    check(sum(pool.map(slow_increment, values, chunksize=1)), sum(values) + 4, "sum of results")
    return {}


@pool_row("idle grow")
def idle_grow(pool, context):
    context.state["idle pool"] = multiprocessing.Pool(EXTRA_WORKERS)
    return {}

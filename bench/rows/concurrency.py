"""Rows about actors that run several calls at once, and about streams of results."""

from rows.context import check, clock
from rows.registry import row
from rows.tasks import sum_of_increments


def actors(engine, context):
    """One actor with threads and one with an event loop; made once per engine process."""
    found = context.state.get("concurrent actors")
    if found is None:

        class Threaded:
            def increment(self, x):
                return x + 1

        class Looped:
            async def increment(self, x):
                return x + 1

        threaded = engine.remote(Threaded).options(max_concurrency=4).remote()
        looped = engine.remote(Looped).remote()
        found = context.state["concurrent actors"] = (threaded, looped)
    return found


@row("threaded actor calls sync")
def threaded_sync(engine, context):
    threaded, _ = actors(engine, context)
    return context.latency("threaded actor calls sync", lambda x: engine.get(threaded.increment.remote(x)))


@row("threaded actor calls async")
def threaded_async(engine, context):
    threaded, _ = actors(engine, context)
    return context.rate("threaded actor calls async", 1000, calls(engine, context, threaded))


@row("1:1 async actor calls sync")
def looped_sync(engine, context):
    _, looped = actors(engine, context)
    return context.latency("1:1 async actor calls sync", lambda x: engine.get(looped.increment.remote(x)))


@row("1:1 async actor calls async")
def looped_async(engine, context):
    _, looped = actors(engine, context)
    return context.rate("1:1 async actor calls async", 1000, calls(engine, context, looped))


def calls(engine, context, actor):
    """A round: a thousand calls at once, then all results."""

    def once() -> float:
        values = context.values(1000)
        start = clock()
        results = engine.get([actor.increment.remote(value) for value in values])
        seconds = clock() - start
        check(results == [value + 1 for value in values], True, "results in order")
        return seconds

    return once


@row("generator items small")
def generator_items(engine, context):
    count = context.size(10_000, ray=500)

    def produce(x, count):
        for i in range(count):
            yield x + i + 1

    stream = engine.remote(produce).options(num_returns="streaming")

    def once() -> float:
        x = context.values(1)[0]
        start = clock()
        total = sum(engine.get(ref) for ref in stream.remote(x, count))
        seconds = clock() - start
        check(total, sum_of_increments(x, count), "sum of items")
        return seconds

    return context.rate("generator items small", count, once)


@row("queue put and get")
def queue_items(engine, context):
    if context.engine_name == "ray":
        from ray.util.queue import Queue
    else:
        from trygon.util.queue import Queue

    queue = context.state.get("queue")
    if queue is None:
        queue = context.state["queue"] = Queue()
    count = context.size(500, ray=100)

    def once() -> float:
        values = context.values(count)
        start = clock()
        received = []
        for value in values:
            queue.put(value)
            received.append(queue.get())
        seconds = clock() - start
        check(received == values, True, "items in order")
        return seconds

    return context.rate("queue put and get", count, once)


@row("Pool.map of x + 1")
def pool_map(engine, context):
    if context.engine_name == "ray":
        from ray.util.multiprocessing import Pool
    else:
        from trygon.util.multiprocessing import Pool

    pool = context.state.get("pool")
    if pool is None:
        pool = context.state["pool"] = Pool(2)
    count = context.size(10_000, ray=10_000)

    def increment(x):
        return x + 1

    def once() -> float:
        values = context.values(count)
        start = clock()
        results = pool.map(increment, values)
        seconds = clock() - start
        check(results == [value + 1 for value in values], True, "results in order")
        return seconds

    return context.rate("Pool.map of x + 1", count, once)


@row("Pool.apply_async of x + 1")
def pool_apply(engine, context):
    if "pool" not in context.state:
        pool_map(engine, context)
    pool = context.state["pool"]
    count = context.size(1000, ray=200)

    def increment(x):
        return x + 1

    def once() -> float:
        values = context.values(count)
        start = clock()
        results = [result.get() for result in [pool.apply_async(increment, (value,)) for value in values]]
        seconds = clock() - start
        check(results == [value + 1 for value in values], True, "results in order")
        return seconds

    return context.rate("Pool.apply_async of x + 1", count, once)


@row("Executor.submit of x + 1", skip={"ray": "Ray has no concurrent.futures executor"})
def executor_submit(engine, context):
    from trygon.util import Executor

    executor = context.state.get("executor")
    if executor is None:
        executor = context.state["executor"] = Executor(2)

    def increment(x):
        return x + 1

    return context.rate("Executor.submit of x + 1", 1000, submitted(context, executor, increment))


def submitted(context, executor, increment):
    """A round: a thousand futures, then their results."""

    def once() -> float:
        values = context.values(1000)
        start = clock()
        results = [future.result() for future in [executor.submit(increment, value) for value in values]]
        seconds = clock() - start
        check(results == [value + 1 for value in values], True, "results in order")
        return seconds

    return once

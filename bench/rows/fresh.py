"""Rows that need a process of their own: start-up, memory never touched before, recursion on one CPU, idling."""

import importlib
import statistics
import time

from rows.context import check, clock
from rows.objects import MEGABYTES_100, random_array, spot_sum
from rows.registry import row

RAY_RECURSION = "not asked: it starts a process (1 s) for each blocked task"
EXTRA_WORKERS = 4


@row("import and init to first result", kind="start", repeats={"ray": 2})
def import_and_init(_, context):
    value = context.values(1)[0]
    start = clock()
    engine = importlib.import_module(context.engine_name)
    imported = clock()
    engine.init(num_cpus=2)

    @engine.remote
    def increment(x):
        return x + 1

    result = engine.get(increment.remote(value))
    end = clock()
    check(result, value + 1, "first result")
    engine.shutdown()
    return {"import and init to first result": 1e3 * (end - start), "import alone": 1e3 * (imported - start)}


@row("put 100 MB fresh", kind="fresh", repeats={"ray": 2})
def put_fresh(engine, context):
    array = random_array(context, MEGABYTES_100)
    checksum = spot_sum(array)
    kept, rates = [], []
    for _ in range(8):
        start = clock()
        ref = engine.put(array)
        rates.append(array.nbytes / 1e9 / (clock() - start))
        # Kept alive, so that no put can reuse the pages of an earlier one.
        kept.append(ref)
    for ref in kept:
        check(spot_sum(engine.get(ref)), checksum, "checksum")
    return {"put 100 MB fresh": statistics.median(rates)}


@row(
    "fib(20) nested on 1 CPU",
    kind="fresh",
    num_cpus=1,
    count_processes=True,
    repeats={"trygon": 2},
    skip={"ray": RAY_RECURSION},
)
def fib(engine, context):
    @engine.remote
    def fib(n):
        if n < 2:
            return n
        return sum(engine.get([fib.remote(n - 1), fib.remote(n - 2)]))

    start = clock()
    result = engine.get(fib.remote(20))
    seconds = clock() - start
    check(result, 6765, "fib(20)")
    return {"fib(20) nested on 1 CPU": seconds}


@row(
    "nesting 200 deep on 1 CPU",
    kind="fresh",
    num_cpus=1,
    count_processes=True,
    repeats={"trygon": 2},
    skip={"ray": RAY_RECURSION},
)
def deep(engine, context):
    @engine.remote
    def descend(n, x):
        return x if n == 1 else engine.get(descend.remote(n - 1, x)) + 1

    value = context.values(1)[0]
    start = clock()
    result = engine.get(descend.remote(200, value))
    seconds = clock() - start
    check(result, value + 199, "result")
    return {"nesting 200 deep on 1 CPU": seconds}


@row("idle settle", kind="idle")
def idle_settle(engine, context):
    """Uses both workers once, so that what idles afterwards is a started engine and not an empty one."""

    @engine.remote
    def increment(x):
        time.sleep(0.05)
        return x + 1

    values = context.values(4)
    check(sum(engine.get([increment.remote(value) for value in values])), sum(values) + 4, "sum of results")
    return {}


@row("idle grow", kind="idle")
def idle_grow(engine, context):
    """Adds workers that idle: actors, each of which holds a process."""
    actors = [context.kit.Server.remote() for _ in range(EXTRA_WORKERS)]
    values = context.values(EXTRA_WORKERS)
    results = engine.get([actor.increment.remote(value) for actor, value in zip(actors, values)])
    check(results, [value + 1 for value in values], "first results")
    context.state["idle actors"] = actors
    return {}

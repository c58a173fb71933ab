"""Rows about objects: small and large puts and gets, waiting, and objects that hold references."""

import statistics

from rows.context import check, clock
from rows.registry import row

MEGABYTES_100 = 100 * 1000 * 1000 // 8  # in items of int64


def random_array(context, length: int):
    """An int64 array of that length whose pages all differ from zero and from each other's runs."""
    import numpy

    generator = numpy.random.default_rng(context.random.getrandbits(32))
    return numpy.resize(generator.integers(1, 1 << 40, 1_000_003, dtype=numpy.int64), length)


def spot_sum(array) -> int:
    """A cheap checksum: every 4999th item and the last."""
    return int(array[::4999].sum()) + int(array[-1])


@row("single client get calls (Plasma Store)")
def get_calls(engine, context):
    count = context.size(10_000, ray=2000)
    get, put = engine.get, engine.put

    def once() -> float:
        value = context.values(1)[0]
        ref = put(value)
        start = clock()
        results = [get(ref) for _ in range(count)]
        seconds = clock() - start
        check(sum(results), count * value, "sum of values")
        return seconds

    return context.rate("single client get calls (Plasma Store)", count, once)


@row("single client put calls (Plasma Store)")
def put_calls(engine, context):
    count = context.size(10_000, ray=500)
    put = engine.put

    def once() -> float:
        values = context.values(count)
        kept = None
        start = clock()
        for value in values:
            kept = put(value)
        seconds = clock() - start
        check(engine.get(kept), values[-1], "last value")
        return seconds

    return context.rate("single client put calls (Plasma Store)", count, once)


@row("multi client put calls (Plasma Store)")
def multi_client_put_calls(engine, context):
    count = context.size(10_000, ray=100)

    def once() -> float:
        values = context.values(10)
        start = clock()
        counts = engine.get([context.kit.put_small.remote(x, count) for x in values])
        seconds = clock() - start
        check(counts, [count] * 10, "objects put by each task")
        return seconds

    return context.rate("multi client put calls (Plasma Store)", 10 * count, once)


@row("single client put gigabytes")
def put_gigabytes(engine, context):
    array = random_array(context, 100 * 1024 * 1024)
    checksum = spot_sum(array)

    def once() -> float:
        start = clock()
        ref = engine.put(array)
        seconds = clock() - start
        check(spot_sum(engine.get(ref)), checksum, "checksum")
        return seconds

    return context.rate("single client put gigabytes", array.nbytes / 1e9, once)


@row("multi client put gigabytes", repeats={"ray": 2})
def multi_client_put_gigabytes(engine, context):
    tasks, puts, length = 4, 5, 10 * 1024 * 1024

    def once() -> float:
        values = context.values(tasks)
        start = clock()
        totals = engine.get([context.kit.put_large.remote(x, puts, length) for x in values])
        seconds = clock() - start
        check(totals, [puts * x for x in values], "last items")
        return seconds

    return context.rate("multi client put gigabytes", tasks * puts * length * 8 / 1e9, once)


@row("put 100 MB warm")
def put_warm(engine, context):
    array = random_array(context, MEGABYTES_100)
    checksum = spot_sum(array)

    def once() -> float:
        start = clock()
        ref = engine.put(array)
        seconds = clock() - start
        check(spot_sum(engine.get(ref)), checksum, "checksum")
        return seconds

    return context.rate("put 100 MB warm", array.nbytes / 1e9, once)


@row("get 100 MB")
def get_large(engine, context):
    array = random_array(context, MEGABYTES_100)
    checksum = spot_sum(array)
    ref = engine.put(array)
    samples = []
    for _ in range(50):
        start = clock()
        view = engine.get(ref)
        samples.append(clock() - start)
        check(spot_sum(view), checksum, "checksum")
        del view
    return {"get 100 MB": 1e6 * statistics.median(samples)}


@row("get of 10k ready refs")
def get_ready(engine, context):
    refs, values = context.kit.ready

    def once() -> float:
        start = clock()
        results = engine.get(refs)
        seconds = clock() - start
        check(sum(results), sum(values), "sum of values")
        return seconds

    return context.duration_ms("get of 10k ready refs", once)


@row("single client get object containing 10k refs")
def get_object_of_refs(engine, context):
    if "object of refs" not in context.state:

        @engine.remote
        def make_refs(x, count):
            return [engine.put(x + i) for i in range(count)]

        x = context.values(1)[0]
        context.state["object of refs"] = (x, make_refs.remote(x, 10_000))
    x, outer = context.state["object of refs"]
    place = context.random.randrange(10_000)

    def once() -> float:
        start = clock()
        refs = engine.get(outer)
        seconds = clock() - start
        check(len(refs), 10_000, "references")
        check(engine.get(refs[place]), x + place, "value behind one reference")
        return seconds

    return context.rate("single client get object containing 10k refs", 1, once)


@row("single client wait 1k refs")
def wait_one_by_one(engine, context):
    increment = context.kit.increment

    def once() -> float:
        values = context.values(1000)
        done = []
        start = clock()
        waiting = [increment.remote(value) for value in values]
        fetch = True
        while waiting:
            ready, waiting = engine.wait(waiting, fetch_local=fetch)
            done += ready
            # As in Ray's own benchmark: asking to fetch once is enough, and cheaper for Ray.
            fetch = False
        seconds = clock() - start
        check(sum(engine.get(done)), sum(values) + 1000, "sum of results")
        return seconds

    return context.rate("single client wait 1k refs", 1, once)

"""Rows about two machines: tasks, actor calls and objects between a program on one and workers on the other."""

import importlib
import statistics

from rows.context import check, clock
from rows.objects import MEGABYTES_100, spot_sum
from rows.registry import row

# The other machine: each node has a resource with the name of its machine.
THERE = {"num_cpus": 1, "resources": {"b": 0.001}}
GROUPS = 100


@row("remote task sync", kind="remote", repeats={"ray": 2})
def remote_sync(engine, context):
    get, increment = engine.get, context.kit.increment.options(**THERE)
    return context.latency("remote task sync", lambda x: get(increment.remote(x)))


@row("remote tasks async", kind="remote", repeats={"ray": 2})
def remote_async(engine, context):
    count = context.size(10_000, ray=1000)
    increment = context.kit.increment.options(**THERE)

    def once() -> float:
        values = context.values(count)
        start = clock()
        results = engine.get([increment.remote(value) for value in values])
        seconds = clock() - start
        check(sum(results), sum(values) + count, "sum of results")
        return seconds

    return context.rate("remote tasks async", count, once)


@row("remote actor sync", kind="remote", repeats={"ray": 2})
def remote_actor(engine, context):
    if "remote actor" not in context.state:
        context.state["remote actor"] = context.kit.Server.options(**THERE | {"num_cpus": 0}).remote()
    get, actor = engine.get, context.state["remote actor"]
    return context.latency("remote actor sync", lambda x: get(actor.increment.remote(x)))


@row("remote actor async", kind="remote", repeats={"ray": 2})
def remote_actor_async(engine, context):
    count = context.size(10_000, ray=1000)
    actor = context.kit.Server.options(**THERE | {"num_cpus": 0}).remote()

    def once() -> float:
        values = context.values(count)
        start = clock()
        results = engine.get([actor.increment.remote(value) for value in values])
        seconds = clock() - start
        check(sum(results), sum(values) + count, "sum of results")
        return seconds

    return context.rate("remote actor async", count, once)


def pulled(engine, context, count: int, keep: bool) -> list[float]:
    """GB/s of so many arrays of 100 MB, each made there and read here; all kept, or each dropped before the next."""

    @engine.remote
    def make(seed):
        import numpy

        array = numpy.random.default_rng(seed).integers(1, 1 << 40, MEGABYTES_100, dtype=numpy.int64)
        return array, int(array[::4999].sum()) + int(array[-1])

    rates, kept = [], []
    make = make.options(num_returns=2, **THERE)
    for seed in context.values(count):
        array, expected = make.remote(seed)
        expected = engine.get(expected)
        start = clock()
        value = engine.get(array)
        rates.append(value.nbytes / 1e9 / (clock() - start))
        check(spot_sum(value), expected, "checksum")
        if keep:
            kept.append(value)
        del value, array
    return rates


@row("remote get 100 MB, warm", kind="remote", repeats={"ray": 2})
def get_warm(engine, context):
    # The first ones find memory that was never touched.
    warmed = context.state.setdefault("remote get", [])
    count = 4 if warmed else 8
    warmed.append(count)
    return {"remote get 100 MB, warm": statistics.median(pulled(engine, context, count, keep=False)[-4:])}


@row("remote get 100 MB, fresh", kind="remote", repeats={"trygon": 1, "ray": 1})
def get_fresh(engine, context):
    return {"remote get 100 MB, fresh": statistics.median(pulled(engine, context, 8, keep=True))}


@row("remote placement group create + remove", kind="remote", repeats={"ray": 2})
def create_and_remove(engine, context):
    module = importlib.import_module(f"{context.engine_name}.util.placement_group")

    def once() -> float:
        start = clock()
        groups = [module.placement_group([{"a": 0.001}, {"b": 0.001}]) for _ in range(GROUPS)]
        ready = sum(group.wait(30) for group in groups)
        for group in groups:
            module.remove_placement_group(group)
        seconds = clock() - start
        check(ready, GROUPS, "groups that were ready")
        return seconds

    return context.rate("remote placement group create + remove", GROUPS, once)

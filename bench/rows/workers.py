"""Rows about new worker processes: one actor from nothing to its first answer, and twenty at once."""

import statistics
import time

from rows.context import check, clock
from rows.registry import row

SETTLE_S = 0.2  # after killing actors, so that the next sample does not pay for their death


@row("worker start to first result")
def worker_start(engine, context):
    samples = []
    for _ in range(context.size(10, ray=2)):
        value = context.values(1)[0]
        start = clock()
        actor = context.kit.Server.remote()
        result = engine.get(actor.increment.remote(value))
        samples.append(clock() - start)
        check(result, value + 1, "first result")
        engine.kill(actor)
        del actor
        time.sleep(SETTLE_S / 4)
    return {"worker start to first result": 1e3 * statistics.median(samples)}


@row("20 actors to first results", repeats={"ray": 1})
def twenty_actors(engine, context):
    values = context.values(20)
    start = clock()
    actors = [context.kit.Server.remote() for _ in range(20)]
    results = engine.get([actor.increment.remote(value) for actor, value in zip(actors, values)])
    seconds = clock() - start
    check(results, [value + 1 for value in values], "first results")
    for actor in actors:
        engine.kill(actor)
    time.sleep(SETTLE_S)
    return {"20 actors to first results": 1e3 * seconds}

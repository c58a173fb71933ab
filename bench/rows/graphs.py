"""Rows about dependencies: a chain, a fan-in, and one task with very many object arguments."""

from rows.context import check, clock
from rows.registry import row


@row("dependent chain of 1000")
def chain(engine, context):
    increment = context.kit.increment

    def once() -> float:
        value = context.values(1)[0]
        start = clock()
        ref = increment.remote(value)
        for _ in range(999):
            ref = increment.remote(ref)
        result = engine.get(ref)
        seconds = clock() - start
        check(result, value + 1000, "end of the chain")
        return seconds

    return context.rate("dependent chain of 1000", 1000, once)


@row("fan-in of 1000 tasks")
def fan_in(engine, context):
    increment, add_all = context.kit.increment, context.kit.add_all

    def once() -> float:
        values = context.values(1000)
        start = clock()
        total = engine.get(add_all.remote(*[increment.remote(value) for value in values]))
        seconds = clock() - start
        check(total, sum(values) + 1000, "sum")
        return seconds

    return context.duration_ms("fan-in of 1000 tasks", once)


@row("one task with 10k object arguments")
def many_arguments(engine, context):
    refs, values = context.kit.ready

    def once() -> float:
        start = clock()
        total = engine.get(context.kit.add_all.remote(*refs))
        seconds = clock() - start
        check(total, sum(values), "sum")
        return seconds

    return context.duration_ms("one task with 10k object arguments", once)

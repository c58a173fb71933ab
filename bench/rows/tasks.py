"""Rows about tasks: sync, async, batches, nested, several clients, backlog, and the share of time that is useful."""

import statistics

from rows.context import check, clock
from rows.registry import row


# Turns of an empty loop in one trial of a worker's speed: about 10 ms.
SPEED_TURNS = 1_000_000


def sum_of_increments(x: int, count: int) -> int:
    """What `count` increments of x, x + 1, ... add up to."""
    return count * x + count * (count - 1) // 2 + count


def submit_and_get(engine, context, count: int):
    """A round: submit `count` tasks with random arguments, get all, check the sum."""
    increment = context.kit.increment

    def once() -> float:
        values = context.values(count)
        start = clock()
        results = engine.get([increment.remote(value) for value in values])
        seconds = clock() - start
        check(sum(results), sum(values) + count, "sum of results")
        return seconds

    return once


@row("single client tasks sync")
def tasks_sync(engine, context):
    get, increment = engine.get, context.kit.increment
    return context.latency("single client tasks sync", lambda x: get(increment.remote(x)))


@row("single client tasks async")
def tasks_async(engine, context):
    return context.rate("single client tasks async", 1000, submit_and_get(engine, context, 1000))


@row("single client tasks and get batch")
def tasks_and_get_batch(engine, context):
    return context.rate("single client tasks and get batch", 1, submit_and_get(engine, context, 1000))


@row("multi client tasks async")
def multi_client_tasks(engine, context):
    count = context.size(10_000, ray=600)
    clients = context.kit.clients * 2

    def once() -> float:
        values = context.values(len(clients))
        start = clock()
        sums = engine.get([client.call_tasks.remote(x, count) for client, x in zip(clients, values)])
        seconds = clock() - start
        check(sums, [sum_of_increments(x, count) for x in values], "sums of results")
        return seconds

    return context.rate("multi client tasks async", len(clients) * count, once)


@row("nested task sync")
def nested_sync(engine, context):
    get, nested = engine.get, context.kit.nested
    return context.latency("nested task sync", lambda x: get(nested.remote(x)), added=2)


@row("children from a task")
def children(engine, context):
    count = context.size(10_000, ray=1000)

    def once() -> float:
        x = context.values(1)[0]
        start = clock()
        total = engine.get(context.kit.batch.remote(x, count))
        seconds = clock() - start
        check(total, sum_of_increments(x, count), "sum of children")
        return seconds

    return context.rate("children from a task", count, once)


@row("submit 100k then drain", repeats={"ray": 2})
def backlog(engine, context):
    count = context.size(20_000 if context.quick else 100_000, ray=2000 if context.quick else 10_000)
    increment = context.kit.increment
    values = context.values(count)
    start = clock()
    refs = [increment.remote(value) for value in values]
    submitted = clock()
    results = engine.get(refs)
    end = clock()
    check(sum(results), sum(values) + count, "sum of results")
    return {"submit 100k": count / (submitted - start), "submit 100k then drain": count / (end - start)}


def efficiency(name: str, task_us: int, context, turns_per_second: float, submit_all) -> dict[str, float]:
    """Useful time / (wall time x 2 workers), in percent, for tasks of a fixed amount of work.

    `turns_per_second` was measured in the workers, both busy: a core that is slower then must not count as overhead.
    """
    iterations = max(1, round(turns_per_second * task_us * 1e-6))
    work_s = 0.15 if context.quick else 0.4
    count = context.size(int(2 * work_s * 1e6 / task_us), ray=1000, pool=4000)

    def once() -> float:
        values = context.values(count)
        start = clock()
        results = submit_all(iterations, values)
        seconds = clock() - start
        check(sum(results), sum(values) + count, "sum of results")
        return seconds

    seconds = statistics.median(context.rounds(once, name))
    return {name: 100 * count * task_us * 1e-6 / (2 * seconds)}


def efficiency_row(task_us: int):
    """The row for tasks of that length."""
    name = f"efficiency of {task_us} us tasks"

    @row(name)
    def measure(engine, context):
        spin, spin_seconds = context.kit.spin, context.kit.spin_seconds
        seconds = engine.get([spin_seconds.remote(SPEED_TURNS) for _ in range(8)])
        speed = SPEED_TURNS / statistics.median(seconds)
        return efficiency(
            name, task_us, context, speed, lambda turns, values: engine.get([spin.remote(turns, value) for value in values])
        )


efficiency_row(10)
efficiency_row(100)

"""Rows about actor calls: one caller or two, one actor or two, plain arguments or objects."""

from rows.context import check, clock
from rows.registry import row
from rows.tasks import sum_of_increments


@row("1:1 actor calls sync")
def actor_sync(engine, context):
    get, server = engine.get, context.kit.servers[0]
    return context.latency("1:1 actor calls sync", lambda x: get(server.increment.remote(x)))


@row("1:1 actor calls async")
def actor_async(engine, context):
    server = context.kit.servers[0]

    def once() -> float:
        values = context.values(1000)
        start = clock()
        results = engine.get([server.increment.remote(value) for value in values])
        seconds = clock() - start
        # An actor answers in order, so the whole list is compared and not just its sum.
        check(results == [value + 1 for value in values], True, "results in order")
        return seconds

    return context.rate("1:1 actor calls async", 1000, once)


@row("1:n actor calls async")
def one_to_many(engine, context):
    client = context.kit.clients[0]
    count = context.size(5000, ray=1000)

    def once() -> float:
        x = context.values(1)[0]
        start = clock()
        total = engine.get(client.call_servers.remote(x, count))
        seconds = clock() - start
        check(total, 2 * sum_of_increments(x, count), "sum of results")
        return seconds

    return context.rate("1:n actor calls async", 2 * count, once)


@row("n:n actor calls async")
def many_to_many(engine, context):
    clients = context.kit.clients
    count = context.size(5000, ray=1000)

    def once() -> float:
        values = context.values(len(clients))
        start = clock()
        sums = engine.get([client.call_servers.remote(x, count) for client, x in zip(clients, values)])
        seconds = clock() - start
        check(sums, [2 * sum_of_increments(x, count) for x in values], "sums of results")
        return seconds

    return context.rate("n:n actor calls async", len(clients) * 2 * count, once)


@row("n:n actor calls with arg async")
def many_to_many_with_object(engine, context):
    clients = context.kit.clients
    count = context.size(2500, ray=400)

    def once() -> float:
        values = context.values(len(clients))
        start = clock()
        sums = engine.get([client.call_servers_with_object.remote(x, count) for client, x in zip(clients, values)])
        seconds = clock() - start
        check(sums, [2 * count * (x + 1) for x in values], "sums of results")
        return seconds

    return context.rate("n:n actor calls with arg async", len(clients) * 2 * count, once)

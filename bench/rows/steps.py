"""What rows about machines have their programs do: wait for nodes, keep tasks running, read objects, start anew."""

import time

from rows.context import check
from rows.objects import random_array, spot_sum
from rows.registry import row


@row("await nodes", kind="step")
def await_nodes(engine, context, count, limit_s=30.0):
    """Looks until so many nodes are alive; the clock then."""
    until = time.monotonic() + limit_s
    while sum(node["Alive"] for node in engine.nodes()) != count:
        if time.monotonic() > until:
            raise TimeoutError(f"{count} nodes were not alive within {limit_s} s")
        time.sleep(0.002)
    return {"at": time.monotonic()}


@row("hold tasks", kind="step")
def hold_tasks(engine, context, folder, count):
    """Starts tasks that note where and when they began, and end when there is a file `go`."""

    @engine.remote(num_cpus=0, resources={"work": 1}, scheduling_strategy="SPREAD")
    def hold(folder, index, value):
        import os
        import time

        began = time.monotonic()
        address = engine.util.get_node_ip_address()
        part = f"{folder}/part-{os.getpid()}-{index}"
        with open(part, "w") as file:
            file.write(f"{index} {address} {began}\n")
        os.rename(part, f"{folder}/began-{index}-{address}")
        while not os.path.exists(f"{folder}/go"):
            time.sleep(0.01)
        return value + 1

    values = context.values(count)
    context.state["held"] = values, [hold.remote(folder, index, value) for index, value in enumerate(values)]
    return {}


@row("end tasks", kind="step")
def end_tasks(engine, context):
    """Waits for the tasks that were held, and looks at their results."""
    values, references = context.state.pop("held")
    check(engine.get(references, timeout=60), [value + 1 for value in values], "results of the tasks")
    return {}


@row("first task", kind="step")
def first_task(engine, context):
    """Runs a task of a new function on the other machine; the clock when its result is here."""
    value = context.values(1)[0]

    @engine.remote(resources={"b": 0.001})
    def increment(x):
        return x + 1

    check(engine.get(increment.remote(value), timeout=30), value + 1, "result")
    return {"at": time.monotonic()}


@row("first actor", kind="step")
def first_actor(engine, context):
    """Makes an actor on the other machine; the clock when its first result is here."""
    value = context.values(1)[0]
    actor = context.kit.Server.options(resources={"b": 0.001}).remote()
    check(engine.get(actor.increment.remote(value), timeout=30), value + 1, "result")
    return {"at": time.monotonic()}


@row("put object", kind="step")
def put_object(engine, context, size, readers):
    """Puts an object of that many bytes, and makes an actor on each of the machines that are to read it."""

    @engine.remote(num_cpus=0)
    class Reader:
        def ready(self):
            return True

        def read(self, references):
            import time

            array = engine.get(references[0])
            return int(array[::4999].sum()) + int(array[-1]), time.monotonic()

    # The object before it, and the actors that hold it, go first.
    context.state.pop("object", None)
    array = random_array(context, size // 8)
    actors = {name: Reader.options(resources={name: 0.001}).remote() for name in readers}
    engine.get([actor.ready.remote() for actor in actors.values()], timeout=60)
    context.state["object"] = engine.put(array), spot_sum(array), actors
    return {}


@row("read object", kind="step")
def read_object(engine, context, readers):
    """Has the actors on these machines read the object, all at once; the seconds until the last has it."""
    reference, expected, actors = context.state["object"]
    start = time.monotonic()
    results = engine.get([actors[name].read.remote([reference]) for name in readers], timeout=300)
    check([found for found, _ in results], [expected] * len(readers), "checksums")
    return {"seconds": max(at for _, at in results) - start, "first": min(at for _, at in results) - start}

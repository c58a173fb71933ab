"""Rows about processes that are killed and objects that are lost, until the program has its answer all the same."""

import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

from rows.context import check, clock
from rows.objects import random_array, spot_sum
from rows.registry import row

LOST_LENGTH = 12_500_000  # int64: 100 MB


@row("actor killed", repeats={"ray": 1})
def actor_killed(engine, context):
    """`kill -9` of an actor's process, and a call at once, until its answer."""

    @engine.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
    class Server:
        def process(self):
            import os

            return os.getpid()

        def increment(self, x):
            return x + 1

    samples = []
    server = Server.remote()
    for value in context.values(context.size(10, ray=3)):
        pid = engine.get(server.process.remote())
        start = clock()
        os.kill(pid, signal.SIGKILL)
        check(engine.get(server.increment.remote(value), timeout=60), value + 1, "answer of the next life")
        samples.append(clock() - start)
    engine.kill(server)
    return {"actor killed, its next answer": 1e3 * statistics.median(samples)}


@row("worker killed", repeats={"ray": 1})
def worker_killed(engine, context):
    """`kill -9` of the process that runs a task, until the result of its next attempt."""

    @engine.remote(max_retries=3)
    def attempt(path, x):
        import os
        import time

        if not os.path.exists(path):
            with open(path + ".part", "w") as file:
                file.write(str(os.getpid()))
            os.rename(path + ".part", path)
            time.sleep(100)
        return x + 1

    samples = []
    with tempfile.TemporaryDirectory() as folder:
        for number, value in enumerate(context.values(context.size(10, ray=3))):
            begun = Path(folder) / str(number)
            result = attempt.remote(str(begun), value)
            until = time.monotonic() + 20
            while not begun.exists():
                if time.monotonic() > until:
                    raise TimeoutError("the first attempt did not begin")
                time.sleep(0.001)
            start = clock()
            os.kill(int(begun.read_text()), signal.SIGKILL)
            check(engine.get(result, timeout=60), value + 1, "result of the next attempt")
            samples.append(clock() - start)
    return {"worker killed, its task's result": 1e3 * statistics.median(samples)}


@row("lost object", kind="machines", repeats={"trygon": 5, "ray": 2})
def lost_object(place, context):
    """100 MB that a task made on one machine, whose daemon is killed, until the program has them from another machine's task."""
    place.open(["a", "b", "c"], a={}, b={"resources": {"work": 1}})
    driver = place.driver("a")
    place.ask(driver, "await nodes", count=2)
    place.ask(driver, "make object", length=LOST_LENGTH)
    place.start("c", resources={"work": 1})
    place.ask(driver, "await nodes", count=3)
    killed_at = place.kill_daemon("b")
    return {"100 MB lost, made again": place.ask(driver, "get object")["at"] - killed_at}


@row("make object", kind="step")
def make_object(engine, context, length):
    """Has a task make an array that stays where it was made."""

    @engine.remote(resources={"work": 1}, max_retries=3)
    def make(array):
        import numpy

        return numpy.resize(array, length)

    pattern = random_array(context, 1_000_003)
    made = make.remote(pattern)
    engine.wait([made], timeout=60, fetch_local=False)
    import numpy

    context.state["made"] = made, spot_sum(numpy.resize(pattern, length))
    return {}


@row("get object", kind="step")
def get_object(engine, context):
    """Reads it; the clock when it is here."""
    made, expected = context.state.pop("made")
    array = engine.get(made, timeout=120)
    at = time.monotonic()
    check(spot_sum(array), expected, "checksum")
    return {"at": at}

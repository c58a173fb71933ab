"""Rows that start, end, kill and cut off machines: joining, distribution over slow links, and recovery."""

import time
from pathlib import Path

from rows.registry import row

# Of one object.
RECEIVERS = 8
TASKS = 6
RAY_MANY = {"ray": "not asked: nine of its nodes take minutes to start on two cores"}


@row("node joins", kind="machines", repeats={"trygon": 5, "ray": 2})
def node_joins(place, context):
    """From the command `trygon start` until another machine's program sees the node."""
    place.open(["a", "b"], a={})
    driver = place.driver("a")
    place.ask(driver, "await nodes", count=1)
    start = time.monotonic()
    place.begin("b")
    return {"node joins": 1e3 * (place.ask(driver, "await nodes", count=2)["at"] - start)}


@row("head killed", kind="machines", skip={"ray": "needs Redis"})
def head_killed(place, context):
    """The control service is killed; a new task and a new actor on another machine, asked for at once."""
    place.open(["a", "b"], a={}, b={})
    driver = place.driver("a")
    place.ask(driver, "first task")
    place.ask(driver, "first actor")
    metrics = {}
    for step, metric in (("first task", "head killed, first new task"), ("first actor", "head killed, first new actor")):
        killed = place.kill("a", "trygon", "control")
        metrics[metric] = 1e3 * (place.ask(driver, step)["at"] - killed)
        # The next kill is one of a service that has been up for a while.
        time.sleep(2)
    return metrics


def began(folder: Path) -> list[tuple[int, str, float]]:
    """What the tasks have noted: number, address, clock."""
    notes = [path.read_text().split() for path in folder.glob("began-*")]
    return [(int(index), address, float(at)) for index, address, at in notes]


def lost_machine(place, lose) -> float:
    """Seconds from the loss of the machine b until all of its tasks have begun elsewhere."""
    place.open(["a", "b", "c"], a={}, b={"resources": {"work": TASKS}}, c={"resources": {"work": TASKS}})
    folder = place.folder / "notes"
    folder.mkdir()
    driver = place.driver("a")
    place.ask(driver, "await nodes", count=3)
    place.ask(driver, "hold tasks", folder=str(folder), count=TASKS)
    place.wait_for(lambda: len(began(folder)) == TASKS, "all tasks have begun")
    address = place.network["b"].address
    there = {index for index, at, _ in began(folder) if at == address}
    if not there:
        raise RuntimeError("no task began on the machine that is to be lost")
    lost_at = lose()

    def again() -> list[float]:
        return [when for index, at, when in began(folder) if index in there and at != address]

    place.wait_for(lambda: len(again()) == len(there), "the lost tasks have begun elsewhere")
    (folder / "go").touch()
    place.ask(driver, "end tasks")
    return max(again()) - lost_at


@row("daemon killed", kind="machines", repeats={"trygon": 5, "ray": 2})
def daemon_killed(place, context):
    return {"daemon killed, its tasks elsewhere": lost_machine(place, lambda: place.kill_daemon("b"))}


@row("silent power-off", kind="machines", repeats={"trygon": 5, "ray": 2})
def power_off(place, context):
    def isolate() -> float:
        now = time.monotonic()
        place.network.isolate("b")
        return now

    return {"silent power-off, its tasks elsewhere": lost_machine(place, isolate)}


def distribution(place, size: int, mbit: int) -> dict[int, float]:
    """Seconds of one object to one machine and of another to eight, each machine's link limited both ways."""
    readers = [f"n{number}" for number in range(1, RECEIVERS + 1)]
    # Room for the one object and the other, which replaces it.
    store_bytes = 2 * size + (64 << 20)
    place.open(["a", *readers], **{name: {"cpus": 1, "store_bytes": store_bytes} for name in ["a", *readers]})
    driver = place.driver("a")
    place.ask(driver, "await nodes", count=RECEIVERS + 1)
    for name in ["a", *readers]:
        place.network.rate(name, mbit)
    seconds = {}
    for those in (readers[:1], readers):
        place.ask(driver, "put object", size=size, readers=those)
        seconds[len(those)] = place.ask(driver, "read object", readers=those)["seconds"]
    return seconds


@row("128 MiB to 8 nodes", kind="machines", skip=RAY_MANY, limit_s=300)
def distribution_small(place, context):
    """Links so slow that the processors of one machine are enough for all nine."""
    seconds = distribution(place, 128 << 20, 100)
    return {
        "128 MiB to 1 node at 100 Mbit/s": seconds[1],
        "128 MiB to 8 nodes at 100 Mbit/s": seconds[RECEIVERS],
        "128 MiB to 8 nodes against 1": seconds[RECEIVERS] / seconds[1],
    }


@row("1 GiB to 8 nodes", kind="machines", repeats={"trygon": 3}, skip=RAY_MANY, limit_s=300)
def distribution_large(place, context):
    seconds = distribution(place, 1 << 30, 1000)
    return {
        "1 GiB to 1 node at 1 Gbit/s": seconds[1],
        "1 GiB to 8 nodes at 1 Gbit/s": seconds[RECEIVERS],
        "1 GiB to 8 nodes against 1": seconds[RECEIVERS] / seconds[1],
    }

"""Links that are cut one way, between two members only, or again and again: nothing hangs, nobody is lost in vain."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from network import fabric
from network.machines import Machines, wait_until

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

COUNTER = """
@trygon.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Counter:
    def __init__(self): self.n = 0
    def add(self):
        self.n += 1
        return self.n
@trygon.remote(max_retries=-1)
def twice(x):
    time.sleep(0.05)
    return 2 * x
def on(name):
    return {"resources": {name: 1}}
"""


@pytest.fixture
def machines() -> Iterator[Machines]:
    with Machines(["a", "b", "c"]) as machines:
        yield machines


def alive(machines: Machines) -> dict[str, str]:
    """The living nodes by name."""
    return {node["NodeName"]: node["NodeID"] for node in machines.head.status()["nodes"] if node["Alive"]}


@pytest.mark.parametrize("deaf", ["a", "b"])
def test_a_link_that_is_cut_one_way_is_cut(machines: Machines, deaf: str) -> None:
    """The head does not hear b, or b does not hear the head: either way b has no lease."""
    old = alive(machines)["b"]
    program = machines.head.program(
        COUNTER + "trygon.init()\nrefs = [twice.options(num_cpus=1).remote(x) for x in range(200)]\n"
        "time.sleep(0.5)\nprint('ready', flush=True)\n"
        "print(trygon.get(refs, timeout=60) == [2 * x for x in range(200)])"
    )
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    other = {"a": "b", "b": "a"}[deaf]
    machines.network.cut(other, deaf, both_ways=False)
    seconds = wait_until(lambda: "b" not in alive(machines), 6, "the head gives b up")
    print(f"given up after {seconds:.2f} s")
    output, errors = program.communicate(timeout=90)
    assert output == "True\n", errors
    machines.network.heal()
    wait_until(lambda: alive(machines).get("b", old) != old, 30, "b is back as another node")


def test_members_that_reach_only_the_head(machines: Machines) -> None:
    """b and c cannot reach each other, and both live. Tasks go where they can, calls end once it is healed."""
    before = alive(machines)
    create = COUNTER + (
        "trygon.init(namespace='s')\n"
        "options = dict(name='n', lifetime='detached', max_task_retries=0, max_restarts=0)\n"
        "actor = Counter.options(**on('c'), **options).remote()\n"
        "print(trygon.get(actor.add.remote()))"
    )
    assert machines.head.run(create) == "1"
    program = machines["b"].program(
        COUNTER + "trygon.init(namespace='s')\nactor = trygon.get_actor('n')\n"
        "print(trygon.get(actor.add.remote()), flush=True)\ninput()\n"
        "call = actor.add.remote()\n"
        "said = trygon.get([twice.remote(x) for x in range(100)], timeout=60)\n"
        "print(said == [2 * x for x in range(100)], flush=True)\n"
        "input()\n"
        "for _ in range(100):\n"
        "    try:\n        print(trygon.get(actor.add.remote(), timeout=60) > 1)\n        break\n"
        "    except trygon.exceptions.ActorUnavailableError:\n        time.sleep(0.3)\n"
        "try:\n    print(trygon.get(call, timeout=60) > 1)\n"
        "except trygon.exceptions.ActorUnavailableError:\n    print(True)\n",
        stdin=-1,
    )
    assert program.stdout is not None and program.stdin is not None
    assert program.stdout.readline() == "2\n"
    machines.network.cut("b", "c")
    program.stdin.write("\n")
    program.stdin.flush()
    assert program.stdout.readline() == "True\n", program.communicate()[1]
    assert alive(machines) == before, "nobody is given up: both reach the head"
    machines.network.heal()
    output, errors = program.communicate("\n", timeout=90)
    assert output == "True\nTrue\n", errors


def test_a_link_that_comes_and_goes(machines: Machines) -> None:
    """A second cut, a second healed, for half a minute: the work is done, with the right results."""
    program = machines.head.program(
        COUNTER + "trygon.init()\nactor = Counter.options(**on('b')).remote()\n"
        "trygon.get(actor.add.remote())\nprint('ready', flush=True)\n"
        "until, done = time.monotonic() + 30, 0\n"
        "while time.monotonic() < until:\n"
        "    assert trygon.get([twice.remote(x) for x in range(10)], timeout=60) == [2 * x for x in range(10)]\n"
        "    assert trygon.get(actor.add.remote(), timeout=60) > 0\n"
        "    done += 1\n"
        "print(done > 5)"
    )
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    old = alive(machines)["b"]
    until = time.monotonic() + 30
    while time.monotonic() < until:
        machines.network.isolate("b")
        time.sleep(1)
        machines.network.heal()
        time.sleep(1)
    output, errors = program.communicate(timeout=120)
    assert output == "True\n", errors
    print("given up meanwhile:", alive(machines).get("b") != old)
    wait_until(lambda: "b" in alive(machines), 30, "b is there")

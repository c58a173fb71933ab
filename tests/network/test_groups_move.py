"""Placement groups whose nodes die: lost bundles are reserved elsewhere, and what ran in them goes on there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from network import fabric
from network.machines import Machines, wait_until

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

GROUP = """
from trygon.util.placement_group import placement_group, placement_group_table
from trygon.util.scheduling_strategies import PlacementGroupSchedulingStrategy
def within(group, index):
    return PlacementGroupSchedulingStrategy(placement_group=group, placement_group_bundle_index=index)
@trygon.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)
class Here:
    def where(self): return trygon.get_runtime_context().get_node_id()
@trygon.remote(num_cpus=1, max_retries=-1)
def task():
    time.sleep(2)
    return trygon.get_runtime_context().get_node_id()
def state(group): return placement_group_table(group)["state"]
trygon.init()
"""


@pytest.fixture
def machines() -> Iterator[Machines]:
    with Machines(["a", "b", "c", "d"], cpus=2) as machines:
        yield machines


def groups(machines: Machines, program_body: str) -> Any:
    return machines.head.program(GROUP + program_body, stdin=-1)


@pytest.mark.parametrize("strategy", ["SPREAD", "STRICT_SPREAD", "PACK"])
def test_lost_bundles_are_reserved_elsewhere(machines: Machines, strategy: str) -> None:
    program = groups(
        machines,
        f"group = placement_group([{{'CPU': 2}}] * 3, strategy={strategy!r})\ntrygon.get(group.ready())\n"
        "actors = [Here.options(scheduling_strategy=within(group, i)).remote() for i in range(3)]\n"
        "before = trygon.get([actor.where.remote() for actor in actors])\n"
        "tasks = [task.options(scheduling_strategy=within(group, i)).remote() for i in range(3)]\n"
        "own = trygon.get_runtime_context().get_node_id()\n"
        "victim = next(node for node in before if node != own)\nprint(victim, flush=True)\ninput()\n"
        "after = trygon.get([actor.where.remote() for actor in actors], timeout=60)\n"
        "pairs = list(zip(before, after))\nprint(victim not in after, all(x == y for x, y in pairs if x != victim))\n"
        "print(len(set(after)))\n"
        "print(trygon.get(tasks, timeout=60) == after, state(group), flush=True)\n",
    )
    assert program.stdout is not None
    victim = program.stdout.readline().strip()
    (machine,) = [machine for machine in machines.machines.values() if machine.node["node_id"] == victim]
    os.kill(machine.node["pid"], signal.SIGKILL)
    # Until the head knows it, the last words of its workers may be heard.
    wait_until(lambda: sum(node["Alive"] for node in machines.head.status()["nodes"]) == 3, 10, "the node is dead")
    output, errors = program.communicate("\n", timeout=120)
    assert output.splitlines() == ["True True", "3", "True CREATED"], errors


def test_a_strict_group_waits_while_no_node_can_have_it_whole(machines: Machines) -> None:
    for name in "bcd":
        machines[name].command("stop")
    machines.start(machines["b"], more={"place": 4})
    program = groups(
        machines,
        "group = placement_group([{'place': 1, 'CPU': 1}] * 2, strategy='STRICT_PACK')\ntrygon.get(group.ready())\n"
        "actors = [Here.options(scheduling_strategy=within(group, i)).remote() for i in range(2)]\n"
        "before = trygon.get([actor.where.remote() for actor in actors])\nprint(before[0] == before[1], flush=True)\n"
        "input()\nuntil = time.monotonic() + 15\n"
        "while state(group) != 'RESCHEDULING' and time.monotonic() < until: time.sleep(0.05)\n"
        "print(state(group), flush=True)\n"
        "calls = [actor.where.remote() for actor in actors]\nprint(len(trygon.wait(calls, timeout=1)[0]), flush=True)\n"
        "after = trygon.get(calls, timeout=60)\nprint(after[0] == after[1] != before[0], state(group))\n",
    )
    assert program.stdout is not None and program.stdin is not None
    assert program.stdout.readline() == "True\n"
    os.kill(machines["b"].node["pid"], signal.SIGKILL)
    program.stdin.write("\n")
    program.stdin.flush()
    assert program.stdout.readline() == "RESCHEDULING\n"
    assert program.stdout.readline() == "0\n"
    # One that could have half of it changes nothing, one that can have all of it does.
    machines.start(machines["c"], more={"place": 1})
    machines.start(machines["d"], more={"place": 2})
    output, errors = program.communicate(timeout=120)
    assert output == "True CREATED\n", errors

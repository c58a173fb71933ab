"""The head's processes stopped or killed: leases are kept, and what runs on the nodes goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from network import fabric
from network.machines import Machines, wait_until

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

CALLS = """
@trygon.remote(num_cpus=0)
class Counter:
    def __init__(self): self.n = 0
    def add(self):
        self.n += 1
        return self.n
@trygon.remote(max_retries=0)
def work(x):
    time.sleep(0.01)
    return x
trygon.init()
actors = [Counter.options(resources={name: 1}).remote() for name in "abc"]
trygon.get([actor.add.remote() for actor in actors])
trygon.get([work.remote(x) for x in range(50)])
print("ready", flush=True)
until, done = time.monotonic() + SECONDS, 1
while time.monotonic() < until:
    done += 1
    assert trygon.get([actor.add.remote() for actor in actors], timeout=30) == [done] * 3
    assert trygon.get([work.remote(x) for x in range(10)], timeout=30) == list(range(10))
print(done > 20)
"""


@pytest.fixture
def machines() -> Iterator[Machines]:
    with Machines(["a", "b", "c"]) as machines:
        yield machines


def alive(machines: Machines) -> list[str]:
    return sorted(node["NodeID"] for node in machines.head.status()["nodes"] if node["Alive"])


def control_pid(machines: Machines) -> int:
    return int(machines.head.status()["session"]["control_pid"])


def test_a_control_service_that_hangs_is_started_again_before_leases_lapse(machines: Machines) -> None:
    before, control = alive(machines), control_pid(machines)
    program = machines["b"].program(CALLS.replace("SECONDS", "12"))
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    os.kill(control, signal.SIGSTOP)
    seconds = wait_until(lambda: not Path(f"/proc/{control}").exists(), 4, "it is killed")
    print(f"killed after {seconds:.2f} s")
    output, errors = program.communicate(timeout=60)
    assert output == "True\n", errors
    assert alive(machines) == before
    assert control_pid(machines) != control


def test_leases_outlast_a_control_service_that_is_away_for_long(machines: Machines) -> None:
    """It is killed again and again, for longer than a lease lasts: its daemon waits longer and longer to start it."""
    before = alive(machines)
    program = machines["b"].program(CALLS.replace("SECONDS", "15"))
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    until, kills, last = time.monotonic() + 10, 0, control_pid(machines)
    while time.monotonic() < until:
        pids = [pid for pid in machines.head.host.pids() if _is_control(pid)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            kills += 1
        time.sleep(0.01)
    print(f"killed {kills} times")
    assert kills > 3 and last
    output, errors = program.communicate(timeout=60)
    assert output == "True\n", errors
    wait_until(lambda: control_pid(machines) != 0, 15, "it runs again")
    time.sleep(4)
    assert alive(machines) == before


def _is_control(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:2] == [b"control"]
    except OSError:
        return False


def test_a_head_daemon_that_is_frozen_costs_the_others_nothing(machines: Machines) -> None:
    """Its own node is given up and comes back as another one, with a control service that knows everything."""
    old = machines.head.node["node_id"]
    others = [node for node in alive(machines) if node != old]
    body = CALLS.replace('"abc"', '"bc"').replace("[done] * 3", "[done] * 2").replace("SECONDS", "25")
    # Tasks that need nothing stay where they were submitted; one on the head's node would end with it.
    body = body.replace("max_retries=0", "max_retries=0, num_cpus=0")
    program = machines["b"].program(body)
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    os.kill(machines.head.node["pid"], signal.SIGSTOP)
    time.sleep(12)
    os.kill(machines.head.node["pid"], signal.SIGCONT)

    # While it comes back there is no node to ask on its machine.
    def new() -> list[str]:
        shown = machines["c"].command("status", "--json")
        return [] if shown.returncode else [node for node in alive_at(shown.stdout) if node not in [old, *others]]

    wait_until(new, 30, "the head's node is back as another one")
    output, errors = program.communicate(timeout=90)
    assert output == "True\n", errors
    assert set(others) <= set(alive(machines))


def alive_at(status: str) -> list[str]:
    import json

    return [node["NodeID"] for node in json.loads(status)["nodes"] if node["Alive"]]

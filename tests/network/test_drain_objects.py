"""What lies on a node that is drained moves to where its owners are, and is there when the node is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from network import fabric
from network.machines import Machines, wait_until

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

# Tasks that run once: what they made cannot be made again. Owners are the driver on the head's machine and an actor.
PROGRAM = """
import numpy as np
@trygon.remote(num_cpus=0.1, max_retries=0, resources={"b": 1})
def make(number, path):
    with open(path, "a") as file:
        print(number, file=file)
    return np.full(25_000_000 // 8, number)
@trygon.remote(num_cpus=0, resources={"c": 1})
class Owner:
    def make(self, numbers, path):
        self.refs = [make.remote(number, path) for number in numbers]
        trygon.wait(self.refs, num_returns=len(self.refs), fetch_local=False)
    def sums(self):
        return [int(trygon.get(ref, timeout=60).sum()) for ref in self.refs]
    def lend(self):
        return self.refs
trygon.init()
owner = Owner.remote()
trygon.get(owner.make.remote([8, 9], PATH), timeout=60)
refs = [make.remote(number, PATH) for number in range(8)]
trygon.wait(refs, num_returns=len(refs), fetch_local=False, timeout=60)
late = make.options(name="late").remote(100, PATH)
lent = trygon.get(owner.lend.remote(), timeout=60)
del late
print("ready", flush=True)
input()
print([int(trygon.get(ref, timeout=60).sum()) // (25_000_000 // 8) for ref in refs])
print(trygon.get(owner.sums.remote(), timeout=60) == [8 * 3_125_000, 9 * 3_125_000])
print([int(trygon.get(ref, timeout=60)[0]) for ref in lent])
"""


@pytest.fixture
def machines() -> Iterator[Machines]:
    with Machines(["a", "b", "c"], joined=False) as machines:
        for name in "abc":
            machines.start(machines[name])
        yield machines


def node(machines: Machines, name: str) -> dict[str, Any]:
    """The youngest node with this name."""
    return [node for node in machines.head.status()["nodes"] if node["NodeName"] == name][-1]


def test_objects_of_a_drained_node_need_not_be_made_again(machines: Machines, tmp_path: Path) -> None:
    path = tmp_path / "runs"
    program = machines.head.program(f"PATH = {str(path)!r}\n" + PROGRAM, stdin=-1)
    assert program.stdout is not None and program.stdout.readline() == "ready\n", program.communicate()
    drained = machines.head.command("drain", "b", "--deadline-s", "12")
    assert drained.returncode == 0, drained.stderr
    took = wait_until(lambda: not node(machines, "b")["Alive"], 20, "the node has left")
    print(f"left after {took:.1f} s")
    said, wrong = program.communicate("\n", timeout=120)
    assert said.splitlines() == ["[0, 1, 2, 3, 4, 5, 6, 7]", "True", "[8, 9]"], wrong
    assert len(path.read_text().split()) == 11, "nothing was run again"
    assert "cannot be moved" not in wrong, wrong

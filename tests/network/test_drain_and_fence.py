"""Nodes that leave because somebody says so: what runs may finish, or is done elsewhere; a fenced one stays out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from network import fabric
from network.machines import Machines, wait_until

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

WORK = """
@trygon.remote(max_retries=1, resources={"home": 1})
def work(seconds, path):
    with open(path, "a") as file:
        print(trygon.get_runtime_context().get_node_id(), file=file)
    time.sleep(seconds)
    return trygon.get_runtime_context().get_node_id()
@trygon.remote(num_cpus=0, max_restarts=1, max_task_retries=-1, resources={"home": 1})
class Keeper:
    def __init__(self): self.life = os.urandom(4).hex()
    def where(self): return self.life, trygon.get_runtime_context().get_node_id()
"""


@pytest.fixture
def machines() -> Iterator[Machines]:
    with Machines(["a", "b", "c"], joined=False) as machines:
        machines.start(machines["a"])
        machines.start(machines["b"], more={"home": 100, "b": 1})
        yield machines


def node(machines: Machines, name: str) -> dict[str, Any]:
    """The youngest node with this name."""
    return [node for node in machines.head.status()["nodes"] if node["NodeName"] == name][-1]


def named(machines: Machines, name: str) -> list[dict[str, Any]]:
    """All nodes with this name, the oldest first."""
    found = [node for node in machines.head.status()["nodes"] if node["NodeName"] == name]
    return sorted(found, key=lambda node: int(node["NodeNumber"]))


def test_a_drained_node_lets_work_finish_and_moves_the_rest(machines: Machines, tmp_path: Any) -> None:
    """The drained work costs no retry: the one that the task has is used up by hand before."""
    path = str(tmp_path / "runs")
    program = machines.head.program(
        WORK + f"trygon.init()\nkeeper = Keeper.remote()\nfirst = trygon.get(keeper.where.remote())\n"
        f"short, long = work.remote(3, {path!r}), work.remote(12, {path!r})\n"
        "print('ready', flush=True)\ninput()\n"
        "print(trygon.get(short, timeout=60) == first[1])\n"
        "moved = trygon.get(long, timeout=90)\nprint(moved != first[1])\n"
        "second = trygon.get(keeper.where.remote(), timeout=60)\nprint(second[0] != first[0], second[1] == moved)\n"
        "",
        stdin=-1,
    )
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    runs = tmp_path / "runs"
    wait_until(lambda: runs.exists() and len(runs.read_text().splitlines()) == 2, 20, "both tasks run on b")
    machines.start(machines["c"], more={"home": 100, "c": 1})
    old = machines["b"].node["node_id"]
    drained = machines.head.command("drain", "b", "--deadline-s", "6", "--message", "the machine goes")
    assert drained.returncode == 0, drained.stderr
    since = time.monotonic()
    assert named(machines, "b")[-1]["State"] == "draining"
    wait_until(lambda: not named(machines, "b")[-1]["Alive"], 12, "the node has left")
    print(f"left after {time.monotonic() - since:.2f} s")
    assert 5 < time.monotonic() - since < 9
    assert "drained" in named(machines, "b")[-1]["DeathReason"]
    output, errors = program.communicate("\n", timeout=120)
    assert output.split() == ["True", "True", "True", "True"], errors
    assert [line != old for line in runs.read_text().splitlines()] == [False, False, True]


def test_a_drained_life_of_an_actor_and_a_drained_attempt_do_not_count(machines: Machines, tmp_path: Any) -> None:
    """An actor with one restart and a task with one retry survive two drains and a crash."""
    path = str(tmp_path / "runs")
    program = machines.head.program(
        WORK + f"trygon.init()\nkeeper = Keeper.remote()\ntrygon.get(keeper.where.remote())\n"
        f"ref = work.remote(8, {path!r})\nprint('ready', flush=True)\n"
        "for _ in range(2):\n    input()\n    print(trygon.get(keeper.where.remote(), timeout=60)[1], flush=True)\n"
        "print(trygon.get(ref, timeout=90) != '')\n",
        stdin=-1,
    )
    assert program.stdout is not None and program.stdin is not None
    assert program.stdout.readline() == "ready\n"
    runs = tmp_path / "runs"
    count = 1
    for old, new in (("b", "c"), ("c", "b")):
        wait_until(lambda: runs.exists() and len(runs.read_text().splitlines()) == count, 20, "the task runs")
        machines.start(machines[new], more={"home": 100})
        assert machines.head.command("drain", old, "--deadline-s", "1").returncode == 0
        wait_until(lambda: not named(machines, old)[-1]["Alive"], 12, "the node has left")
        program.stdin.write("\n")
        program.stdin.flush()
        assert program.stdout.readline().strip() == machines[new].node["node_id"]
        count += 1
    output, errors = program.communicate(timeout=120)
    assert output == "True\n", errors


def test_a_fenced_node_stops_at_once_and_stays_out(machines: Machines, tmp_path: Any) -> None:
    path = str(tmp_path / "runs")
    b = machines["b"]
    old = b.node["node_id"]
    program = machines.head.program(
        WORK + f"trygon.init()\nref = work.remote(5, {path!r})\n"
        "began = time.monotonic()\nprint(trygon.get(ref, timeout=90), flush=True)\n"
    )
    runs = tmp_path / "runs"
    wait_until(lambda: runs.exists() and runs.read_text(), 20, "the task runs")
    machines.start(machines["c"], more={"home": 100})
    before = b.below_daemon()
    fenced = machines["c"].command("fence", "b", "--message", "bad memory")
    assert fenced.returncode == 0, fenced.stderr
    since = time.monotonic()
    wait_until(lambda: not set(b.host.pids()) & before, 3, "its workers are gone")
    wait_until(lambda: not any(node["Alive"] for node in named(machines, "b")), 3, "it counts as dead")
    print(f"dead after {time.monotonic() - since:.2f} s")
    assert "bad memory" in named(machines, "b")[-1]["DeathReason"]
    assert machines.head.command("fence", "b").returncode == 1, "it is fenced already"
    output, errors = program.communicate(timeout=60)
    assert output.strip() == machines["c"].node["node_id"], errors
    # It is refused, whoever starts it.
    time.sleep(4)
    assert not any(node["Alive"] for node in named(machines, "b"))
    assert b.log().count("fenced") < 6, b.log()
    undone = machines.head.command("fence", "b", "--undo")
    assert undone.returncode == 0, undone.stderr
    wait_until(lambda: any(node["Alive"] for node in named(machines, "b")), 15, "it is let in again")
    assert named(machines, "b")[-1]["NodeID"] != old
    assert machines.head.command("fence", "b", "--undo").returncode == 1, "it is not fenced"
    refused = machines.head.command("fence", "a")
    assert refused.returncode == 1 and "the head's own node" in refused.stderr

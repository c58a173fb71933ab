"""The head's machine crashes, or falls silent, for longer than a lease."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from network import fabric
from network.machines import Machines, wait_until

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

# Calls an actor of another machine and runs tasks there, until it is told to stop; says how it was.
PROGRAM = """
import threading
@trygon.remote(num_cpus=0, max_restarts=-1, max_task_retries=0, resources={"c": 1})
class Counter:
    def __init__(self):
        with open(os.environ["LIVES"], "a") as file:
            print(os.getpid(), file=file)
        self.count = 0
    def add(self):
        self.count += 1
        return self.count
@trygon.remote(num_cpus=0, max_retries=0, resources={"c": 1})
def double(x):
    return 2 * x
trygon.init()
counter = Counter.options(name="n", namespace="s", lifetime="detached").remote()
trygon.get([counter.add.remote(), double.remote(1)], timeout=30)
told = threading.Event()
threading.Thread(target=lambda: (input(), told.set())).start()
print("ready", flush=True)
count, longest = 1, 0.0
while not told.is_set():
    began, count = time.monotonic(), count + 1
    assert trygon.get([counter.add.remote(), double.remote(count)], timeout=10) == [count, 2 * count]
    longest = max(longest, time.monotonic() - began)
    time.sleep(0.02)
print(count, longest, flush=True)
"""


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Machines]:
    monkeypatch.setenv("LIVES", str(tmp_path / "lives"))
    with Machines(["a", "b", "c"], joined=False) as machines:
        machines.start(machines.head, f"--storage-dir={machines.head.folder}/kept")
        machines.start(machines["b"])
        machines.start(machines["c"])
        yield machines


def alive(machines: Machines) -> dict[str, str]:
    """The living nodes, by their names."""
    return {node["NodeName"]: node["NodeID"] for node in machines["b"].status()["nodes"] if node["Alive"]}


def crash(machines: Machines) -> None:
    """Everything on the head's machine ends."""
    for pid in machines.head.host.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_head_whose_machine_crashed_for_twenty_seconds_is_missed_by_nobody(machines: Machines) -> None:
    before = alive(machines)
    program = machines["b"].program(PROGRAM, stdin=-1)
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    crash(machines)
    time.sleep(20)
    assert program.poll() is None
    machines.start(machines.head, f"--storage-dir={machines.head.folder}/kept")
    time.sleep(14)  # nodes that had not come back would be given up by now
    said, wrong = program.communicate("\n", timeout=20)
    assert program.returncode == 0, wrong
    count, longest = said.split()
    print(f"{count} calls and tasks, the longest took {float(longest):.2f} s")
    assert float(longest) < 2
    assert len(Path(os.environ["LIVES"]).read_text().split()) == 1
    after = alive(machines)
    assert {name: after[name] for name in "bc"} == {name: before[name] for name in "bc"}
    assert after["a"] != before["a"], "what ran on the head's machine is gone"


def test_a_head_whose_machine_is_silent_may_live(machines: Machines) -> None:
    """It is cut off and killed behind the cut: for the nodes there is no difference, and they stop."""
    before: dict[str, Any] = alive(machines)
    program = machines["b"].program(PROGRAM, stdin=-1)
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    (life,) = Path(os.environ["LIVES"]).read_text().split()
    machines.network.isolate("a")
    crash(machines)
    took = wait_until(lambda: not Path(f"/proc/{life}").exists(), 6, "its lease is over")
    assert took > 1, took
    program.kill()
    program.communicate()
    assert "no head runs at its address" not in machines["c"].log()
    machines.network.heal()
    machines.start(machines.head, f"--storage-dir={machines.head.folder}/kept")

    def are_back() -> bool:
        after = alive(machines) if machines["b"].command("status").returncode == 0 else {}
        return set(after) == set("abc") and all(after[name] != before[name] for name in "abc")

    wait_until(are_back, 30, "they come back as other nodes")

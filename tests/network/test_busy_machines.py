"""Machines whose processors are all busy, or whose disks stall, are not taken for dead.

`TRYGON_BUSY_SECONDS` makes the tests longer (60 for a report).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from network import fabric
from network.machines import Machines

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")
SECONDS = float(os.environ.get("TRYGON_BUSY_SECONDS", "20"))

WORK = """
@trygon.remote(max_retries=0)
def work(x): return sum(range(x))
@trygon.remote(num_cpus=0)
class Counter:
    def __init__(self): self.n = 0
    def add(self):
        self.n += 1
        return self.n
trygon.init()
actors = [Counter.options(resources={name: 1}).remote() for name in "abc"]
trygon.get([actor.add.remote() for actor in actors])
print("ready", flush=True)
until, done = time.monotonic() + float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS, 1
while time.monotonic() < until:
    assert trygon.get([work.remote(x) for x in range(100)]) == [sum(range(x)) for x in range(100)]
    done += 1
    assert trygon.get([actor.add.remote() for actor in actors]) == [done] * 3
print(done)
"""


@contextmanager
def spinning(count: int) -> Iterator[None]:
    """So many processes that use a processor each, with short-lived ones among them as a compiler's are."""
    endless = (
        "import subprocess, sys\nwhile True:\n    subprocess.run([sys.executable, '-S', '-c', 'sum(range(3000000))'])"
    )
    programs = ["while True: pass", endless]
    started = [
        subprocess.Popen([sys.executable, "-S", "-c", programs[number % 2]], start_new_session=True)
        for number in range(count)
    ]
    try:
        yield
    finally:
        for process in started:
            os.killpg(process.pid, 9)
            process.wait()


def check(machines: Machines) -> None:
    """Work on three machines for a while, and nobody was given up."""
    before = [node["NodeID"] for node in machines.head.status()["nodes"]]
    body = WORK.replace("float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS", str(SECONDS))
    program = machines.head.program(body)
    output, errors = program.communicate(timeout=SECONDS * 3 + 120)
    assert program.returncode == 0, errors
    print("rounds of 100 tasks and 3 calls:", output.split()[-1])
    nodes = machines.head.status()["nodes"]
    assert [node["NodeID"] for node in nodes] == before and all(node["Alive"] for node in nodes)
    logs = "".join(machine.log() for machine in machines.machines.values())
    assert "lapsed" not in logs and "is dead" not in logs, logs


def test_busy_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    with Machines(["a", "b", "c"]) as machines, spinning(2 * (os.cpu_count() or 1)):
        check(machines)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_stalled_disks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every write of a daemon or the control service to a file takes ten seconds, for a while, and then they go on."""
    library, switch = tmp_path / "slow_disk.so", tmp_path / "slow"
    source = Path(__file__).with_name("slow_disk.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    for name, value in (("LD_PRELOAD", str(library)), ("SLOW_DISK", str(switch)), ("SLOW_DISK_SECONDS", "10")):
        monkeypatch.setenv(name, value)
    with Machines(["a", "b", "c"]) as machines:
        before = [node["NodeID"] for node in machines.head.status()["nodes"]]
        # What a daemon logs about each job that begins stalls its loop, what is journalled stalls the control service.
        body = "trygon.init()\nprint(time.monotonic(), flush=True)\ntime.sleep(1)\n"
        switch.touch()
        began = time.monotonic()
        programs = [machine.program(body) for machine in machines.machines.values()]
        time.sleep(max(0.0, SECONDS - (time.monotonic() - began)))
        switch.unlink()
        waited = []
        for program in programs:
            output, errors = program.communicate(timeout=120)
            assert program.returncode == 0, errors
            waited.append(float(output) - began)
        print("programs began after", [f"{seconds:.1f} s" for seconds in waited])
        assert min(waited) > 9, "nothing stalled"
        nodes = machines.head.status()["nodes"]
        assert [node["NodeID"] for node in nodes] == before and all(node["Alive"] for node in nodes)
        logs = "".join(machine.log() for machine in machines.machines.values())
        assert "lapsed" not in logs and "is dead" not in logs, logs

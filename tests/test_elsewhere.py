"""Programs whose work runs on another node: their ends, and a part of the suite with everything elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import leaks
import pytest
import trygon
from trygon.cluster_utils import Cluster, ClusterNode

ROOT = Path(__file__).resolve().parent.parent
# What is quick and different from one machine: deaths, waiting, references, streams.
PART = ("test_wait.py", "test_workers_death.py", "test_references.py", "test_generators_async.py")


@pytest.fixture
def member() -> Iterator[ClusterNode]:
    """A node with CPUs, of a cluster whose head has none."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        member = cluster.add_node(num_cpus=4)
        cluster.wait_for_nodes()
        yield member
    finally:
        cluster.shutdown()


def program(body: str, member: ClusterNode) -> subprocess.Popen[str]:
    beginning = f"import os, sys, time, trygon\ntrygon.init(address={member.address!r})\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", beginning + body],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def work_there(member: ClusterNode) -> list[int]:
    """Processes of jobs on the member."""
    return [int(pid) for pid, name in leaks.below(member.pid, zombies=False) if name != "trygon"]


BUSY = """
@trygon.remote
def deep(depth):
    if depth:
        return trygon.get(deep.remote(depth - 1))
    print("runs", flush=True)
    time.sleep(100)

@trygon.remote
class Busy:
    def run(self):
        time.sleep(100)

actor = Busy.options(num_cpus=0).remote()
call = actor.run.remote()
ref = deep.remote(2)
"""


def runs(driver: subprocess.Popen[str]) -> None:
    assert driver.stderr is not None and driver.stdout is not None
    line = driver.stdout.readline()
    assert "runs" in line, line + driver.stderr.read()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_driver_that_is_killed_leaves_nothing_on_other_nodes(member: ClusterNode, how: signal.Signals) -> None:
    driver = program(BUSY + "trygon.get(ref)", member)
    try:
        runs(driver)
        there = work_there(member)
        assert len(there) >= 4
        began = time.monotonic()
        driver.send_signal(how)
        assert leaks.wait_gone(there, 3.0) == [] and time.monotonic() - began < 2
    finally:
        driver.kill()
        driver.communicate()


def test_an_interrupted_driver_goes_on(member: ClusterNode) -> None:
    body = """
try:
    trygon.get(ref)
except KeyboardInterrupt:
    trygon.cancel(ref)
    try:
        trygon.get(ref, timeout=10)
    except trygon.exceptions.TaskCancelledError:
        print("cancelled", flush=True)
    trygon.kill(actor)
    print(trygon.get(trygon.remote(lambda: 5).remote(), timeout=10), flush=True)
"""
    driver = program(BUSY + body, member)
    try:
        runs(driver)
        driver.send_signal(signal.SIGINT)
        output, errors = driver.communicate(timeout=30)
        assert output.split() == ["cancelled", "5"], output + errors
    finally:
        driver.kill()
        driver.communicate()


def test_the_end_of_one_driver_does_not_touch_another(member: ClusterNode) -> None:
    trygon.init(address=member.address)
    first = program(BUSY + "trygon.get(ref)", member)
    try:
        runs(first)

        @trygon.remote
        class Counter:
            def __init__(self) -> None:
                self.count = 0

            def add(self) -> int:
                self.count += 1
                return self.count

        counter = Counter.options(num_cpus=0).remote()
        assert trygon.get(counter.add.remote()) == 1
        kept = trygon.put(bytes(2**20))
        first.kill()
        for expected in range(2, 30):
            assert trygon.get(counter.add.remote(), timeout=10) == expected
            time.sleep(0.01)
        assert trygon.get(trygon.remote(len).remote(kept), timeout=10) == 2**20
    finally:
        first.kill()
        first.communicate()


@trygon.remote(num_cpus=0)
class Keeper:
    def read(self, box: list[trygon.ObjectRef[str]]) -> str:
        return trygon.get(box[0])


@trygon.remote(num_cpus=0)
def read_all(keepers: list[trygon.actor.ActorHandle[Keeper]], box: list[trygon.ObjectRef[str]]) -> list[str]:
    return trygon.get([keeper.read.remote(box) for keeper in keepers])


def test_processes_that_ask_for_one_another_at_once_are_connected_once(member: ClusterNode) -> None:
    trygon.init(address=member.address)
    for _ in range(3):
        made = trygon.put("made by the driver")
        keepers = [Keeper.remote() for _ in range(8)]
        # Another process has them ask the driver for the object while the driver connects with them for its calls.
        through = read_all.remote(keepers, [made])
        direct = [keeper.read.remote([made]) for keeper in keepers]
        assert trygon.get(direct, timeout=30) == ["made by the driver"] * 8
        assert trygon.get(through, timeout=30) == ["made by the driver"] * 8
        del made, through, direct, keepers
    deadline = time.monotonic() + 10
    while leaks.live_objects() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert leaks.live_objects() == {}


def test_a_part_of_the_suite_with_everything_elsewhere() -> None:
    environment = {**os.environ, "TRYGON_TEST_CLUSTER": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    files = [str(ROOT / "tests" / name) for name in PART]
    words = [sys.executable, "-m", "pytest", "-c", str(ROOT / "python" / "pyproject.toml"), "--rootdir", str(ROOT)]
    done = subprocess.run([*words, "-q", *files], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]

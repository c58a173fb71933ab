"""`trygon explain` over several nodes: owners elsewhere, nodes that are full or lack something, objects of the dead."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trygon
from trygon import exceptions
from trygon._core.cluster.node import command
from trygon.cluster_utils import Cluster

LIMIT_S = 30


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head with one CPU, and a node with two and a resource of its own."""
    cluster = Cluster()
    try:
        cluster.add_node(num_cpus=1, node_name="first")
        cluster.add_node(num_cpus=2, resources={"far": 2}, labels={"zone": "east"}, node_name="second")
        cluster.connect()
        yield cluster
    finally:
        trygon.shutdown()
        cluster.shutdown()


def ask(what: str) -> tuple[dict[str, Any], str]:
    """What the command tells of one thing, as data and for people."""
    done = command("explain", "--json", what)
    assert done.returncode == 0, done.stderr
    (thing,) = json.loads(done.stdout)
    return thing, "\n".join(f"{label} {text}" for label, text in thing.get("lines", []))


def until(what: str, **expected: Any) -> tuple[dict[str, Any], str]:
    """The same, once it is as expected."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        thing, text = ask(what)
        if all(thing.get(key) == value for key, value in expected.items()):
            return thing, text
        assert time.monotonic() < deadline, f"not {expected}: {thing}"
        time.sleep(0.05)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Meanwhile a process does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@trygon.remote
def wait_for(path: str, *ignored: Any) -> str:
    while not os.path.exists(path):
        time.sleep(0.01)
    return trygon.get_runtime_context().get_node_id()


@trygon.remote
def add(first: Any, second: Any) -> Any:
    return first


@trygon.remote(num_cpus=0, resources={"far": 0.5})
class Far:
    def submit(self, path: str, **options: Any) -> Any:
        """A task that this actor owns: its id, the actor's process and node."""
        self.kept = wait_for.options(**options).remote(path)
        context = trygon.get_runtime_context()
        return self.kept.task_id().hex(), self.kept.hex(), os.getpid(), context.get_node_id()

    def keep(self, kept: list[Any]) -> int:
        self.borrowed = kept
        return os.getpid()


@trygon.remote(resources={"far": 0.1}, max_retries=0)
def array() -> Any:
    return np.zeros(1 << 18)


def test_a_task_of_an_owner_on_another_node(cluster: Cluster, tmp_path: Path) -> None:
    far = Far.remote()
    task, object_id, pid, node = trygon.get(far.submit.remote(str(tmp_path / "gate")))
    second = next(iter(cluster.worker_nodes))
    assert node == second.node_id
    told, text = until(task, state="RUNNING")
    assert told["owner"]["pid"] == pid and told["owner"]["node_id"] == node and not told["owner"]["is_driver"]
    assert f"owner process {pid} on node {node[:12]}" in text
    assert ask(object_id)[0]["task"]["task_id"] == task
    # A beginning that no other task has.
    assert ask(task[:44])[0]["id"] == task
    (tmp_path / "gate").touch()
    until(task, state="FINISHED")
    assert command("explain", task).stdout == str(trygon.explain(task))


def test_what_each_node_lacks(cluster: Cluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    running = [wait_for.options(resources={"far": 1}).remote(str(gate)) for _ in range(2)]
    for reference in running:
        until(reference.task_id().hex(), state="RUNNING")
    reference = add.options(resources={"far": 0.5}).remote(1, 2)
    told, text = until(reference.task_id().hex(), state="WAITS_FOR_LEASE")
    first, second = cluster.head_node.node_id, next(iter(cluster.worker_nodes)).node_id  # type: ignore[union-attr]
    verdicts = {node["node_id"]: node["verdict"] for node in told["nodes"]}
    assert verdicts[first] == "cannot: it has no far" and verdicts[second].startswith("is full: ")
    assert "0 of 2 far are free" in verdicts[second] and "wait_for × 2" in text
    gate.touch()
    assert trygon.get(reference, timeout=LIMIT_S) == 1


def test_a_program_that_computes_answers(cluster: Cluster, tmp_path: Path) -> None:
    reference = wait_for.remote(str(tmp_path / "gate"))
    until(reference.task_id().hex(), state="RUNNING")
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(command("explain", "--json", reference.task_id().hex())))
    asking.start()
    began = time.monotonic()
    while asking.is_alive() and time.monotonic() - began < LIMIT_S:
        sum(range(300_000))
    asking.join()
    (told,) = json.loads(found[0].stdout)
    assert told["owner"]["pid"] == os.getpid() and told["state"] == "RUNNING"
    (tmp_path / "gate").touch()


def test_an_owner_elsewhere_that_is_stopped(cluster: Cluster, tmp_path: Path) -> None:
    far = Far.remote()
    task, object_id, pid, node = trygon.get(far.submit.remote(str(tmp_path / "gate"), resources={"far": 50}))
    until(task, state="WAITS_FOR_LEASE")
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        told, text = ask(task)
        assert time.monotonic() - began < 6
        assert told["state"] == "UNKNOWN" and f"process {pid} on node {node[:12]} does not answer" in told["why"]
        assert "stopped" in text and "does not answer" in ask(object_id)[0]["why"]
    finally:
        os.kill(pid, signal.SIGCONT)
    until(task, state="WAITS_FOR_LEASE")


def test_a_daemon_that_is_stopped(cluster: Cluster, tmp_path: Path) -> None:
    """Others tell that nobody there answers, then that the node is dead; asked itself, it is told how it goes on."""
    second = next(iter(cluster.worker_nodes))
    silent: list[Any] = []
    task = wait_for.options(resources={"far": 1}, max_retries=0).remote(str(tmp_path / "gate"))
    until(task.task_id().hex(), state="RUNNING")
    with stopped(second.pid):
        threading.Thread(
            target=lambda: silent.append(command("explain", "--temp-dir", second.folder, second.node_id))
        ).start()
        began = time.monotonic()
        told, _ = ask(task.task_id().hex())
        assert time.monotonic() - began < 6
        assert "of a node that is gone or does not answer" in told["why"] or told["state"] == "FAILED"
        told, _ = until(task.task_id().hex(), state="FAILED")
        assert second.node_id in told["why"] and "is dead" in told["why"]
        while not silent and time.monotonic() - began < LIMIT_S:
            time.sleep(0.05)
    assert silent[0].returncode == 1
    assert f"process {second.pid}, is stopped: `kill -CONT {second.pid}` lets it go on" in silent[0].stderr
    with pytest.raises(exceptions.WorkerCrashedError, match="is dead"):
        trygon.get(task)


def test_an_object_of_a_node_that_dies(cluster: Cluster) -> None:
    reference = array.remote()
    trygon.wait([reference], fetch_local=False)
    far = Far.remote()
    pid = trygon.get(far.keep.remote([reference]))
    second = next(iter(cluster.worker_nodes))
    told, text = until(reference.hex(), state="STORED")
    assert told["places"][0]["node_id"] == second.node_id and told["borrowers"][0]["pid"] == pid
    assert not told["can_be_rebuilt"] and "max_retries=0" in text
    cluster.remove_node(second, allow_graceful=False)
    with pytest.raises(exceptions.ObjectLostError):
        trygon.get(reference)
    told, text = until(reference.hex(), state="ERROR")
    assert told["error"]["code"] == exceptions.ObjectReconstructionFailedError.code
    assert second.node_id[:12] in told["error"]["message"] or "node" in told["error"]["message"]
    history = until(second.node_id, state="dead")[0]["history"]
    assert history[0]["what"] == "joined" and history[-1]["what"].startswith("was given up: ")


def test_a_node_that_drains_and_one_that_is_fenced(cluster: Cluster) -> None:
    second = next(iter(cluster.worker_nodes))
    done = command("drain", second.node_id[:12], "--message", "the rack is rewired")
    assert done.returncode == 0, done.stderr
    told, _ = until(second.node_id, state="draining")
    assert "the rack is rewired" in told["history"][-1]["what"]
    reference = add.options(resources={"far": 0.5}).remote(1, 2)
    told, _ = until(reference.task_id().hex(), state="WAITS_FOR_LEASE")
    verdicts = {node["node_id"]: node["verdict"] for node in told["nodes"]}
    assert verdicts[second.node_id] == "takes no new work: it is drained"
    done = command("fence", second.node_id[:12], "--message", "it lies")
    assert done.returncode == 0, done.stderr
    told, _ = until(second.node_id, state="dead")
    assert told["fenced"] and any("was fenced: it lies" in event["what"] for event in told["history"])
    trygon.cancel(reference)


def test_histories_outlive_the_head(cluster: Cluster) -> None:
    far = Far.options(name="far").remote()
    trygon.get(far.keep.remote([]))
    before = [event["what"] for event in ask("far")[0]["history"]]
    assert [what.split(",")[0] for what in before][0] == "was created" and "was ready" in before[-1]
    pid = json.loads(command("status", "--json").stdout)["session"]["control_pid"]
    os.kill(pid, signal.SIGKILL)
    told, _ = until("far", state="alive")
    assert [event["what"] for event in told["history"]] == before
    node, _ = until(cluster.head_node.node_id, state="alive")  # type: ignore[union-attr]
    assert node["history"][0]["what"] == "joined"

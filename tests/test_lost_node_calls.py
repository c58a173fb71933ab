"""Tasks and calls whose node dies or falls silent: how often they run, where they go on, and whose answer counts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trygon
from trygon.cluster_utils import Cluster, ClusterNode
from trygon.exceptions import ActorUnavailableError, WorkerCrashedError


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head with the driver, and one more node with the resource `far`."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        cluster.add_node(num_cpus=2, resources={"far": 1})
        cluster.connect()
        yield cluster
    finally:
        trygon.shutdown()
        cluster.shutdown()


def far_node(cluster: Cluster) -> ClusterNode:
    (node,) = cluster.worker_nodes
    return node


def wait_until(condition: Any, limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.01)


def replace(cluster: Cluster) -> ClusterNode:
    """Kills the far node and gives the cluster another one."""
    cluster.remove_node(far_node(cluster), allow_graceful=False)
    return cluster.add_node(num_cpus=2, resources={"far": 1})


def written(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def append(path: Path, text: str) -> None:
    with open(path, "a") as file:
        file.write(text)


@trygon.remote(num_cpus=0.1, resources={"far": 0.01})
def slow(path: Path, sleep_s: float) -> str:
    append(path, "x")
    time.sleep(sleep_s)
    return trygon.get_runtime_context().get_node_id()


@trygon.remote(num_cpus=0, resources={"far": 0.01})
class Far:
    def __init__(self, *arguments: Any) -> None:
        self.sums = [int(argument.sum()) for argument in arguments]

    def where(self) -> tuple[str, list[int]]:
        return trygon.get_runtime_context().get_node_id(), self.sums

    def slow(self, path: Path, mark: str, sleep_s: float) -> str:
        append(path, mark)
        time.sleep(sleep_s)
        return mark


def test_a_task_without_retries_runs_once(cluster: Cluster, tmp_path: Path) -> None:
    """Nobody can say what a dead machine had begun: what may run only once is not sent elsewhere."""
    path = tmp_path / "once"
    task = slow.options(max_retries=0).remote(path, 30)
    wait_until(lambda: written(path))
    replace(cluster)
    with pytest.raises(WorkerCrashedError, match="node"):
        trygon.get(task, timeout=20)
    time.sleep(0.3)
    assert written(path) == "x"


def test_a_task_with_a_retry_runs_elsewhere(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "twice"
    task = slow.options(max_retries=1).remote(path, 1)
    wait_until(lambda: written(path))
    node = replace(cluster)
    assert trygon.get(task, timeout=20) == node.node_id
    assert written(path) == "xx"


def test_retries_are_executions_not_connections(cluster: Cluster, tmp_path: Path) -> None:
    """Tasks that only waited for a worker when their node died have lost no retry."""
    path = tmp_path / "begun"
    running = [slow.options(max_retries=1, num_cpus=1).remote(path, 30) for _ in range(2)]
    wait_until(lambda: len(written(path)) == 2)
    queued = [slow.options(max_retries=0, num_cpus=1).remote(tmp_path / f"queued{i}", 0) for i in range(4)]
    time.sleep(0.3)
    node = replace(cluster)
    wait_until(lambda: len(written(path)) == 4)
    for task in running:
        trygon.cancel(task, force=True)
    assert trygon.get(queued, timeout=20) == [node.node_id] * 4
    assert [written(tmp_path / f"queued{i}") for i in range(4)] == ["x"] * 4


def test_calls_in_flight_run_once_or_again(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "calls"
    far = Far.options(max_restarts=1).remote()
    trygon.get(far.where.remote(), timeout=20)
    once = far.slow.remote(path, "a", 1)
    sent = far.slow.remote(path, "b", 0)
    again = far.slow.options(max_task_retries=1).remote(path, "c", 0)
    wait_until(lambda: written(path))
    node = replace(cluster)
    for call in (once, sent):
        with pytest.raises(ActorUnavailableError, match="may or may not have run"):
            trygon.get(call, timeout=20)
    assert trygon.get(again, timeout=20) == "c"
    assert trygon.get(far.where.remote(), timeout=20) == (node.node_id, [])
    assert written(path) == "ac"


def test_an_actor_restarts_on_another_node_with_its_large_arguments(cluster: Cluster) -> None:
    """The arguments are kept where they were made, or are fetched from there again."""
    far = Far.options(max_restarts=1, max_task_retries=1).remote(
        trygon.put(np.full(200_000, 1)), np.full(200_000, 2), trygon.remote(lambda: np.full(200_000, 3)).remote()
    )
    sums = [200_000, 400_000, 600_000]
    assert trygon.get(far.where.remote(), timeout=20) == (far_node(cluster).node_id, sums)
    node = replace(cluster)
    assert trygon.get(far.where.remote(), timeout=20) == (node.node_id, sums)


def processes_of(node: ClusterNode) -> list[int]:
    """The daemon's process and all that it started, to any depth."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines()[1:])}
    found = [node.pid]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def test_a_late_answer_of_an_old_attempt_is_ignored(cluster: Cluster, tmp_path: Path) -> None:
    """A whole node is frozen while it runs a task; the task is done elsewhere; then the node goes on and answers."""

    @trygon.remote(num_cpus=0.1, resources={"far": 0.01}, max_retries=2)
    def which(folder: Path) -> int:
        attempt = len(list(folder.iterdir()))
        (folder / f"began{attempt}").write_text("")
        time.sleep(1.0)
        (folder / f"ended{attempt}").write_text("")
        return attempt

    task = which.remote(tmp_path)
    wait_until(lambda: (tmp_path / "began0").exists())
    node = far_node(cluster)
    frozen = processes_of(node)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        other = cluster.add_node(num_cpus=2, resources={"far": 1})
        assert trygon.get(task, timeout=30) == 1
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    time.sleep(2)
    assert trygon.get(task) == 1
    assert trygon.get(slow.remote(tmp_path / "after", 0), timeout=20) is not None
    assert other in cluster.worker_nodes

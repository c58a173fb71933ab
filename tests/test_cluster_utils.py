"""`Cluster`: several nodes on this machine, added, used, removed and killed."""

from __future__ import annotations

import glob
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import leaks
import pytest
import trygon
from trygon._core import sessions
from trygon.cluster_utils import Cluster

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(trygon.__file__)))


@pytest.fixture
def new() -> Iterator[Callable[..., Cluster]]:
    """Makes clusters that are shut down after the test, whatever happens."""
    made: list[Cluster] = []

    def make(**arguments: Any) -> Cluster:
        made.append(Cluster(**arguments))
        return made[-1]

    try:
        yield make
    finally:
        for cluster in made:
            cluster.shutdown()
        assert not glob.glob(os.path.join(sessions.base(), "clusters", "*"))
        assert not list(sessions.running())


@pytest.fixture
def cluster(new: Callable[..., Cluster]) -> Cluster:
    return new(initialize_head=True)


@trygon.remote
def where() -> str:
    time.sleep(0.05)
    return trygon.get_runtime_context().get_node_id()


def test_a_head_is_a_node_with_what_was_asked_for(cluster: Cluster) -> None:
    head = cluster.head_node
    assert head is not None and head.is_head() and cluster.list_all_nodes() == [head]
    assert cluster.address == cluster.gcs_address == head.address == head.node_address
    assert head.node_ip_address == "127.0.0.1" and head.node_manager_port > 0 and head.any_processes_alive()
    cluster.connect(namespace="here")
    assert cluster.connected and trygon.get_runtime_context().namespace == "here"
    assert trygon.cluster_resources()["CPU"] == 1
    assert trygon.get(where.remote()) == head.node_id == head.unique_id == trygon.nodes()[0]["NodeID"]
    with pytest.raises(RuntimeError, match="already"):
        cluster.connect()


@pytest.mark.parametrize("address", ["auto", None])
def test_a_program_finds_the_cluster(cluster: Cluster, address: str | None) -> None:
    body = f"import trygon\ncontext = trygon.init(address={address!r})\nprint(context['gcs_address'])"
    environment = {**os.environ, "PYTHONPATH": PACKAGE}
    done = subprocess.run([sys.executable, "-c", body], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == cluster.address, done.stderr


def test_work_spreads_over_all_nodes(cluster: Cluster) -> None:
    others = [cluster.add_node(num_cpus=2, resources={f"only_{number}": 1}) for number in range(2)]
    cluster.wait_for_nodes()
    cluster.connect()
    assert sum(node["Alive"] for node in trygon.nodes()) == 3 and trygon.cluster_resources()["CPU"] == 5
    used = set(trygon.get([where.remote() for _ in range(40)]))
    assert used == {node.node_id for node in cluster.list_all_nodes()}
    for number, node in enumerate(others):
        assert trygon.get(where.options(resources={f"only_{number}": 1}).remote()) == node.node_id


@pytest.mark.parametrize("allow_graceful", [True, False])
def test_a_removed_node_leaves_nothing(cluster: Cluster, allow_graceful: bool) -> None:
    node = cluster.add_node(num_cpus=1, resources={"far": 1})
    cluster.connect()

    @trygon.remote(num_cpus=0, resources={"far": 0.1})
    class Far:
        def pids(self) -> list[int]:
            child = subprocess.Popen(["sleep", "300"], start_new_session=True)
            return [os.getpid(), child.pid]

    far = Far.remote()
    pids = trygon.get(far.pids.remote())
    cluster.remove_node(node, allow_graceful=allow_graceful)
    assert not leaks.wait_gone([node.pid, *pids], 2)
    assert cluster.list_all_nodes() == [cluster.head_node] and not os.path.exists(node.folder)
    cluster.wait_for_nodes(timeout=10)
    with pytest.raises(trygon.exceptions.RayActorError):
        trygon.get(far.pids.remote(), timeout=20)


def test_a_node_that_was_killed_is_missed(cluster: Cluster) -> None:
    node = cluster.add_node()
    assert cluster.remaining_processes_alive()
    os.kill(node.pid, 9)
    deadline = time.monotonic() + 5
    while cluster.remaining_processes_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not cluster.remaining_processes_alive()
    with pytest.raises(TimeoutError, match="2 nodes"):
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            cluster.wait_for_nodes(timeout=0.2)
    with pytest.raises(RuntimeError, match="ended already"):
        node.kill_raylet()
    cluster.remove_node(node)


def test_a_program_is_not_cut_off_from_its_node(cluster: Cluster) -> None:
    cluster.connect()
    assert cluster.head_node is not None
    with pytest.raises(ValueError, match="connected"):
        cluster.remove_node(cluster.head_node)
    assert not trygon.is_initialized() and not cluster.connected
    cluster.remove_node(cluster.head_node)
    assert cluster.address is None
    with pytest.raises(RuntimeError, match="no head"):
        cluster.connect()


def test_nodes_end_with_a_killed_program(new: Callable[..., Cluster]) -> None:
    body = (
        "import os, signal\nfrom trygon.cluster_utils import Cluster\n"
        "cluster = Cluster(initialize_head=True)\nprint(cluster.head_node.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": PACKAGE}
    done = subprocess.run([sys.executable, "-c", body], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert not leaks.wait_gone([int(done.stdout)], 5)
    # The next cluster removes the folder that it left.
    new(initialize_head=True).shutdown()
    assert not glob.glob(os.path.join(sessions.base(), "clusters", "*"))


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"nun_cpus": 1}, TypeError, "Did you mean num_cpus"),
        ({"num_cpus": "2"}, TypeError, "num_cpus"),
        ({"num_cpus": -1}, ValueError, "between 0"),
        ({"object_store_memory": 5}, ValueError, "at least"),
        ({"resources": "disk"}, ValueError, "JSON"),
        ({"resources": {"CPU": 1}}, ValueError, "num_cpus"),
        ({"labels": {"zone": 1}}, (TypeError, ValueError), "labels"),
        ({"env_vars": {"A": 1}}, TypeError, "env_vars"),
        ({"port": 70000}, ValueError, "port"),
        ({"port": 7001, "node_manager_port": 7002}, ValueError, "one port"),
        ({"temp_dir": ""}, TypeError, "temp_dir"),
    ],
)
def test_wrong_arguments_are_refused_by_name(
    arguments: dict[str, object], error: type[Exception] | tuple[type[Exception], ...], said: str
) -> None:
    cluster = Cluster()
    with pytest.raises(error, match=said):
        cluster.add_node(**arguments)
    assert cluster.list_all_nodes() == []


def test_what_a_cluster_cannot_do_is_said(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="initialize_head"):
        Cluster(connect=True)
    with pytest.raises(TypeError, match="head_node_args"):
        Cluster(head_node_args=[])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no node of this cluster"):
        Cluster().remove_node(cluster.head_node)  # type: ignore[arg-type]


def test_it_can_be_used_again(new: Callable[..., Cluster]) -> None:
    with pytest.warns(UserWarning, match="dashboard_port"):
        cluster = new(initialize_head=True, head_node_args={"dashboard_port": 1, "min_worker_port": 0})
    cluster.shutdown()
    cluster.add_node(resources='{"disk": 2}', labels={"zone": "a"}, env_vars={"HELLO": "there"})
    cluster.connect()
    assert trygon.cluster_resources()["disk"] == 2 and trygon.nodes()[0]["Labels"]["zone"] == "a"
    assert trygon.get(trygon.remote(os.getenv).remote("HELLO")) == "there"


def test_programs_for_ray_find_it() -> None:
    body = (
        "from ray.cluster_utils import Cluster\nimport ray\n"
        "cluster = Cluster(initialize_head=True, connect=True, head_node_args={'num_cpus': 2})\n"
        "print(int(ray.cluster_resources()['CPU']))\nray.shutdown()\ncluster.shutdown()"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(body)
        file.flush()
        words = [sys.executable, "-m", "trygon.compat", file.name]
        done = subprocess.run(
            words, env={**os.environ, "PYTHONPATH": PACKAGE}, capture_output=True, text=True, check=False
        )
    assert done.stdout.strip() == "2", done.stderr


def test_a_node_that_ends_while_it_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fenced node may end between the look and the kill; the others are removed all the same."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    pids = [node.pid for node in cluster.list_all_nodes()]
    os.kill(second.pid, signal.SIGKILL)
    assert not leaks.wait_gone([second.pid], 5)
    monkeypatch.setattr(second, "any_processes_alive", lambda: True)
    cluster.shutdown()
    assert not leaks.wait_gone(pids, 5) and cluster.list_all_nodes() == []


def test_nodes_are_removed_whatever_becomes_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    pids = [node.pid for node in cluster.list_all_nodes()]
    end = second.end

    def fail(*, allow_graceful: bool) -> None:
        end(allow_graceful=allow_graceful)
        raise OSError("something else")

    monkeypatch.setattr(second, "end", fail)
    with pytest.raises(OSError, match="something else"):
        cluster.shutdown()
    assert not leaks.wait_gone(pids, 5)

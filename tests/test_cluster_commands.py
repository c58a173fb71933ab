"""Commands about a cluster of several nodes: what they show, find, refuse and do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trygon
from ports import free_port
from trygon._core.cluster.node import command
from trygon.cluster_utils import Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head with one CPU, and a node with two and a resource of its own."""
    cluster = Cluster()
    try:
        cluster.add_node(num_cpus=1, node_name="first")
        cluster.add_node(num_cpus=2, resources={"far": 2}, labels={"zone": "east"}, node_name="second")
        yield cluster
    finally:
        cluster.shutdown()


def said(*words: str) -> str:
    done = command(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*words: str) -> str:
    done = command(*words)
    assert done.returncode != 0, done.stdout
    return done.stderr


def eventually(look: Callable[[], Any], limit_s: float = 10) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def shows(part: str, *words: str) -> str:
    """What the command says when it says this."""
    return str(eventually(lambda: text if part in (text := command(*words).stdout) else ""))


@trygon.remote
def where() -> str:
    return trygon.get_runtime_context().get_node_id()


@trygon.remote(num_cpus=0)
class Keeper:
    def where(self) -> str:
        return trygon.get_runtime_context().get_node_id()


def test_status_shows_every_node_and_what_waits(cluster: Cluster) -> None:
    cluster.connect()
    second = next(iter(cluster.worker_nodes))
    keeper = Keeper.options(resources={"far": 0.5}, name="keeper").remote()
    trygon.get(keeper.where.remote())
    waiting = where.options(num_cpus=64).remote()
    shown = shows("where", "status")
    assert "2 alive" in shown and second.node_id[:12] in shown and second.node_address in shown
    assert "zone=east" in shown and "of 3 CPU" in shown and "actors: 1" in shown
    assert "1 × tasks" in shown and "where (CPU: 64)" in shown and "64" in shown
    assert shows("0.5/2 far", "status")
    answers = json.loads(said("status", "--json", f"--temp-dir={second.folder}"))
    assert len(answers["nodes"]) == 2 and answers["session"]["address"] == cluster.address
    trygon.cancel(waiting)


def test_explain_tells_why(cluster: Cluster) -> None:
    cluster.connect()
    keeper = Keeper.options(resources={"far": 0.5}, name="keeper").remote()
    node = trygon.get(keeper.where.remote())
    by_name, by_id = said("explain", "keeper"), said("explain", keeper._actor_id.hex()[:12])
    # But for how long ago what happened.
    same = [[line for line in text.splitlines() if "ago:" not in line] for text in (by_name, by_id)]
    assert same[0] == same[1] and "actor keeper" in by_name and node in by_name and "it runs" in by_name
    assert "node" in said("explain", node[:10]) and "far: 2" in said("explain", node)
    group = trygon.util.placement_group([{"CPU": 1}, {"far": 50}], name="wide")
    text = said("explain", "wide")
    assert group.id.hex() in text and "far: 50" in text and "why" in text
    waiting = where.options(resources={"far": 3}).remote()
    assert shows("far: 3", "explain", "where")
    trygon.cancel(waiting)
    job = trygon.get_runtime_context().get_job_id()
    assert f"job {job}" in said("explain", job) and "entrypoint" in said("explain", job)
    assert json.loads(said("explain", "--json", "keeper"))[0]["state"]
    assert "name 'nothing'" in refused("explain", "nothing").replace('"', "'")
    assert "begins so" in refused("explain", "ffffffffffff")


def test_a_node_that_drains_takes_nothing_new(cluster: Cluster) -> None:
    cluster.connect()
    second = next(iter(cluster.worker_nodes))
    keeper = Keeper.options(resources={"far": 1}).remote()
    assert trygon.get(keeper.where.remote()) == second.node_id
    assert shows("1/2 far", "status")
    assert "is in use" in refused("drain", second.node_id[:12], "--reason", "idle-termination")
    text = said("drain", second.node_id[:12], "--message", "the rack is rewired", "--deadline-s", "3")
    assert second.node_id[:12] in text and "3 s" in text
    shown = said("status")
    assert "draining" in shown
    assert "the rack is rewired" in said("explain", second.node_id)
    assert "drains already" in refused("drain", second.node_id)
    # What runs there goes on; what is new runs elsewhere, or waits.
    assert trygon.get(keeper.where.remote()) == second.node_id
    assert set(trygon.get([where.remote() for _ in range(20)])) == {cluster.head_node.node_id}  # type: ignore[union-attr]
    ready, _ = trygon.wait([where.options(resources={"far": 0.1}).remote()], timeout=1)
    assert not ready
    # What does not end by the deadline is ended.
    assert eventually(lambda: not second.any_processes_alive())
    assert "dead" in said("status") and "drained" in said("status")
    with pytest.raises(trygon.exceptions.RayActorError):
        trygon.get(keeper.where.remote(), timeout=20)


def test_a_drained_node_leaves_when_nothing_is_left(cluster: Cluster) -> None:
    second = next(iter(cluster.worker_nodes))
    said("drain", "second" if "second" in said("status") else second.node_id, "--deadline-s", "300")
    assert eventually(lambda: not second.any_processes_alive())


def test_a_program_drains_no_node(cluster: Cluster) -> None:
    cluster.connect()
    from trygon._core.state import query

    with pytest.raises(Exception, match="drain"):
        query("drain", next(iter(cluster.worker_nodes)).node_id)
    assert all(node["Alive"] for node in trygon.nodes()) and "draining" not in said("status")


def test_what_is_meant_must_be_clear(cluster: Cluster) -> None:
    assert "no node" in refused("drain", "ffffff") and "first" not in refused("drain", "ffffff")[:20]
    assert "ambiguous" in refused("drain", "127.0.0.1")
    assert "belongs to the cluster" in refused("status", "--address", "127.0.0.1:1")
    assert "no node runs in" in refused("status", "--temp-dir", "/nonexistent")
    second = next(iter(cluster.worker_nodes))
    cluster.remove_node(second)
    cluster.wait_for_nodes(timeout=10)
    assert "is dead already" in refused("drain", second.node_id)


RUN = ["symmetric-run", "--num-cpus=1"]


def test_a_symmetric_run_on_one_host(tmp_path: Any) -> None:
    body = (
        "import os, trygon\ntrygon.init()\nassert trygon.get(trygon.remote(lambda: 1).remote()) == 1\n"
        "print(len(trygon.nodes()), os.environ['TRYGON_ADDRESS'])\nraise SystemExit(5)"
    )
    address = f"127.0.0.1:{free_port()}"
    words = [*RUN, f"--address={address}", f"--token-file={tmp_path / 'key'}", "--", sys.executable, "-c", body]
    environment_path = os.path.dirname(os.path.dirname(os.path.abspath(trygon.__file__)))
    os.environ["PYTHONPATH"] = environment_path
    try:
        done = command(*words)
    finally:
        del os.environ["PYTHONPATH"]
    assert done.returncode == 5 and done.stdout == f"1 {address}\n", done.stderr
    assert not (tmp_path / "key").exists() and "no node of yours" in refused("status")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--address=127.0.0.1:PORT", "--min-nodes=2", "--", "true"], "every host"),
        (["--address=no.such.host.invalid:6395", "--", "true"], "not known"),
        (["--address=192.0.2.7:6395", "--wait-s=1", "--", "true"], "within 1 s"),
        (["--address=127.0.0.1:PORT", "--", "/no/such/program"], "cannot be started"),
        (["--address=127.0.0.1:PORT"], "COMMAND"),
        (["--address=127.0.0.1", "--", "true"], "host and a port"),
        (["--address=127.0.0.1:PORT", "--head", "--", "true"], "--head"),
    ],
)
def test_a_symmetric_run_that_cannot_be(words: list[str], message: str, tmp_path: Any) -> None:
    words = [word.replace("PORT", str(free_port())) for word in words]
    assert message in refused(*RUN, f"--token-file={tmp_path / 'key'}", *words)
    assert "no node of yours" in refused("status")


def test_a_killed_symmetric_run_takes_its_node(tmp_path: Any) -> None:
    from trygon._core import sessions
    from trygon._core.init import _binary

    marker = tmp_path / "pid"
    body = f"echo $$ > {marker}; exec sleep 30"
    own = [f"--address=127.0.0.1:{free_port()}", f"--token-file={tmp_path / 'key'}"]
    run = subprocess.Popen([_binary(), *RUN, *own, "--", "sh", "-c", body], stderr=subprocess.DEVNULL)
    try:
        pid = int(eventually(lambda: marker.read_text() if marker.exists() else ""))
        session = next(sessions.running())
    finally:
        run.kill()
        run.wait()
    # The command itself was somebody else's child, and goes on until it sees that its node is gone.
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not session.is_running(), 5)

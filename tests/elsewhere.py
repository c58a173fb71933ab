"""The tests on a cluster in which everything is on another node: `TRYGON_TEST_CLUSTER=1 pytest tests`.

A head without CPUs, to which the tests' drivers attach, and a member that has what the test asks `init` for. Both are
real daemons on this machine. A cluster is kept for the tests that follow as long as they ask for the same, because its
start takes longer than most tests. Programs that tests start in processes of their own do not come here.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import Any

import leaks
from trygon._core import init as init_module
from trygon._core import sessions

VARIABLE = "TRYGON_TEST_CLUSTER"
_OWN_NODE = "looks at the driver's own node, where nothing runs here"
_LATER = "reads the cluster's amounts at once; the head hears of a change a moment later"
_OTHERS_SHOW = "counts what other programs of the same cluster leave to be seen"
# Tests that mean one node; the part after the file's name may be the beginning of several.
_SKIPPED = {
    "test_compat_init.py::test_actors_may_outlive_their_handles_by_default": "leaves a detached actor, which stays",
    "test_compat_init.py::test_memory_is_a_resource": _OWN_NODE,
    "test_context.py::test_resources": _OWN_NODE,
    "test_context.py::test_task": _OWN_NODE,
    "test_init.py::test_context_prints_well_and_is_a_mapping": _OWN_NODE,
    "test_init.py::test_wrong_arguments[arguments7": "wants no cluster to be there",
    "test_leaks.py::test_idle_workers_end": _OWN_NODE,
    "test_placement_group_use.py::test_actors_live_in_a_group": _LATER,
    "test_placement_group_use.py::test_a_group_of_a_detached_actor_ends_with_it": "leaves a detached group",
    "test_placement_groups.py::test_resources_of_a_group_have_their_names": _LATER,
    "test_placement_groups.py::test_the_table_has_the_fields_of_ray": _OWN_NODE,
    "test_runtime_env.py::test_a_daemon_that_is_killed_leaves_no_files": _OWN_NODE,
    "test_runtime_env.py::test_a_zygote_that_is_killed_is_replaced": _OWN_NODE,
    "test_scheduling.py::test_label_selectors": _OWN_NODE,
    "test_scheduling.py::test_memory_is_counted": _OWN_NODE,
    "test_scheduling.py::test_on_a_node_with_labels": _OWN_NODE,
    "test_scheduling.py::test_on_this_node": _OWN_NODE,
    "test_scheduling.py::test_resources_of_the_node": _OWN_NODE,
    "test_scheduling.py::test_the_node_shows_its_labels": _OWN_NODE,
    "test_scheduling.py::test_what_cannot_be_met_says_why_once": _OWN_NODE,
    "test_timeline.py::test_generators_stay_generators": _OTHERS_SHOW,
}
# Files of tests that start nodes of their own, or no engine.
_FILES_WITHOUT = ("test_cluster_", "test_code_travels", "test_locality", "network")
_TAKEN = ("num_cpus", "num_gpus", "resources", "labels", "object_store_memory", "_memory")
_JOIN_LIMIT_S = 20.0
_SETTLE_S = 5.0


def is_wanted() -> bool:
    """Whether this run of the tests is to use a cluster."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def why_skipped(node_id: str) -> str | None:
    """Why this test says nothing on a cluster; None for one that is run."""
    name = node_id.rpartition("tests/")[2]
    if name.startswith(_FILES_WITHOUT):
        return "starts nodes of its own"
    return next((why for skipped, why in _SKIPPED.items() if name.startswith(skipped)), None)


class _Node:
    """A daemon with a base folder of its own."""

    def __init__(self, words: list[str]) -> None:
        self.folder = tempfile.mkdtemp(prefix="else-")
        environment = {**os.environ, "TRYGON_PYTHON": sys.executable}
        for name in ("TRYGON_ADDRESS", "TRYGON_JOB_MARK"):
            environment.pop(name, None)
        words = [init_module._binary(), "start", "--json", "--node-ip-address=127.0.0.1", "--port=0", *words]
        done = subprocess.run(
            [*words, f"--temp-dir={self.folder}"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        self.about: dict[str, Any] = json.loads(done.stdout)
        self.pid: int = self.about["pid"]

    def processes(self) -> set[str]:
        """Everything below the daemon that is not there for every job: workers and zygotes."""
        return {f"{pid} {name}" for pid, name in leaks.below(self.pid, zombies=False) if name != "trygon"}

    def end(self) -> None:
        subprocess.run(
            [init_module._binary(), "stop", "--force", f"--temp-dir={self.folder}"], capture_output=True, check=False
        )
        with suppress(ProcessLookupError):
            os.kill(self.pid, 9)
        shutil.rmtree(self.folder, ignore_errors=True)


class Cluster:
    """A head with nothing and a member with everything."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.nodes: list[_Node] = []
        try:
            self.nodes.append(_Node(["--head", "--num-cpus=0", "--num-gpus=0"]))
            head = self.nodes[0].about
            self.address: str = head["address"]
            self.nodes.append(_Node([f"--address={self.address}", f"--token-file={head['key_file']}", *words]))
            self._wait_for_members()
        except BaseException:
            self.end()
            raise

    def _wait_for_members(self) -> None:
        until = time.monotonic() + _JOIN_LIMIT_S
        while time.monotonic() < until:
            shown = subprocess.run(
                [init_module._binary(), "status", "--json", f"--temp-dir={self.nodes[0].folder}"],
                capture_output=True,
                text=True,
                check=False,
            )
            if shown.stdout.count('"Alive":true') + shown.stdout.count('"Alive": true') == len(self.nodes):
                return
            time.sleep(0.05)
        raise AssertionError(f"the member has not joined: {shown.stdout} {shown.stderr}")

    def is_whole(self) -> bool:
        """Whether all its daemons run."""
        return all(sessions._at(node.about["session"]).is_running() for node in self.nodes if _exists(node))

    def left(self) -> list[str]:
        """What is still there of jobs that are over."""
        until = time.monotonic() + _SETTLE_S
        while True:
            found = [f"{role}: {it}" for role, node in zip("hm", self.nodes, strict=False) for it in node.processes()]
            if not found or time.monotonic() > until:
                return found
            time.sleep(0.02)

    def end(self) -> None:
        """Ends all nodes, the head last."""
        for node in reversed(self.nodes):
            node.end()


def _exists(node: _Node) -> bool:
    return os.path.exists(node.about["session"])


_current: Cluster | None = None


def _cluster(words: list[str]) -> Cluster:
    global _current
    if _current is not None and (_current.words != words or not all(_exists(node) for node in _current.nodes)):
        end()
    if _current is None:
        _current = Cluster(words)
    return _current


def end() -> None:
    """Ends the cluster, if there is one."""
    global _current
    if _current is not None:
        _current.end()
        _current = None


def check() -> list[str]:
    """After a test: what it left on the nodes. A cluster that is not whole any more is ended."""
    if _current is None:
        return []
    try:
        whole = all(_exists(node) for node in _current.nodes) and _current.is_whole()
    except ConnectionError:
        whole = False
    if not whole:
        end()
        return []
    left = _current.left()
    if left:
        end()
    return left


def _words(given: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    words = [f"--num-cpus={defaults['CPU']:g}", f"--num-gpus={defaults['GPU']:g}"]
    if given.get("resources"):
        words.append("--resources=" + json.dumps(given["resources"]))
    if given.get("labels"):
        words.append("--labels=" + json.dumps(given["labels"]))
    if given.get("_memory") is not None:
        words.append(f"--memory={int(given['_memory'])}")
    if given.get("object_store_memory") is not None:
        words.append(f"--object-store-memory={int(given['object_store_memory'])}")
    return words


def install() -> None:
    """From now on `trygon.init` attaches to a cluster whose member has what it was asked for."""
    import trygon

    started = init_module.init

    @functools.wraps(started)
    def init(address: str | None = None, **arguments: Any) -> Any:
        if address or arguments.get("mode") or trygon.is_initialized() or os.environ.get("TRYGON_ADDRESS"):
            return started(address, **arguments)
        given = {name: arguments.get(name) for name in _TAKEN}
        try:
            init_module._configuration(
                given["num_cpus"], given["num_gpus"], given["resources"], given["object_store_memory"], None, False
            )
            init_module.check_init_labels(given["labels"])
        except (TypeError, ValueError):
            # The test wants to see the error.
            return started(address, **arguments)
        have = {
            "CPU": init_module._count("num_cpus", given["num_cpus"], init_module.machine.cpu_count),
            "GPU": init_module._count("num_gpus", given["num_gpus"], init_module.machine.gpu_count),
        }
        cluster = _cluster(_words(given, have))
        others = {name: value for name, value in arguments.items() if name not in _TAKEN}
        return started(cluster.nodes[0].about["session"], **others)

    init_module.init = init
    trygon.init = init
    atexit.register(end)

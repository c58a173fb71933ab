"""`Cluster`: several nodes on this machine, for tests of programs that are to run on many machines.

Each node is a real one: a daemon with its own port, workers and object store, started by `trygon start`. What is shared
is the machine: its cores and its memory.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import time
from contextlib import ExitStack

import trygon
from trygon._core import init, sessions
from trygon._core.cluster import arguments
from trygon._core.cluster.node import ClusterNode, command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Cluster", "ClusterNode", "cluster_not_supported"]

cluster_not_supported = False
"""Ray's flag for systems on which it starts no cluster; there is none on which Trygon runs and starts none."""

_JOIN_LIMIT_S = 30.0
_LOOK_AGAIN_S = 0.02


class Cluster:
    """A cluster of nodes on this machine. The first node that is added is its head.

    `initialize_head` adds the head at once, with `head_node_args` as the arguments of `add_node`; `connect` makes this
    program a driver of it, and without a head raises RuntimeError. With `shutdown_at_exit` the nodes end with this
    program, killed or not; without it they stay until `shutdown` or `trygon stop --all`.
    """

    def __init__(
        self,
        initialize_head: bool = False,
        connect: bool = False,
        head_node_args: dict[str, Any] | None = None,
        shutdown_at_exit: bool = True,
    ) -> None:
        if connect and not initialize_head:
            raise RuntimeError("connect=True needs a head to connect to: give initialize_head=True as well.")
        if head_node_args is not None and not isinstance(head_node_args, dict):
            raise TypeError(f"head_node_args must be a dict, but {type(head_node_args).__name__} was given.")
        self.head_node: ClusterNode | None = None
        """The node that was added first, while it is there."""
        self.worker_nodes: set[ClusterNode] = set()
        """All other nodes."""
        self.connected = False
        """Whether `connect` has made this program a driver of the cluster."""
        self._shutdown_at_exit = shutdown_at_exit
        self._folder = ""
        self._added = 0
        self._pid = os.getpid()
        if initialize_head:
            self.add_node(**(head_node_args or {}))
            if connect:
                self.connect()

    @property
    def address(self) -> str | None:
        """The head's `host:port`, for `trygon.init(address=...)`; None without a head."""
        return None if self.head_node is None else self.head_node.address

    @property
    def gcs_address(self) -> str | None:
        """The same as `address`, by Ray's name."""
        return self.address

    def connect(self, namespace: str | None = None) -> None:
        """Makes this program a driver of the cluster. RuntimeError: it has no head, or the program is connected."""
        if self.head_node is None:
            raise RuntimeError("The cluster has no head to connect to; add_node() adds one.")
        if self.connected:
            raise RuntimeError("This program is connected to the cluster already.")
        trygon.init(address=self.head_node.address, namespace=namespace, ignore_reinit_error=True)
        self.connected = True

    def add_node(self, wait: bool = True, **node_args: Any) -> ClusterNode:
        """Starts a node; the first is the head.

        It has one CPU, no GPU and 150 MiB for objects, unless `num_cpus`, `num_gpus`, `object_store_memory` (bytes),
        `memory` (bytes), `resources` (a dict, or a JSON object as text), `labels`, `node_name`, `node_ip_address`,
        `port`, `temp_dir` or `env_vars` (of the daemon and its workers) say otherwise. Ray's further names are
        accepted; those that ask for something have no effect and are named in a warning. With `wait` it returns when
        the head shows the node as alive, else as soon as the node itself runs.

        TypeError: an argument that does not exist. RuntimeError: the node cannot be started. TimeoutError: it has not
        come to life within 30 seconds.
        """
        words, variables = arguments.words(node_args)
        if not any(word.startswith("--node-ip-address=") for word in words):
            words.append("--node-ip-address=127.0.0.1")
        if self.head_node is None:
            words.append("--head")
        else:
            words += [f"--address={self.head_node.address}", f"--token-file={self.head_node.key_file}"]
        if not self._folder:
            self._folder = _new_folder()
        if self._shutdown_at_exit and self._added == 0:
            atexit.register(self._at_exit)
        folder = os.path.join(self._folder, str(self._added))
        node = ClusterNode(words, variables, folder, ends_with_program=self._shutdown_at_exit)
        self._added += 1
        if self.head_node is None:
            self.head_node = node
        else:
            self.worker_nodes.add(node)
        if wait:
            self._wait_for(lambda alive: node.node_id in alive, _JOIN_LIMIT_S, f"{node!r} has not come to life")
        return node

    def remove_node(self, node: ClusterNode, allow_graceful: bool = True) -> None:
        """Ends a node: told to end, or killed at once with `allow_graceful=False`. Nothing of it is left.

        ValueError: this program is connected to that very node (the connection is ended), or it is none of this
        cluster.
        """
        if node is not self.head_node and node not in self.worker_nodes:
            raise ValueError(f"{node!r} is no node of this cluster.")
        if _is_used_here(node):
            trygon.shutdown()
            self.connected = False
            raise ValueError(
                "This program was connected to the node that is to be removed; the connection has been ended. Connect"
                " to another node, or call trygon.shutdown() before the node is removed."
            )
        node.end(allow_graceful=allow_graceful)
        if node is self.head_node:
            self.head_node = None
        else:
            self.worker_nodes.discard(node)

    def wait_for_nodes(self, timeout: float = _JOIN_LIMIT_S) -> None:
        """Waits until the head shows exactly the nodes that were added and not removed as alive.

        TimeoutError: it does not within `timeout` seconds.
        """
        wanted = {node.node_id for node in self.list_all_nodes()}
        self._wait_for(
            lambda alive: len(alive) == len(wanted), timeout, f"The head does not show {len(wanted)} nodes as alive"
        )

    def list_all_nodes(self) -> list[ClusterNode]:
        """The head, if there is one, and the other nodes."""
        return [*([self.head_node] if self.head_node is not None else []), *self.worker_nodes]

    def remaining_processes_alive(self) -> bool:
        """Whether the daemons of all nodes run that were not removed or killed by this program."""
        return all(node.remaining_processes_alive() for node in self.list_all_nodes())

    def shutdown(self) -> None:
        """Removes all nodes, the head last. A program that is connected to one is disconnected first."""
        if any(_is_used_here(node) for node in self.list_all_nodes()):
            trygon.shutdown()
        self.connected = False
        with ExitStack() as ends:
            # Each of them, whatever becomes of the others.
            ends.callback(self._clear_up)
            for node in self.list_all_nodes():
                ends.callback(self.remove_node, node)

    def _clear_up(self) -> None:
        if self._folder:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""
        self._added = 0
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        # A forked child has the handler too, and the nodes are not its own.
        if os.getpid() == self._pid:
            self.shutdown()

    def _wait_for(self, is_so: Any, limit_s: float, otherwise: str) -> None:
        until = time.monotonic() + limit_s
        while True:
            alive = self._alive()
            if is_so(alive):
                return
            if time.monotonic() > until:
                raise TimeoutError(f"{otherwise} after {limit_s:g} s; alive are {sorted(id[:12] for id in alive)}.")
            time.sleep(_LOOK_AGAIN_S)

    def _alive(self) -> set[str]:
        """Ids of the nodes that the head shows as alive."""
        import json

        if self.head_node is None:
            return set()
        shown = command("status", "--json", f"--temp-dir={self.head_node.folder}")
        if shown.returncode != 0:
            raise RuntimeError(f"The head does not answer: {shown.stderr.strip()}")
        return {node["NodeID"] for node in json.loads(shown.stdout)["nodes"] if node["Alive"]}


def _new_folder() -> str:
    """A folder for a cluster's sessions, beside this user's others; those of programs that were killed are removed."""
    base = sessions.base()
    os.makedirs(base, mode=0o700, exist_ok=True)
    parent = os.path.join(base, "clusters")
    os.makedirs(parent, mode=0o700, exist_ok=True)
    for name in os.listdir(parent):
        pid = name.partition("-")[0]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            _remove_unless_used(os.path.join(parent, name))
    return tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent)


def _remove_unless_used(folder: str) -> None:
    """A cluster may outlive its program: `shutdown_at_exit=False`."""
    import glob
    import shutil

    found = glob.glob(os.path.join(glob.escape(folder), "*", "session_*"))
    if not any(sessions.Session(session).is_running() for session in found):
        shutil.rmtree(folder, ignore_errors=True)


def _is_used_here(node: ClusterNode) -> bool:
    """Whether this program is connected to it."""
    return trygon.is_initialized() and bool(init._session_folder) and init._session_folder == node.session_dir

"""One node of a `Cluster`: a daemon of its own session, started and ended by this program."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

from trygon._core import sessions
from trygon._core.init import _binary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A node that is told to end has this long; then it is killed.
_GRACE_S = 20.0
# What a killed daemon leaves notices within milliseconds; what has not ended after this is killed.
_ORPHANS_S = 5.0


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs `trygon` with these words and waits for it."""
    return subprocess.run([_binary(), *words], env=_environment({}), capture_output=True, text=True, check=False)


def _environment(variables: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "TRYGON_PYTHON": sys.executable, **variables}


class ClusterNode:
    """A node, as `Cluster.add_node` gives it."""

    def __init__(self, words: list[str], variables: dict[str, str], folder: str, *, ends_with_program: bool) -> None:
        self.folder = folder
        """Folder of the node's sessions; what was given as `temp_dir`, else one that goes with the node."""
        self._owns_folder = not any(word.startswith("--temp-dir=") for word in words)
        if self._owns_folder:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            words = [*words, f"--temp-dir={folder}"]
        else:
            self.folder = next(word for word in words if word.startswith("--temp-dir=")).partition("=")[2]
        self._command: subprocess.Popen[str] | None = None
        started = self._start([_binary(), "start", "--json", *words], variables, ends_with_program)
        self.node_id: str = started["node_id"]
        """Its id in hexadecimal, as `trygon.nodes()` shows it."""
        self.address: str = started["address"]
        """The cluster's address, `host:port`."""
        self.node_address: str = started["node_address"]
        """Where other nodes reach this one, `host:port`."""
        self.session_dir: str = started["session"]
        """Folder of the session: its socket and its logs."""
        self.pid: int = started["pid"]
        """The daemon's process id."""
        self.key_file: str = started["key_file"]
        """The cluster's key, if this is the head."""
        self._is_head: bool = started["is_head"]
        self._link = self._make_current() if self._is_head else ""
        # By its descriptor: the number may be another process's when this one has ended.
        self._daemon = os.pidfd_open(self.pid)

    def _start(self, words: list[str], variables: dict[str, str], is_bound: bool) -> dict[str, Any]:
        environment = _environment(variables)
        # A node is no part of the job in which this program may run.
        for name in ("TRYGON_ADDRESS", "TRYGON_JOB_MARK"):
            environment.pop(name, None)
        if not is_bound:
            done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"The node was not started: {_cause(done.stderr)}")
            return dict(json.loads(done.stdout))
        started = subprocess.Popen(
            [*words, "--until-input-ends"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A Ctrl-C is for this program, which ends its nodes itself.
            start_new_session=True,
        )
        assert started.stdout is not None
        line = started.stdout.readline()
        if not line:
            _, errors = started.communicate()
            raise RuntimeError(f"The node was not started: {_cause(errors)}")
        self._command = started
        return dict(json.loads(line))

    def _make_current(self) -> str:
        """Lets `trygon.init()` and commands without an address find this head, unless they find another; the link."""
        if sessions.current() is not None:
            return ""
        link = os.path.join(sessions.base(), "current")
        incoming = f"{link}.{os.getpid()}"
        with suppress(OSError):
            os.unlink(incoming)
        os.symlink(self.session_dir, incoming)
        os.replace(incoming, link)
        return link

    def __repr__(self) -> str:
        kind = "head" if self._is_head else "worker"
        return f"<ClusterNode {self.node_id[:12]} {kind} at {self.node_address}, process {self.pid}>"

    @property
    def unique_id(self) -> str:
        """The same as `node_id`."""
        return self.node_id

    @property
    def gcs_address(self) -> str:
        """The cluster's address, by Ray's name."""
        return self.address

    @property
    def node_ip_address(self) -> str:
        """The host of `node_address`."""
        return self.node_address.rpartition(":")[0]

    @property
    def node_manager_port(self) -> int:
        """The port of `node_address`."""
        return int(self.node_address.rpartition(":")[2])

    def is_head(self) -> bool:
        """Whether it is the cluster's first node."""
        return self._is_head

    def get_session_dir_path(self) -> str:
        """Folder of the session."""
        return self.session_dir

    def get_temp_dir_path(self) -> str:
        """Folder of the node's sessions."""
        return self.folder

    def get_logs_dir_path(self) -> str:
        """Folder of the session's logs."""
        return os.path.join(self.session_dir, "logs")

    def any_processes_alive(self) -> bool:
        """Whether the node's daemon runs."""
        return self._daemon >= 0 and not _ends_within(self._daemon, 0)

    def remaining_processes_alive(self) -> bool:
        """Whether the node's daemon runs, or has been ended by this program."""
        return self._daemon < 0 or self.any_processes_alive()

    def kill(self) -> None:
        """Kills the daemon and waits until its workers have ended too; does nothing if it has ended. The node stays in
        the cluster's list until `Cluster.remove_node`.
        """
        self.end(allow_graceful=False)

    def kill_raylet(self, check_alive: bool = True) -> None:
        """`kill`, by Ray's name. With `check_alive`, RuntimeError if it has ended already."""
        if check_alive and not self.any_processes_alive():
            raise RuntimeError(f"The daemon of {self!r} has ended already.")
        self.kill()

    def kill_all_processes(self, check_alive: bool = True, allow_graceful: bool = False, wait: bool = False) -> None:
        """Ends the node. It is always waited for."""
        if check_alive and not self.any_processes_alive():
            raise RuntimeError(f"The daemon of {self!r} has ended already.")
        self.end(allow_graceful=allow_graceful)

    def end(self, *, allow_graceful: bool) -> None:
        """Ends the node and everything of it, told or killed, and removes its folder."""
        if self._daemon < 0:
            return
        if allow_graceful:
            self._tell_to_end()
        if self.any_processes_alive():
            self._kill()
        os.close(self._daemon)
        self._daemon = -1
        self._clear_up()

    def _tell_to_end(self) -> None:
        if self._command is None:
            command("stop", f"--temp-dir={self.folder}")
            return
        try:
            # The end of its input is what it waits for.
            self._command.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            self._command.kill()

    def _kill(self) -> None:
        # It may end by itself at any moment: a node that is fenced, or has lost its head.
        with suppress(ProcessLookupError):
            # Stopped first: it starts nothing more while its processes are listed.
            signal.pidfd_send_signal(self._daemon, signal.SIGSTOP)
        orphans = _open_all(_descendants(self.pid))
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._daemon, signal.SIGKILL)
        _ends_within(self._daemon, _ORPHANS_S)
        until = time.monotonic() + _ORPHANS_S
        for orphan in orphans:
            if not _ends_within(orphan, max(until - time.monotonic(), 0)):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(orphan, signal.SIGKILL)
                _ends_within(orphan, 1)
            os.close(orphan)

    def _clear_up(self) -> None:
        if self._command is not None:
            self._command.communicate()
        with suppress(OSError):
            if self._link and os.readlink(self._link) == self.session_dir:
                os.unlink(self._link)
        # A killed daemon could not take away what leads to it.
        with suppress(OSError):
            os.unlink(os.path.join(sessions.base(), "nodes", os.path.basename(self.session_dir)))
        if self._owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def _cause(errors: str) -> str:
    return errors.strip().removeprefix("trygon start: ") or "the command `trygon start` ended without a word"


def _ends_within(descriptor: int, limit_s: float) -> bool:
    import select

    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(limit_s * 1000))


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        with suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{int(entry)}/stat", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    found, left = [], [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def _open_all(pids: list[int]) -> list[int]:
    descriptors = []
    for pid in pids:
        with suppress(OSError):
            descriptors.append(os.pidfd_open(pid))
    return descriptors

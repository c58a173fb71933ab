"""Machines with Trygon on them: each a namespace with an address, a home and session folders of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import leaks
from programs import finish

from network.fabric import Host, Network

PACKAGE = Path(__file__).resolve().parent.parent.parent / "python"
BINARY = os.environ.get("TRYGON_BINARY") or str(PACKAGE / "trygon" / "_bin" / "trygon")
PORT = 6379
# What a program on a machine has before its own lines.
_HEADER = "import os, sys, time, trygon\n"


def binary() -> str:
    """The program of the package that is tested."""
    if os.environ.get("TRYGON_TEST_INSTALLED"):
        import trygon

        return str(Path(trygon.__file__).parent / "_bin" / "trygon")
    return BINARY


class Machine:
    """One machine: commands and programs run there as its only user's."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.name = host.name
        self.address = host.address
        self.folder = folder
        self.disk: Disk | None = None
        self.node: dict[str, Any] = {}
        folder.mkdir()
        paths = [] if os.environ.get("TRYGON_TEST_INSTALLED") else [str(PACKAGE)]
        path = os.pathsep.join(filter(None, [*paths, os.environ.get("PYTHONPATH")]))
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "TRYGON_TMPDIR": str(folder),
            "TRYGON_PYTHON": sys.executable,
            "PYTHONPATH": path,
        }

    def command(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs `trygon` with these words."""
        return self.host.run(binary(), *words, timeout=timeout, env=self.environment)

    def start_command(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Starts `trygon` with these words."""
        return self.host.start(binary(), *words, env=self.environment, **options)

    def start_node(self, *words: str) -> dict[str, Any]:
        """Starts a node here with these words of `trygon start`."""
        done = self.command("start", "--json", f"--node-ip-address={self.address}", f"--node-name={self.name}", *words)
        assert done.returncode == 0, done.stderr
        self.node = json.loads(done.stdout)
        return self.node

    def status(self) -> dict[str, Any]:
        """What `trygon status --json` says."""
        shown = self.command("status", "--json")
        assert shown.returncode == 0, shown.stderr
        return dict(json.loads(shown.stdout))

    def program(self, body: str, **options: Any) -> subprocess.Popen[str]:
        """Starts a Python program here."""
        return self.host.start(sys.executable, "-c", _HEADER + body, env=self.environment, **options)

    def run(self, body: str, timeout: float = 60) -> str:
        """Runs a Python program here; gives what it printed."""
        return finish(self.program(body), timeout, f" on {self.name}")

    def below_daemon(self) -> set[int]:
        """The processes that the daemon has started, and what they have."""
        return {int(pid) for pid, _ in leaks.below(self.node["pid"], zombies=False)}

    def log(self) -> str:
        """The daemon's log."""
        path = Path(self.node.get("session", "/nonexistent")) / "logs" / "daemon.log"
        return path.read_text(errors="replace") if path.exists() else ""


class Disk:
    """A small disk of a machine, which can be filled."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=700", "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        """Takes every byte that is free."""
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    def free(self) -> None:
        """Gives them back."""
        (self.folder / "ballast").unlink(missing_ok=True)

    def unmount(self) -> None:
        """At the end."""
        subprocess.run(["umount", "-l", str(self.folder)], check=False)


class Machines:
    """A network of machines, of which the first is the head of a cluster that the others join, unless `joined` is
    false. With `disk_bytes` each spills objects, and the head writes its journal, to a small disk of its own. At its
    end every node is stopped; whatever else still runs then fails the test.
    """

    def __init__(
        self,
        names: list[str],
        *,
        cpus: int = 2,
        joined: bool = True,
        store_bytes: int = 300_000_000,
        disk_bytes: int = 0,
    ) -> None:
        self.network = Network(names)
        self.folder = Path(tempfile.mkdtemp(prefix="net-"))
        self.machines = {name: Machine(host, self.folder / name) for name, host in self.network.hosts.items()}
        self.head = self.machines[names[0]]
        self._cpus = cpus
        self._store_bytes, self._disk_bytes = store_bytes, disk_bytes
        self._joined = joined

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def __enter__(self) -> Machines:
        try:
            self.network.__enter__()
            if self._disk_bytes:
                for machine in self.machines.values():
                    machine.disk = Disk(machine.folder / "disk", self._disk_bytes)
            if self._joined:
                for machine in self.machines.values():
                    self.start(machine)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def start(self, machine: Machine, *words: str, more: dict[str, float] | None = None) -> dict[str, Any]:
        """Starts a node with two CPUs, a resource with its name and `more`; the head's, or one that joins it."""
        resources = json.dumps({machine.name: 100, **(more or {})})
        store = f"--object-store-memory={self._store_bytes}"
        words = (f"--num-cpus={self._cpus}", f"--resources={resources}", store, *words)
        if machine.disk is not None:
            words = (*words, f"--object-spilling-directory={machine.disk.folder / 'objects'}")
            if machine is self.head:
                words = (*words, f"--storage-dir={machine.disk.folder / 'kept'}")
        if machine is self.head:
            return machine.start_node("--head", f"--port={PORT}", *words)
        return machine.start_node(f"--address={self.address}", f"--token-file={self.key}", *words)

    @property
    def address(self) -> str:
        """The cluster's."""
        return f"{self.head.address}:{PORT}"

    @property
    def key(self) -> str:
        """The file with the cluster's key."""
        return str(self.head.node["key_file"])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                for machine in self.machines.values():
                    print(f"== log of {machine.name}\n{machine.log()[-4000:]}", file=sys.stderr)
            for machine in reversed(self.machines.values()):
                machine.command("stop", "--all", "--grace-period=5")
            self.network.__exit__(kind, error, trace)
        finally:
            for machine in self.machines.values():
                if machine.disk is not None:
                    machine.disk.unmount()
            shutil.rmtree(self.folder, ignore_errors=True)


def wait_until(is_so: Callable[[], Any], limit_s: float, what: str) -> float:
    """Looks until it is so, and gives the seconds that it took."""
    start = time.monotonic()
    while not is_so():
        assert time.monotonic() - start < limit_s, f"not within {limit_s} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - start

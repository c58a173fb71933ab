"""Several machines for one engine: network namespaces with a node in each, and programs on them.

The network is that of `tests/network`, so that faults and limits are the same in tests and figures. Everything here
carries the tag of its place in its environment; `close` leaves no process and no namespace behind.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness import processes
from harness.engines import Engine, RowFailed
from harness.environment import Environment

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tests"))

from network import fabric  # noqa: E402  (the folder of the tests is no package of this program)

PORT = 6379
STORE_BYTES = 2_000_000_000


def why_not() -> str:
    """Why there can be no machines here; empty when there can."""
    return fabric.why_not()


class Place:
    """Machines with nodes of one engine; the first is the head's. Each has a custom resource with its own name."""

    def __init__(self, environment: Environment, log_path: Path, limit_s: float):
        self.environment = environment
        self.log_path = log_path
        self.limit_s = limit_s
        self.tag = secrets.token_hex(8)
        self.network: fabric.Network | None = None
        self.folder: Path | None = None
        self.names: list[str] = []
        self.started: dict[str, dict] = {}
        self.drivers: list[Engine] = []

    @property
    def is_ray(self) -> bool:
        """Whether the nodes are Ray's."""
        return self.environment.name == "ray"

    @property
    def address(self) -> str:
        """The cluster's."""
        return f"{self.network[self.names[0]].address}:{PORT}"

    def open(self, names: list[str], **options: dict) -> "Place":
        """Makes the network and starts a node on each machine that has options here; `self.start` takes the same."""
        # Short, because Ray makes Unix sockets below it.
        self.folder = Path(tempfile.mkdtemp(prefix="tm-", dir="/tmp"))
        self.names = names
        self.network = fabric.Network(names)
        self.network.__enter__()
        for name in names:
            if name in options:
                self.start(name, **options[name])
        return self

    def variables(self, name: str) -> dict[str, str]:
        """The environment of what runs on a machine."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "RAY_", "TRYGON_"))}
        return kept | {
            processes.TAG_NAME: self.tag,
            "HOME": str(self.folder),
            "TRYGON_TMPDIR": str(self.folder / name),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": f"{self.environment.python.parent}:{os.environ.get('PATH', '')}",
        }

    def start_words(self, name: str, cpus: int, resources: dict, store_bytes: int) -> list[str]:
        """The command that starts a node there."""
        resources = {name: 1000} | resources
        words = [f"--node-ip-address={self.network[name].address}", f"--num-cpus={cpus}"]
        words += [f"--resources={json.dumps(resources)}", f"--object-store-memory={store_bytes}"]
        head = name == self.names[0]
        if self.is_ray:
            words += ["--disable-usage-stats", f"--node-name={name}"]
            words += ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.folder}/r"] if head else []
            words += [] if head else [f"--address={self.address}"]
            return [str(self.environment.python.parent / "ray"), "start", *words]
        words += ["--json", f"--node-name={name}"]
        words += ["--head", f"--port={PORT}"] if head else [f"--address={self.address}", f"--token-file={self.key}"]
        return [str(self.environment.python.parent / "trygon"), "start", *words]

    @property
    def key(self) -> str:
        """The file with the key of the cluster."""
        return self.started[self.names[0]]["key_file"]

    def begin(self, name: str, cpus: int = 2, resources: dict | None = None, store_bytes: int = STORE_BYTES):
        """Starts the command that starts a node there, and does not wait for it."""
        (self.folder / name).mkdir(exist_ok=True)
        words = self.start_words(name, cpus, resources or {}, store_bytes)
        # Into a file: a node keeps the descriptors that it inherits, so a pipe would never end.
        with (self.folder / f"{name}.out").open("w") as output, self.log_path.open("ab") as log:
            return self.network[name].start(*words, env=self.variables(name), stdout=output, stderr=log)

    def start(self, name: str, **options) -> dict:
        """Starts a node there; what the command said, if it was JSON."""
        code = self.begin(name, **options).wait(timeout=self.limit_s)
        text = (self.folder / f"{name}.out").read_text()
        if code:
            raise RowFailed(f"the node {name} did not start: exit code {code}")
        self.started[name] = {} if self.is_ray else json.loads(text)
        return self.started[name]

    def driver(self, name: str) -> Engine:
        """A program on that machine, connected to the cluster."""
        engine = Engine(self.environment, self.log_path)
        engine.prefix = self.network[name].words()
        engine.variables = self.variables(name)
        self.drivers.append(engine)
        engine.launch(None, self.limit_s)
        request = {"op": "init", "address": self.address, "node_ip": self.network[name].address}
        engine.ask(request, self.limit_s)
        return engine

    def ask(self, engine: Engine, step: str, **arguments) -> dict:
        """Has the program do a step (a row of kind "step"); its answer."""
        request = {"op": "row", "row": step, "quick": False, "seed": secrets.randbits(48), "arguments": arguments}
        return engine.ask(request, self.limit_s)["metrics"]

    def find(self, name: str, *words: str) -> int:
        """The process on that machine in whose command line all these words are."""
        for pid in self.network[name].pids():
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if all(any(part == word or part.endswith("/" + word) for part in line) for word in words):
                return pid
        raise RowFailed(f"no process {' '.join(words)} on {name}")

    def kill(self, name: str, *words: str) -> float:
        """Kills that process; the clock just before."""
        pid = self.find(name, *words)
        now = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return now

    def kill_daemon(self, name: str) -> float:
        """Kills the daemon of a machine and what ends with it; the clock just before."""
        return self.kill(name, "raylet") if self.is_ray else self.kill(name, "trygon", "node")

    def wait_for(self, is_so: Callable[[], bool], what: str) -> None:
        """Looks every few milliseconds until it is so."""
        until = time.monotonic() + self.limit_s
        while not is_so():
            if time.monotonic() > until:
                raise RowFailed(f"not within {self.limit_s:.0f} s: {what}")
            time.sleep(0.005)

    def close(self) -> None:
        """Ends everything."""
        for engine in self.drivers:
            engine.end(0.0)
        if self.network is not None:
            self.network.close()
        processes.end_all(-1, self.tag)
        # None as long as `open` has not made one: nothing else may ever be removed here.
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

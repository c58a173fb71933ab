"""A network of namespaces: one for each machine, a bridge between them, and faults on its links.

Nothing lies outside of the namespaces, so that removing them removes everything. Needs root and `ip` (iproute2); the
limit of a rate needs `tc`.

Each machine has its neighbours' hardware addresses written down by hand. A fault changes them: a link that is cut leads
to an address that nobody has, so that packets vanish without a word, as they do behind a firewall or a broken switch; a
link that is slow or lossy leads to the relay (see `relay.py`). Links without faults run at the kernel's speed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_PREFIX = "trygon-"
_NOWHERE = "02:77:ff:ff:ff:ff"
_RELAY = "02:77:00:00:ff:fe"
_NAMESPACES = Path("/run/netns")
# What has been told to end is gone after this.
_LAST_BREATH_S = 1.0


def why_not() -> str:
    """Why no network can be made here; empty when it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need the command ip (apt-get install iproute2)"
    name = f"{_PREFIX}{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"this system makes no network namespace: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return ""


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _batch(commands: list[str], namespace: str | None = None) -> None:
    words = ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"]
    done = subprocess.run(words, input="\n".join(commands) + "\n", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip: {done.stderr.strip()} in\n" + "\n".join(commands))


class Host:
    """One machine of the network, as the network sees it."""

    def __init__(self, name: str, namespace: str, number: int) -> None:
        self.name = name
        self.namespace = namespace
        self.address = f"10.77.0.{number}"
        self.mac = f"02:77:00:00:00:{number:02x}"

    def words(self, *command: str) -> list[str]:
        """The command, to be run there."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def run(self, *command: str, timeout: float = 30, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command there and waits for it."""
        return subprocess.run(
            self.words(*command), capture_output=True, text=True, timeout=timeout, check=False, **options
        )

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Starts a command there, with pipes for what it says."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.words(*command), **{**pipes, **options})

    def pids(self) -> list[int]:
        """The processes that run there."""
        found = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False)
        return [int(word) for word in found.stdout.split()]


class Network:
    """`with Network(["a", "b"]) as network:` has two machines that reach each other; at its end all is gone."""

    def __init__(self, names: list[str]) -> None:
        own = f"{_PREFIX}{os.getpid()}-"
        self.hub = own + "hub"
        self.hosts = {name: Host(name, own + name, number + 1) for number, name in enumerate(names)}
        self._relay: subprocess.Popen[str] | None = None
        self._faults: dict[tuple[str, str], dict[str, float]] = {}

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __enter__(self) -> Network:
        remove_stale()
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left = self.close()
        if left and kind is None:
            raise AssertionError(f"processes were left behind: {left}")

    def cut(self, first: str, second: str, *, both_ways: bool = True) -> None:
        """From now on nothing of what one sends reaches the other; with `both_ways=False` the other way stays."""
        for source, target in self._ways(first, second, both_ways):
            self._faults[source, target] = {}
            self._lead(source, target, _NOWHERE)

    def isolate(self, name: str) -> None:
        """Cuts one machine off from all others."""
        for other in self.hosts:
            if other != name:
                self.cut(name, other)

    def delay(self, first: str, second: str, ms: float, *, jitter_ms: float = 0, both_ways: bool = True) -> None:
        """What one sends reaches the other so much later."""
        self._slow(first, second, both_ways, {"delay_ms": ms, "jitter_ms": jitter_ms})

    def loss(self, first: str, second: str, percent: float, *, both_ways: bool = True) -> None:
        """So much of what one sends does not reach the other, by chance (the same chance in every run)."""
        self._slow(first, second, both_ways, {"loss_percent": percent})

    def rate(self, name: str, mbit: float | None) -> None:
        """Limits what a machine sends and what it receives, in Mbit/s; None takes the limit away."""
        host = self.hosts[name]
        for namespace, device in ((host.namespace, "eth0"), (self.hub, f"p{name}")):
            if mbit is None:
                _run("tc", "-n", namespace, "qdisc", "del", "dev", device, "root")
                continue
            limit = ["tbf", "rate", f"{mbit}mbit", "burst", "256k", "latency", "50ms"]
            _run("tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", *limit)

    def heal(self, first: str | None = None, second: str | None = None) -> None:
        """Takes back what was done to a link, or to every link of a machine, or to all; rates stay."""
        for source, target in list(self._faults):
            if {first, second} - {None} <= {source, target}:
                self._lead(source, target, self.hosts[target].mac)
                del self._faults[source, target]

    def close(self) -> list[str]:
        """Ends everything; gives what still ran on the machines, and went on for longer than it takes to end."""
        until = time.monotonic() + _LAST_BREATH_S
        while (running := [(host, pid) for host in self.hosts.values() for pid in host.pids()]) and (
            time.monotonic() < until
        ):
            time.sleep(0.02)
        left = [f"{host.name}: {pid} {_name_of(pid)}" for host, pid in running]
        if self._relay is not None:
            self._relay.communicate()
        for name in [*(host.namespace for host in self.hosts.values()), self.hub]:
            _remove(name)
        return left

    def _make(self) -> None:
        hosts = list(self.hosts.values())
        _batch([f"netns add {name}" for name in [self.hub, *(host.namespace for host in hosts)]])
        hub = ["link set lo up", "link add bridge type bridge", "link set bridge up"]
        for host in hosts:
            hub.append(f"link add p{host.name} type veth peer name eth0 address {host.mac} netns {host.namespace}")
            hub.append(f"link set p{host.name} master bridge up")
        hub.append(f"link add prelay type veth peer name relay address {_RELAY}")
        hub += ["link set prelay master bridge up", "link set relay up"]
        _batch(hub, self.hub)
        for host in hosts:
            own = ["link set lo up", f"address add {host.address}/24 dev eth0", "link set eth0 up"]
            own.append("route add default dev eth0")
            own += [_neighbour(other.address, other.mac) for other in hosts if other is not host]
            _batch(own, host.namespace)

    def _ways(self, first: str, second: str, both: bool) -> list[tuple[str, str]]:
        return [(first, second), (second, first)] if both else [(first, second)]

    def _slow(self, first: str, second: str, both: bool, fault: dict[str, float]) -> None:
        for source, target in self._ways(first, second, both):
            known = self._faults.setdefault((source, target), {})
            known.update(fault)
            start, end = self.hosts[source], self.hosts[target]
            rule = {"source": start.address, "target": end.address, "mac": end.mac, "delay_ms": 0, **known}
            self._tell_relay(rule)
            self._lead(source, target, _RELAY)

    def _lead(self, source: str, target: str, mac: str) -> None:
        _batch([_neighbour(self.hosts[target].address, mac)], self.hosts[source].namespace)

    def _tell_relay(self, rule: dict[str, object]) -> None:
        if self._relay is None:
            words = [sys.executable, str(Path(__file__).with_name("relay.py")), "relay"]
            self._relay = subprocess.Popen(
                ["ip", "netns", "exec", self.hub, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self._answer()
        assert self._relay.stdin is not None
        self._relay.stdin.write(json.dumps(rule) + "\n")
        self._relay.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._relay is not None and self._relay.stdout is not None
        if not self._relay.stdout.readline():
            raise RuntimeError("the relay has ended")


def _neighbour(address: str, mac: str) -> str:
    return f"neighbour replace {address} lladdr {mac} dev eth0 nud permanent"


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(gone)"


def _remove(namespace: str) -> None:
    """Ends what runs in a namespace, and removes it."""
    if not (_NAMESPACES / namespace).exists():
        return
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
        pids = [int(word) for word in found.stdout.split()]
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


def remove_stale() -> None:
    """Removes the networks of test runs that were killed: their names say whose they were."""
    for path in _NAMESPACES.glob(_PREFIX + "*") if _NAMESPACES.is_dir() else ():
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _remove(path.name)

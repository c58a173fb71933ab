"""Every port and every socket of a running cluster, tried by somebody who has not the key: nothing is served, nothing
ends, and the cluster works afterwards. With `-s` it prints what was tried and what came of it.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from network import fabric
from network.machines import Machine, Machines

pytestmark = [
    pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-"),
    # Some attempts last as long as the other side's patience.
    pytest.mark.timeout(120),
]

_LISTENS = "0A"
_NOBODY = 65534
# Says hello at a node's socket as a command does, as another user, and waits for an answer. It becomes that user when
# everything is loaded: the interpreter may lie where others cannot look.
KNOCK = """
import os, socket, sys
path, user, hello = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
stream.settimeout(5)
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
try:
    stream.connect(path)
    stream.sendall(hello)
    print("answered" if stream.recv(64) else "closed")
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    # The last machine is nobody's node: the attacks come from there.
    machines = Machines(["a", "b", "evil"], joined=False)
    with machines:
        machines.start(machines["a"])
        machines.start(machines["b"])
        yield machines


@pytest.fixture(autouse=True)
def cluster_works_afterwards(machines: Machines) -> Iterator[None]:
    before = {name: machines[name].node["pid"] for name in "ab"}
    control = _children(machines["a"].node["pid"], "control")
    assert control
    yield
    for pid in before.values():
        assert Path(f"/proc/{pid}/exe").exists(), "a daemon has ended"
    assert _children(machines["a"].node["pid"], "control") == control, "the control service has ended"
    said = machines["b"].run(
        "trygon.init()\n@trygon.remote\ndef where(): return trygon.get_runtime_context().get_node_id()\n"
        "print(len({trygon.get(where.options(resources={name: 1}).remote(), timeout=30) for name in 'ab'}))"
    )
    assert said == "2"


def _children(pid: int, word: str) -> set[int]:
    """Children of a process that were started with this word."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and word in (entry / "cmdline").read_text().split("\0"):
                found.add(int(entry.name))
        except OSError:
            pass
    return found


def _listening(machine: Machine) -> set[tuple[str, str, int]]:
    """Protocol, address and port of all that waits for connections or datagrams there."""
    found = set()
    for protocol in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        for line in machine.host.run("cat", f"/proc/net/{protocol}").stdout.splitlines()[1:]:
            fields = line.split()
            # A datagram's socket that is connected to somebody has that one's address in the third field.
            waits = fields[3] == _LISTENS if protocol.startswith("tcp") else fields[2].endswith(":0000")
            if waits:
                address, _, port = fields[1].rpartition(":")
                if len(address) == 8:
                    address = socket.inet_ntoa(bytes.fromhex(address)[::-1])
                found.add((protocol, address, int(port, 16)))
    return found


def _unix_sockets(machine: Machine) -> list[str]:
    """Names of all Unix sockets there that others could connect to."""
    lines = machine.host.run("cat", "/proc/net/unix").stdout.splitlines()[1:]
    # Flag 00010000: it listens.
    return [line.split()[7] for line in lines if line.split()[3] == "00010000" and len(line.split()) > 7]


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n== {title}")
    for row in rows:
        print(f"  {row['attempt']!s:28} {row['bytes']!s:>6} bytes  {row['seconds']!s:>6} s  {row['said']}")


# With an actor on each node; prints the workers' ids, and that they live, for each line that it reads.
ACTORS = """
trygon.init()
@trygon.remote(num_cpus=0)
class A:
    def worker(self): return trygon.get_runtime_context().get_worker_id()
actors = [A.options(resources={name: 1}).remote() for name in 'ab']
print(*trygon.get([actor.worker.remote() for actor in actors]), flush=True)
for line in sys.stdin:
    print(len(trygon.get([actor.worker.remote() for actor in actors], timeout=20)), flush=True)
"""


@pytest.fixture
def actors(machines: Machines) -> Iterator[subprocess.Popen[str]]:
    """A program at work on both nodes."""
    program = machines["b"].program(ACTORS, stdin=subprocess.PIPE)
    try:
        yield program
    finally:
        program.communicate(timeout=30)
    assert program.returncode == 0


def test_a_node_has_one_port_and_one_socket(machines: Machines, actors: subprocess.Popen[str]) -> None:
    assert actors.stdout is not None and len(actors.stdout.readline().split()) == 2
    print()
    for name in "ab":
        machine = machines[name]
        port = int(machine.node["node_address"].rpartition(":")[2])
        found, sockets = _listening(machine), _unix_sockets(machine)
        print(f"  {name} listens at {sorted(found)} and {sockets}")
        # Workers and drivers, which run now, have none.
        assert {("tcp", machine.address, port)} <= found <= {("tcp", ip, port) for ip in (machine.address, "127.0.0.1")}
        assert sockets == [os.path.join(machine.node["session"], "node.sock")], sockets


def test_no_worker_serves_a_stranger(machines: Machines, actors: subprocess.Popen[str], tmp_path: Path) -> None:
    assert actors.stdout is not None and actors.stdin is not None
    for name, worker in zip("ab", actors.stdout.readline().split(), strict=True):
        rows = _attack(machines, name, tmp_path, worker)
        _table(f"a worker of {name}", rows)
        assert len(rows) >= 3
    actors.stdin.write("\n")
    actors.stdin.flush()
    assert actors.stdout.readline() == "2\n"


@pytest.mark.parametrize("name", ["a", "b"])
def test_nobody_without_a_certificate_is_served(machines: Machines, name: str, tmp_path: Path) -> None:
    rows = _attack(machines, name, tmp_path)
    _table(f"the port of {'the head' if name == 'a' else 'a node'}", rows)
    assert len(rows) >= 11 + 6 * 3


def _attack(machines: Machines, name: str, folder: Path, target: str = "") -> list[dict[str, Any]]:
    """Tries everything on a node, or on one of its workers, and checks that nothing was served."""
    host, _, port = machines[name].node["node_address"].rpartition(":")
    script = str(Path(__file__).with_name("attacks.py"))
    done = machines["evil"].host.run(sys.executable, script, host, port, str(folder), target, timeout=90)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        # Outside of TLS, an alert is all that may come back: seven bytes, from the library that does TLS.
        assert row["bytes"] <= 7, row
        # Inside of TLS, not a word: in TLS 1.3 the other side is refused when it has shown its certificate, or none.
        assert not row["said"].startswith("inside"), row
        assert "open" not in row["said"], row
    return rows


def test_a_wrong_key_does_not_join(machines: Machines, tmp_path: Path) -> None:
    good = Path(machines.key).read_text().strip()
    version, secret, fingerprint = good.split(":")
    turned = {"0": "1"}.get(secret[0], "0") + secret[1:]
    wrong = {
        "no key": None,
        "another secret": f"{version}:{turned}:{fingerprint}",
        "another cluster": f"{version}:{secret}:{turned}",
        "no such key": "trygon1:00:00",
        "empty": "",
    }
    print()
    for what, text in wrong.items():
        words = ["start", f"--address={machines.address}", "--num-cpus=1", "--node-ip-address=10.77.0.3"]
        if text is not None:
            path = tmp_path / "key"
            path.unlink(missing_ok=True)
            path.touch(0o600)
            path.write_text(text + "\n")
            words.append(f"--token-file={path}")
        refused = machines["evil"].command(*words)
        print(f"  {what:16} {refused.stderr.strip()}")
        assert refused.returncode != 0 and "trygon start:" in refused.stderr, what
        assert secret not in refused.stderr + refused.stdout
    # A key that others can read is none.
    path.write_text(good + "\n")
    path.chmod(0o644)
    refused = machines["evil"].command("start", f"--address={machines.address}", f"--token-file={path}")
    assert refused.returncode != 0, refused.stdout
    assert len([node for node in machines.head.status()["nodes"] if node["Alive"]]) == 2


def test_another_user_gets_nothing(machines: Machines) -> None:
    machine = machines["a"]
    session = Path(machine.node["session"])
    secrets = [session / "security" / name for name in ("cluster.key", "authority.key")]
    for path in [session, *secrets]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert _knock(machine, session / "node.sock") == "PermissionError"
    # Even with the folders and the socket wide open, it looks at who is there.
    opened = [session / "node.sock", session]
    while opened[-1] != Path("/tmp") and opened[-1].parent != opened[-1] and opened[-1] != machines.folder.parent:
        opened.append(opened[-1].parent)
    modes = [(path, stat.S_IMODE(path.stat().st_mode)) for path in opened]
    try:
        for path, mode in modes:
            path.chmod(mode | 0o077)
        assert _knock(machine, session / "node.sock") in ("closed", "ConnectionResetError", "BrokenPipeError")
    finally:
        for path, mode in modes:
            path.chmod(mode)
    # Its own user is answered.
    assert _knock(machine, session / "node.sock", user=0) == "answered"


def _knock(machine: Machine, path: Path, user: int = _NOBODY) -> str:
    """What a user gets who asks for the nodes as `trygon status` does."""
    done = machine.host.run(sys.executable, "-c", KNOCK, str(path), str(user), _hello().hex())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _hello() -> bytes:
    """The frames AttachTool and StateQuery for "nodes": length, kind, version, flags and body."""

    def frame(kind: int, body: bytes) -> bytes:
        return len(body).to_bytes(4, "little") + kind.to_bytes(2, "little") + bytes([1, 0]) + body

    return frame(0x0252, b"\x0a\x050.1.0") + frame(0x0215, b"\x08\x01\x12\x05nodes")

"""Nodes that stay: started, used by several programs, looked at and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import leaks
import pytest
import trygon
from ports import free_port

# The package that is tested: that of the sources, or the installed one.
PACKAGE = Path(trygon.__file__).resolve().parent.parent
BINARY = os.environ.get("TRYGON_BINARY") or str(PACKAGE / "trygon" / "_bin" / "trygon")


class Node:
    """A head with a base folder of its own."""

    address = ""

    def __init__(self, folder: Path) -> None:
        path = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
        self.environment = {
            **os.environ,
            "TRYGON_TMPDIR": str(folder),
            "TRYGON_PYTHON": sys.executable,
            "PYTHONPATH": path,
        }

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BINARY, *words], env=self.environment, capture_output=True, text=True, timeout=30, check=False
        )

    def status(self) -> dict[str, object]:
        shown = self.command("status", "--json")
        assert shown.returncode == 0, shown.stderr
        return json.loads(shown.stdout)

    def program(self, body: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", "import os, time, trygon\n" + body],
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, body: str, **variables: str) -> str:
        program = self.program(body, **variables)
        output, errors = program.communicate(timeout=40)
        assert program.returncode == 0, errors
        return output.strip()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: the system takes little more than a hundred bytes for a socket's."""
    with tempfile.TemporaryDirectory(prefix="n-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@pytest.fixture
def node(folder: Path) -> Iterator[Node]:
    node = Node(folder)
    node.address = f"127.0.0.1:{free_port()}"
    port = node.address.rpartition(":")[2]
    started = node.command("start", "--head", "--num-cpus=2", "--node-ip-address=127.0.0.1", f"--port={port}")
    assert started.returncode == 0, started.stderr
    assert node.address in started.stdout and "trygon stop" in started.stdout
    try:
        yield node
    finally:
        stopped = node.command("stop")
        assert stopped.returncode == 0, stopped.stderr


def test_a_node_runs_until_it_is_stopped(node: Node) -> None:
    daemon = node.status()["nodes"][0]["DaemonPid"]  # type: ignore[index]
    again = node.command("start", "--head")
    assert again.returncode != 0 and "a node runs here already" in again.stderr
    assert "Nothing waits" in node.command("status").stdout
    assert "Stopped the node" in node.command("stop").stdout
    assert not leaks.wait_gone([daemon], 3)
    assert "No node of yours runs" in node.command("stop").stdout


ADDRESSES = ["auto", "127.0.0.1", "localhost"]


@pytest.mark.parametrize("address", [*ADDRESSES, None])
def test_a_program_finds_the_node(node: Node, address: str | None) -> None:
    if address not in ("auto", None):
        address = f"{address}:{node.address.rpartition(':')[2]}"
    found = node.run(
        f"context = trygon.init(address={address!r})\n"
        "f = trygon.remote(lambda x: x + 1)\n"
        "print(context['gcs_address'], sum(trygon.get([f.remote(i) for i in range(20)])))"
    )
    assert found == f"{node.address} 210"


def test_what_a_node_has_is_not_the_programs_to_say(node: Node) -> None:
    body = (
        "for arguments in ({'num_cpus': 1}, {'address': '127.0.0.1:6392'}, {'address': 'x'}):\n"
        "    try:\n        trygon.init(**arguments)\n"
        "    except (ValueError, ConnectionError) as error:\n        print(type(error).__name__, error)\n"
        "trygon.init(address='local', num_cpus=1)\nprint(int(trygon.cluster_resources()['CPU']))"
    )
    lines = node.run(body).splitlines()
    assert lines[0].startswith("ValueError") and "num_cpus" in lines[0]
    assert lines[1].startswith("ConnectionError") and "trygon start --address=127.0.0.1:6392" in lines[1]
    assert lines[2].startswith("ValueError") and lines[3] == "1"


COUNTER = """
@trygon.remote
class Counter:
    def __init__(self): self.n = 0
    def add(self): self.n += 1; return self.n
"""


def test_detached_actors_outlive_their_program_by_namespace(node: Node) -> None:
    create = COUNTER + (
        "trygon.init(namespace='here')\n"
        "c = Counter.options(name='c', lifetime='detached').remote()\nown = Counter.options(name='own').remote()\n"
        "print(trygon.get([c.add.remote(), own.add.remote()]))"
    )
    assert node.run(create) == "[1, 1]"
    use = (
        "trygon.init(namespace='other')\n"
        "for name, namespace in (('c', None), ('own', 'here')):\n"
        "    try:\n        trygon.get_actor(name, namespace)\n    except ValueError:\n        print('none')\n"
        "c = trygon.get_actor('c', 'here')\nprint(trygon.get(c.add.remote()))\ntrygon.kill(c)\n"
    )
    assert node.run(use).split() == ["none", "none", "2"]
    deadline = time.monotonic() + 5
    while node.status()["jobs"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert node.status()["jobs"] == []


def test_a_killed_driver_takes_its_processes_and_no_other(node: Node) -> None:
    spawn = (
        "trygon.init()\n"
        "@trygon.remote\ndef work():\n"
        "    import subprocess\n"
        "    child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "    print('PIDS', os.getpid(), child.pid, flush=True)\n"
        "    open(os.environ['TRYGON_PIDS'], 'w').write(f'{os.getpid()} {child.pid}')\n"
        "    time.sleep(300)\n"
        "trygon.get(work.remote())"
    )
    path = os.path.join(node.environment["TRYGON_TMPDIR"], "pids")
    victim = node.program(spawn, TRYGON_PIDS=path)
    other = node.program(
        "trygon.init()\n@trygon.remote\ndef f(i):\n    time.sleep(0.1)\n    return i\n"
        "print(sum(trygon.get([f.remote(i) for i in range(20)])))"
    )
    deadline = time.monotonic() + 20
    while not (os.path.exists(path) and Path(path).read_text().count(" ")) and time.monotonic() < deadline:
        time.sleep(0.05)
    pids = [int(pid) for pid in Path(path).read_text().split()]
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert not leaks.wait_gone(pids, 2)
    output, errors = other.communicate(timeout=30)
    assert other.returncode == 0 and output.strip() == "190", errors


def test_another_python_is_refused(node: Node) -> None:
    body = (
        "from trygon._core import init\nown = init._program\n"
        "init._program = lambda: {**own(), 'python_version': '3.9.1'}\n"
        "try:\n    trygon.init()\nexcept RuntimeError as error:\n    print(error)"
    )
    said = node.run(body)
    assert "Version mismatch" in said and "3.9.1" in said and sys.version.split()[0] in said


def test_block_ends_with_its_command(folder: Path) -> None:
    node = Node(folder)
    words = [BINARY, "start", "--head", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1"]
    command = subprocess.Popen(words, env=node.environment, stdout=subprocess.PIPE, text=True)
    assert command.stdout is not None
    while not command.stdout.readline().startswith("Stop it"):
        assert command.poll() is None
    daemon = node.status()["nodes"][0]["DaemonPid"]  # type: ignore[index]
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=10)
    assert not leaks.wait_gone([daemon], 3)
    assert "no node of yours" in node.command("status").stderr


def test_a_node_that_cannot_join_says_so(folder: Path) -> None:
    refused = Node(folder).command("start", "--address=127.0.0.1:6391", "--num-cpus=1")
    assert refused.returncode != 0 and "127.0.0.1:6391" in refused.stderr
    assert "no node of yours" in Node(folder).command("status").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["start"], "--head"),
        (["start", "--head", "--resources", "disk"], "JSON"),
        (["start", "--head", "--resources", '{"CPU": 1}'], "--num-cpus"),
        (["start", "--head", "--labels", "zone"], "key=value"),
        (["start", "--address", "nonsense"], "host and a port"),
        (["start", "--head", "--object-store-memory", "5"], "75 MB"),
    ],
)
def test_wrong_words_are_refused(folder: Path, words: list[str], said: str) -> None:
    refused = Node(folder).command(*words)
    assert refused.returncode != 0 and said in refused.stderr

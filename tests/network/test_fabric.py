"""The network itself: what it says about its links must be so, else the tests that use it show nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from network import fabric
from network.fabric import Network

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

# Answers each line; what is asked for is sent at once.
SERVER = """
import socket
server = socket.create_server(("0.0.0.0", 7000))
print("listens", flush=True)
connection, _ = server.accept()
stream = connection.makefile("rw")
for line in stream:
    stream.write("x" * int(line) + "\\n")
    stream.flush()
"""
# Prints the seconds that each answer took.
CLIENT = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], 7000), timeout=float(sys.argv[2]))
stream = connection.makefile("rw")
for line in sys.stdin:
    start = time.monotonic()
    stream.write(line)
    stream.flush()
    try:
        stream.readline()
    except OSError as error:
        print(type(error).__name__, flush=True)
        break
    print(time.monotonic() - start, flush=True)
"""


class Conversation:
    """A TCP connection from one machine to another."""

    def __init__(self, network: Network, source: str, target: str, timeout_s: float = 10) -> None:
        python = sys.executable
        self.server = network[target].start(python, "-c", SERVER)
        assert self.server.stdout is not None and self.server.stdout.readline() == "listens\n"
        words = [python, "-c", CLIENT, network[target].address, str(timeout_s)]
        self.client = network[source].start(*words, stdin=subprocess.PIPE)

    def ask(self, size: int = 1) -> str:
        assert self.client.stdin is not None and self.client.stdout is not None
        self.client.stdin.write(f"{size}\n")
        self.client.stdin.flush()
        return self.client.stdout.readline().strip()

    def best_s(self, tries: int = 5) -> float:
        return min(float(self.ask()) for _ in range(tries))

    def close(self) -> None:
        for process in (self.client, self.server):
            process.kill()
            process.communicate()


@pytest.fixture
def network() -> Iterator[Network]:
    with Network(["a", "b", "c"]) as network:
        yield network


@pytest.fixture
def talk(network: Network) -> Iterator[Conversation]:
    talk = Conversation(network, "a", "b", timeout_s=3)
    try:
        yield talk
    finally:
        talk.close()


def test_a_delay_is_seen_both_ways_and_heals(network: Network, talk: Conversation) -> None:
    assert talk.best_s() < 0.02
    network.delay("a", "b", ms=40)
    assert 0.08 <= talk.best_s() < 0.13
    network.heal("a", "b")
    assert talk.best_s() < 0.02


def test_large_answers_cross_a_slow_link_whole(network: Network, talk: Conversation) -> None:
    network.delay("a", "b", ms=5)
    assert talk.best_s() >= 0.01
    # Segments that the kernel has not cut yet, and checksums that it has not made, pass the relay.
    assert float(talk.ask(8 << 20)) < 3
    network.loss("a", "b", percent=5)
    assert float(talk.ask(1 << 20)) < 3


def test_a_cut_is_silent_and_heals(network: Network, talk: Conversation) -> None:
    assert talk.best_s() < 0.02
    network.cut("a", "b")
    start = time.monotonic()
    # No reset, no error: the client waits for as long as it cares to.
    assert talk.ask() == "TimeoutError" and time.monotonic() - start >= 2.9
    other = network["a"].run("ping", "-c1", "-W1", network["c"].address) if _has_ping() else None
    assert other is None or other.returncode == 0
    again = Conversation(network, "a", "c")
    try:
        assert again.best_s() < 0.02
    finally:
        again.close()


def test_a_connection_outlives_a_short_cut(network: Network) -> None:
    talk = Conversation(network, "a", "b", timeout_s=20)
    try:
        assert talk.best_s() < 0.02
        network.cut("a", "b", both_ways=False)
        assert talk.client.stdin is not None
        talk.client.stdin.write("1\n")
        talk.client.stdin.flush()
        time.sleep(0.5)
        network.heal()
        assert talk.client.stdout is not None
        assert 0.4 < float(talk.client.stdout.readline()) < 5
    finally:
        talk.close()


def test_loss_loses_and_rate_limits(network: Network, talk: Conversation) -> None:
    network.rate("b", mbit=80)
    took_s = float(talk.ask(4 << 20))
    # 4 MiB at 10 MB/s; what fits into the bucket comes at once.
    assert 0.3 < took_s < 2
    network.rate("b", mbit=None)
    assert float(talk.ask(4 << 20)) < 0.3


def test_what_a_killed_run_left_is_removed() -> None:
    body = (
        "import os, signal, sys\nsys.path[:0] = sys.argv[1:]\nfrom network.fabric import Network\n"
        "network = Network(['a'])\nnetwork.__enter__()\n"
        "child = network['a'].start('sleep', '300')\nprint(os.getpid(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # A file takes what it says: `sleep` holds a pipe open.
    done = subprocess.run([sys.executable, "-c", body, tests], stdout=subprocess.PIPE, text=True, check=False)
    pid = done.stdout.strip()
    names = [name for name in os.listdir("/run/netns") if name.startswith(f"trygon-{pid}-")]
    assert sorted(names) == [f"trygon-{pid}-a", f"trygon-{pid}-hub"]
    fabric.remove_stale()
    assert not [name for name in os.listdir("/run/netns") if name.startswith(f"trygon-{pid}-")]


def _has_ping() -> bool:
    import shutil

    return shutil.which("ping") is not None

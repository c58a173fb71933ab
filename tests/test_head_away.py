"""The head's daemon is away for longer than a lease: where its address refuses connections, other nodes go on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import leaks
import pytest
import trygon
from test_head_lost import Head, folder, head  # noqa: F401
from trygon.experimental import internal_kv


@pytest.fixture
def start_member(head: Head, folder: Path) -> Iterator:  # noqa: F811
    """Starts members of the cluster, by their names; each has a resource of that name."""
    names: list[str] = []

    def start(name: str, *more: str) -> dict[str, object]:
        names.append(name)
        done = head.command(
            "start", "--json", "--node-ip-address=127.0.0.1", f"--temp-dir={folder / name}", "--num-cpus=2",
            f"--address={head.about['address']}", f"--token-file={head.about['key_file']}",
            f"--resources={json.dumps({name: 10})}", *more,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    try:
        yield start
    finally:
        trygon.shutdown()
        for name in names:
            head.command("stop", "--force", f"--temp-dir={folder / name}")


@trygon.remote(num_cpus=0)
class Lives:
    """Writes down each of its lives."""

    def __init__(self, path: str) -> None:
        with open(path, "a") as file:
            print(os.getpid(), time.time(), file=file)
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count


def lives(path: Path) -> list[tuple[int, float]]:
    """The lives of the actor: their processes, and when they began."""
    return [(int(pid), float(at)) for pid, at in (line.split() for line in path.read_text().splitlines())]


def test_twenty_seconds_without_a_head_stop_nothing(head: Head, start_member, folder: Path) -> None:  # noqa: F811
    members = [start_member("m"), start_member("n")]
    trygon.init(address=str(members[0]["session"]), namespace="n")
    path = folder / "lives"
    actor = Lives.options(name="kept", lifetime="detached", resources={"n": 1}, max_restarts=-1).remote(str(path))
    assert trygon.get(actor.add.remote(), timeout=20) == 1
    assert internal_kv._internal_kv_put(b"before", b"1", overwrite=True) is False
    slow = trygon.remote(num_cpus=1, resources={"n": 1}, max_retries=0)(lambda: time.sleep(15) or os.getpid()).remote()
    there = trygon.remote(num_cpus=0.1, resources={"n": 1}, max_retries=0)(lambda x: 2 * x)
    assert trygon.get(there.remote(1), timeout=20) == 2
    head.crash()
    began, count, longest = time.monotonic(), 1, 0.0
    while time.monotonic() - began < 20:
        count += 1
        asked = time.monotonic()
        assert trygon.get(actor.add.remote(), timeout=5) == count, "calls go on"
        assert trygon.get(there.remote(count), timeout=5) == 2 * count, "tasks go on"
        longest = max(longest, time.monotonic() - asked)
        time.sleep(0.02)
    print(f"{count} calls and tasks without a head, the longest took {longest:.2f} s")
    head.start()
    assert internal_kv._internal_kv_get(b"before") == b"1"
    assert trygon.get(slow, timeout=10) > 0, "it ran through"
    assert trygon.get(trygon.get_actor("kept").add.remote(), timeout=20) == count + 1
    time.sleep(13)
    assert trygon.get(actor.add.remote(), timeout=10) == count + 2, "whoever came back is not given up later"
    assert len(lives(path)) == 1
    alive = {node["NodeID"] for node in trygon.nodes() if node["Alive"]}
    assert alive == {str(about["node_id"]) for about in [*members, head.about]}, "the head's node is another one"
    for about in members:
        log = (Path(str(about["session"])) / "logs" / "daemon.log").read_text()
        assert log.count("no head runs at its address: what runs here goes on for 60 s at most") == 1, log


def test_a_head_elsewhere_waits_for_nodes_that_hold_on(head: Head, start_member, folder: Path) -> None:  # noqa: F811
    """The members look for it where it was, and are told there that nobody is."""
    member = start_member("m", "--head-reconnect-timeout=16")
    trygon.init(address=str(head.about["session"]), namespace="n")
    path = folder / "lives"
    actor = Lives.options(name="kept", lifetime="detached", resources={"m": 1}, max_restarts=-1).remote(str(path))
    assert trygon.get(actor.add.remote(), timeout=20) == 1
    trygon.shutdown()
    head.crash()
    crashed = time.time()
    old = str(head.about["address"])
    about = head.start("--port=0", f"--resources={json.dumps({'m': 10})}")
    assert about["address"] != old
    (first, _), *others = lives(path)
    assert not others
    assert not leaks.wait_gone([int(str(member["pid"])), first], 25), "it ends when it has waited for its head"
    ended = time.time()
    assert 14 < ended - crashed < 22, ended - crashed
    until = time.monotonic() + 20
    while len(lives(path)) < 2:
        assert time.monotonic() < until, "it lives again when its node is given up"
        time.sleep(0.1)
    assert lives(path)[1][1] > ended, (
        "not before its last life has ended, though nodes at the same address get only 12 s"
    )
    print(f"ended after {ended - crashed:.1f} s, again after {lives(path)[1][1] - crashed:.1f} s")
    trygon.init(address=str(about["session"]), namespace="n")
    trygon.kill(trygon.get_actor("kept"))

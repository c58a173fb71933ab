"""Nodes that are cut off, frozen or killed: when they are given up, and that nothing of theirs counts afterwards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from network import fabric
from network.machines import Machine, Machines, wait_until

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

# A detached actor that says which life of it answers, and a program that calls it until it is told to stop.
LIVES = """
import threading
@trygon.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Lives:
    def __init__(self):
        self.life = os.urandom(4).hex()
        with open(os.environ["LIVES"], "a") as file:
            print(self.life, os.getpid(), trygon.get_runtime_context().get_node_id(), file=file)
        self.n = 0
    def beat(self):
        self.n += 1
        return self.life, self.n
def call(actor, seconds):
    said, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        life, n = trygon.get(actor.beat.remote(), timeout=60)
        said.append((time.monotonic(), life, n))
        time.sleep(0.005)
    return said
"""


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Machines]:
    monkeypatch.setenv("LIVES", str(tmp_path / "lives"))
    with Machines(["a", "b", "c"]) as machines:
        yield machines


def nodes(machines: Machines) -> list[dict[str, Any]]:
    """As the head sees them."""
    return list(machines.head.status()["nodes"])


def alive(machines: Machines, name: str) -> list[str]:
    """The ids of the living nodes with this name."""
    return [node["NodeID"] for node in nodes(machines) if node["Alive"] and node["NodeName"] == name]


def wait_for_another(machines: Machines, name: str, old: str, limit_s: float = 30) -> str:
    """Waits until a machine is there as another node than `old`, and alone."""
    wait_until(lambda: alive(machines, name) not in ([], [old]), limit_s, f"{name} is back as another node")
    (new,) = alive(machines, name)
    return new


def processes(machine: Machine) -> set[int]:
    """The processes on a machine but for its daemon."""
    return machine.below_daemon()


def test_a_node_that_is_cut_off_stops_its_work_and_comes_back_as_another(machines: Machines) -> None:
    b = machines["b"]
    old = b.node["node_id"]
    program = machines.head.program(
        LIVES + "trygon.init()\n"
        "actor = Lives.options(resources={'b': 1}, name='n', namespace='s', lifetime='detached').remote()\n"
        "print(trygon.get(actor.beat.remote())[1], flush=True)\ninput()\n"
        "print(trygon.get(actor.beat.remote(), timeout=50)[1], flush=True)",
        stdin=-1,
    )
    assert program.stdout is not None and program.stdout.readline() == "1\n"
    before = processes(b)
    assert before
    machines.network.isolate("b")
    since = time.monotonic()
    seconds = wait_until(lambda: not (processes(b) & before), 6, "the workers are stopped by their own node")
    print(f"its own daemon stopped the workers after {seconds:.2f} s")
    wait_until(lambda: not alive(machines, "b"), 6, "the head gives it up")
    print(f"given up after {time.monotonic() - since:.2f} s")
    assert time.monotonic() - since < 6
    time.sleep(max(0.0, 20 - (time.monotonic() - since)))
    machines.network.heal()
    new = wait_for_another(machines, "b", old)
    assert new != old
    output, errors = program.communicate("\n", timeout=60)
    assert output == "1\n", errors  # Another life, on the new node: only that one has the resource.
    numbers = [node["NodeNumber"] for node in nodes(machines) if node["NodeName"] == "b"]
    assert len(set(numbers)) == 2, numbers
    dead = next(node for node in nodes(machines) if node["NodeID"] == old)
    assert not dead["Alive"] and "lost its connection" in dead["DeathReason"], dead["DeathReason"]
    assert "its lease has lapsed" in b.log()


def test_no_two_lives_of_an_actor_are_acknowledged(machines: Machines) -> None:
    """Callers on two machines write down which life answered and when: no life answers after a later one has."""
    create = LIVES + (
        "trygon.init(namespace='s')\n"
        "actor = Lives.options(label_selector={'home': 'yes'}, name='n', lifetime='detached').remote()\n"
        "print(trygon.get(actor.beat.remote())[1])"
    )
    for name in "bc":
        machines[name].command("stop")
        machines.start(machines[name], "--labels=home=yes")
    assert machines.head.run(create) == "1"
    call = LIVES + (
        "trygon.init(namespace='s')\nactor = trygon.get_actor('n')\nprint('ready', flush=True)\n"
        "for at, life, n in call(actor, 26): print(at, life, n)"
    )
    lives_file = os.environ["LIVES"]

    def lives() -> list[list[str]]:
        with open(lives_file) as file:
            return [line.split() for line in file]

    first = lives()[-1]
    home = next(node["NodeName"] for node in nodes(machines) if node["NodeID"] == first[2])
    other = {"b": "c", "c": "b"}[home]
    callers = [machines.head.program(call), machines[other].program(call)]
    for caller in callers:
        assert caller.stdout is not None and caller.stdout.readline() == "ready\n"
    # The first life is to have answered.
    time.sleep(1)
    machines.network.isolate(home)
    time.sleep(20)
    machines.network.heal()
    wait_for_another(machines, home, first[2])
    replies: list[tuple[float, str, int]] = []
    for caller in callers:
        output, errors = caller.communicate(timeout=60)
        assert caller.returncode == 0, errors
        replies += [(float(at), life, int(n)) for at, life, n in (line.split() for line in output.splitlines())]
    order = [life for life, *_ in lives()]
    assert len(order) == 2, order
    replies.sort()
    answered = [order.index(life) for _, life, _ in replies]
    assert set(answered) == {0, 1}
    assert answered == sorted(answered), "an earlier life answered after a later one"
    # Nothing that was acknowledged was acknowledged twice.
    assert len({(life, n) for _, life, n in replies}) == len(replies)
    gap = max(late[0] - early[0] for early, late in zip(replies, replies[1:]))
    print(f"{len(replies)} replies, no answer for {gap:.2f} s")
    assert gap < 8


def frozen(machine: Machine, seconds: float) -> None:
    """Stops a daemon for so long."""
    os.kill(machine.node["pid"], signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(machine.node["pid"], signal.SIGCONT)


def test_a_daemon_that_is_frozen_for_a_moment_is_not_given_up(machines: Machines) -> None:
    before = [node["NodeID"] for node in nodes(machines)]
    program = machines.head.program(
        LIVES + "trygon.init()\nactor = Lives.options(resources={'b': 1}).remote()\n"
        "trygon.get(actor.beat.remote())\nprint('ready', flush=True)\n"
        "said = call(actor, 5)\nprint(len({life for _, life, _ in said}))"
    )
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    frozen(machines["b"], 2)
    output, errors = program.communicate(timeout=60)
    assert output == "1\n", errors
    assert [node["NodeID"] for node in nodes(machines) if node["Alive"]] == before


def test_a_daemon_that_is_frozen_for_long_comes_back_as_another_node(machines: Machines) -> None:
    b = machines["b"]
    old = b.node["node_id"]
    create = LIVES + (
        "trygon.init(namespace='s')\n"
        "actor = Lives.options(resources={'b': 1}, name='n', lifetime='detached').remote()\n"
        "print(trygon.get(actor.beat.remote())[1])"
    )
    assert machines.head.run(create) == "1"
    before = processes(b)
    assert before
    frozen(b, 20)
    wait_for_another(machines, "b", old)
    assert not (processes(b) & before), "workers of the old node outlived its return"
    assert (
        machines["c"].run("trygon.init(namespace='s')\nprint(trygon.get(trygon.get_actor('n').beat.remote())[1])")
        == "1"
    )

"""A cluster of three machines with a network between them: everything that works on one, and what links and machines
that fail do.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from network import fabric
from network.machines import Machines, wait_until

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

WHERE = """
@trygon.remote
def where(*arguments):
    time.sleep(0.1)
    return trygon.get_runtime_context().get_node_id()
def on(name):
    return {"resources": {name: 1}}
trygon.init()
names = {node["NodeID"]: next(name for name in "abc" if name in node["Resources"]) for node in trygon.nodes()
         if node["Alive"]}
"""


@pytest.fixture
def machines() -> Iterator[Machines]:
    with Machines(["a", "b", "c"]) as machines:
        yield machines


def test_three_machines_are_one_cluster(machines: Machines) -> None:
    said = machines.head.run(
        WHERE + "print(sorted(names.values()), int(trygon.cluster_resources()['CPU']))\n"
        "print(sorted(node['NodeManagerAddress'] for node in trygon.nodes()))"
    )
    assert said.splitlines() == ["['a', 'b', 'c'] 6", "['10.77.0.1', '10.77.0.2', '10.77.0.3']"]
    for machine in machines.machines.values():
        status = machine.status()
        assert len(status["nodes"]) == 3 and all(node["Alive"] for node in status["nodes"]), machine.name
    shown = machines["c"].command("status").stdout
    assert "3 alive" in shown and "10.77.0.2" in shown and machines.address in shown


@pytest.mark.parametrize("driver", ["a", "b"])
def test_tasks_spread_over_all_machines(machines: Machines, driver: str) -> None:
    said = machines[driver].run(
        WHERE + "ran = [names[id] for id in trygon.get([where.remote() for _ in range(60)])]\n"
        "print({name: ran.count(name) >= 6 for name in 'abc'})\n"
        "print([names[trygon.get(where.options(**on(name)).remote())] for name in 'abc'])"
    )
    assert said.splitlines() == ["{'a': True, 'b': True, 'c': True}", "['a', 'b', 'c']"]


def test_large_objects_travel(machines: Machines) -> None:
    said = machines.head.run(
        WHERE + "import hashlib\n"
        "@trygon.remote\ndef make(size): return os.urandom(size)\n"
        "@trygon.remote\ndef digest(data): return len(data), hashlib.sha256(data).hexdigest()\n"
        "made = make.options(**on('b')).remote(64 << 20)\n"
        "there, = trygon.get([digest.options(**on('c')).remote(made)])\n"
        "here = trygon.get(made)\n"
        "print(there == (64 << 20, hashlib.sha256(here).hexdigest()))\n"
        "own = trygon.put(os.urandom(64 << 20))\n"
        "print(trygon.get(digest.options(**on('b')).remote(own))[1] == hashlib.sha256(trygon.get(own)).hexdigest())\n"
        # What a task on one machine owns, another machine's task gets through the driver's hands.
        "@trygon.remote\ndef keep(): return [trygon.put(os.urandom(1 << 20))]\n"
        "@trygon.remote\ndef size(refs): return len(trygon.get(refs[0]))\n"
        "print(trygon.get(size.options(**on('c')).remote(keep.options(**on('b')).remote())))"
    )
    assert said.split() == ["True", "True", str(1 << 20)]


ACTOR = """
@trygon.remote(num_cpus=0)
class Counter:
    def __init__(self): self.n = 0
    def add(self, by=1):
        self.n += by
        return self.n
    def where(self): return trygon.get_runtime_context().get_node_id()
    def call(self, other): return trygon.get(other.add.remote(10))
"""


def test_actors_on_other_machines(machines: Machines) -> None:
    said = machines.head.run(
        ACTOR + WHERE + "b, c = (Counter.options(**on(name)).remote() for name in 'bc')\n"
        "print(names[trygon.get(b.where.remote())], names[trygon.get(c.where.remote())])\n"
        "print(trygon.get([b.add.remote() for _ in range(100)])[-1], trygon.get(b.call.remote(c)))\n"
        "trygon.kill(b)\n"
        "try:\n    trygon.get(b.add.remote(), timeout=20)\n"
        "except trygon.exceptions.RayActorError as error:\n    print(type(error).__name__)"
    )
    assert said.splitlines() == ["b c", "100 10", "ActorDiedError"]


def test_named_actors_are_found_from_every_machine(machines: Machines) -> None:
    create = (
        ACTOR + WHERE + "Counter.options(name='n', namespace='s', lifetime='detached', **on('c')).remote()\n"
        "print(trygon.get(trygon.get_actor('n', 's').add.remote()))"
    )
    assert machines["b"].run(create) == "1"
    use = ACTOR + WHERE + "n = trygon.get_actor('n', 's')\nprint(trygon.get(n.add.remote()))\n"
    assert machines["a"].run(use) == "2"
    assert machines["c"].run(use + "trygon.kill(n)") == "3"


def test_a_slow_link_only_takes_longer(machines: Machines) -> None:
    for other in "bc":
        machines.network.delay("a", other, ms=15, jitter_ms=5)
    machines.network.loss("a", "b", percent=1)
    said = machines.head.run(
        ACTOR + WHERE + "ran = [names[id] for id in trygon.get([where.remote() for _ in range(60)])]\n"
        "print(sorted(set(ran)))\n"
        "b = Counter.options(**on('b')).remote()\nprint(trygon.get([b.add.remote() for _ in range(50)])[-1])\n"
        "data = os.urandom(4 << 20)\nref = trygon.put(data)\n"
        "print(trygon.get(trygon.remote(lambda it: len(it)).options(**on('b')).remote(ref)))"
    )
    assert said.splitlines() == ["['a', 'b', 'c']", "50", str(4 << 20)]


def test_a_short_cut_is_survived(machines: Machines) -> None:
    program = machines.head.program(
        ACTOR + WHERE + "b = Counter.options(**on('b')).remote()\nprint(trygon.get(b.add.remote()), flush=True)\n"
        "input()\nprint(trygon.get([b.add.remote() for _ in range(10)], timeout=30)[-1])\n"
        "print(trygon.get(where.options(**on('b')).remote(), timeout=30) in names)",
        stdin=-1,
    )
    assert program.stdout is not None and program.stdin is not None
    assert program.stdout.readline() == "1\n"
    machines.network.cut("a", "b")
    program.stdin.write("\n")
    program.stdin.flush()
    with pytest.raises(Exception, match="timed out"):
        program.wait(1)
    machines.network.heal()
    output, errors = program.communicate(timeout=60)
    assert output.split() == ["11", "True"], errors


def test_a_killed_daemon_is_noticed_at_once(machines: Machines) -> None:
    program = machines.head.program(
        ACTOR + WHERE + "@trygon.remote(max_retries=3)\ndef slow():\n    time.sleep(2)\n"
        "    return trygon.get_runtime_context().get_node_id()\n"
        "far = Counter.options(**on('c')).remote()\nprint(trygon.get(far.add.remote()))\n"
        "refs = [slow.remote() for _ in range(6)]\ntime.sleep(0.5)\nprint('ready', flush=True)\ninput()\n"
        "try:\n    while True:\n        trygon.get(far.add.remote(), timeout=20)\n        time.sleep(0.02)\n"
        "except trygon.exceptions.RayActorError as error:\n    print(type(error).__name__)\n"
        "print(sorted({names[id] for id in trygon.get(refs, timeout=40)}))",
        stdin=-1,
    )
    assert program.stdout is not None and program.stdin is not None
    assert [program.stdout.readline() for _ in range(2)] == ["1\n", "ready\n"]
    os.kill(machines["c"].node["pid"], signal.SIGKILL)
    program.stdin.write("\n")
    program.stdin.flush()
    output, errors = program.communicate(timeout=60)
    assert output.splitlines() == ["ActorDiedError", "['a', 'b']"], errors
    alive = [node["Alive"] for node in machines.head.status()["nodes"]]
    assert sorted(alive) == [False, True, True]


def test_a_machine_that_vanishes_is_declared_dead(machines: Machines) -> None:
    program = machines.head.program(
        WHERE + "@trygon.remote(max_retries=3)\ndef slow():\n    time.sleep(3)\n"
        "    return trygon.get_runtime_context().get_node_id()\n"
        "refs = [slow.remote() for _ in range(6)]\ntime.sleep(0.5)\nprint('ready', flush=True)\n"
        "print(sorted({names[id] for id in trygon.get(refs, timeout=60)}))"
    )
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    machines.network.isolate("c")
    output, errors = program.communicate(timeout=90)
    assert output.strip() == "['a', 'b']", errors

    def dead() -> list[str]:
        return [node["NodeID"] for node in machines.head.status()["nodes"] if not node["Alive"]]

    wait_until(dead, 30, "the head declares the machine dead")
    assert dead() == [machines["c"].node["node_id"]]


def test_a_node_that_is_stopped_leaves_and_another_joins(machines: Machines) -> None:
    assert machines["c"].command("stop").returncode == 0

    def states() -> list[bool]:
        return [node["Alive"] for node in machines.head.status()["nodes"]]

    wait_until(lambda: states().count(True) == 2, 10, "the head knows that the node has gone")
    machines.start(machines["c"])
    wait_until(lambda: states().count(True) == 3, 10, "the node is back")
    assert machines["b"].run(WHERE + "print(names[trygon.get(where.options(**on('c')).remote())])") == "c"


def test_everybody_leaves_when_the_run_is_over() -> None:
    with Machines(["a", "b", "c"], joined=False) as machines:
        body = (
            "import os, trygon\ntrygon.init()\nprint(sum(node['Alive'] for node in trygon.nodes()))\n"
            "print(os.environ['TRYGON_ADDRESS'])\nraise SystemExit(7)"
        )
        key = machines.folder / "shared.key"
        words = ["symmetric-run", f"--address={machines.address}", "--min-nodes=3", f"--token-file={key}"]
        runs = {
            name: machine.start_command(*words, "--num-cpus=1", "--", sys.executable, "-c", body)
            for name, machine in reversed(machines.machines.items())
        }
        ended = {name: (*run.communicate(timeout=60), run.returncode) for name, run in runs.items()}
        assert ended["a"][0].split() == ["3", machines.address] and ended["a"][2] == 7, ended
        assert ended["b"][2] == ended["c"][2] == 0, ended
        assert not key.exists()

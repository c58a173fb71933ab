"""`trygon.explain`: what a task, an object, an actor or a group is told to be, in each state, on one node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spills
import trygon
from trygon import exceptions

LIMIT_S = 20


def story(what: Any, **expected: Any) -> dict[str, Any]:
    """The one thing that is told, once it is as expected."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        explanation = trygon.explain(what)
        (thing,) = explanation.things
        if all(thing.get(key) == value for key, value in expected.items()):
            return {**thing, "text": str(explanation)}
        assert time.monotonic() < deadline, f"not {expected}: {explanation}"
        time.sleep(0.02)


def task_story(reference: Any, **expected: Any) -> dict[str, Any]:
    return story(reference.task_id(), kind="task", **expected)


def lines(thing: dict[str, Any], label: str) -> list[str]:
    return [text for key, text in thing["lines"] if key == label]


@trygon.remote
def wait_for(path: str, *ignored: Any) -> int:
    while not os.path.exists(path):
        time.sleep(0.01)
    return os.getpid()


@trygon.remote
def busy_until(path: str) -> int:
    """Computes and never lets the interpreter go, but for a look at a file."""
    while not os.path.exists(path):
        sum(range(200_000))
    return 1


@trygon.remote
def add(first: Any, second: Any) -> Any:
    return first


@trygon.remote
def array(number: int, *ignored: Any) -> Any:
    return np.full(1 << 18, number)


@trygon.remote(num_cpus=0)
class Keeper:
    def __init__(self) -> None:
        self.kept: list[Any] = []

    def keep(self, kept: list[Any]) -> int:
        self.kept = kept
        return os.getpid()

    def wait_for(self, path: str) -> int:
        while not os.path.exists(path):
            time.sleep(0.01)
        return 1

    def submit(self, path: str) -> Any:
        """A task of its own: its reference, as text too."""
        self.kept = [wait_for.remote(path)]
        return self.kept[0].task_id().hex(), os.getpid()

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that lets waiting tasks end when it is there."""
    return tmp_path / "gate"


def test_a_task_that_runs(engine: object, gate: Path) -> None:
    reference = busy_until.remote(str(gate))
    told = task_story(reference, state="RUNNING")
    assert told["name"] == "busy_until" and told["runs_at"]["pid"] not in (0, os.getpid())
    assert told["runs_at"]["for_s"] > 0 and f"process {told['runs_at']['pid']}" in told["why"]
    assert told["owner"]["pid"] == os.getpid() and told["owner"]["is_driver"]
    assert (told["attempt"], told["retries_left"]) == (1, 3)
    gate.touch()
    trygon.get(reference)
    assert task_story(reference, state="FINISHED")["why"].startswith("it has finished")


def test_a_task_that_waits_for_its_arguments_tells_the_first_cause(engine: object, gate: Path) -> None:
    never = add.options(num_cpus=64).remote(1, 2)
    middle = add.remote(never, 1)
    last = add.remote(middle, never)
    told = task_story(last, state="WAITS_FOR_ARGUMENTS")
    assert [argument["object_id"] for argument in told["waits_for"]] == [middle.hex(), never.hex()]
    assert told["waits_for"][0]["task_id"] == middle.task_id().hex()
    assert [cause["state"] for cause in told["causes"]] == ["WAITS_FOR_ARGUMENTS", "WAITS_FOR_LEASE"]
    assert "CPU: 64" in told["causes"][1]["why"] and "start a node with more" in lines(told, "because")[1]
    trygon.cancel(never)


def test_a_task_that_no_node_can_run(engine: object) -> None:
    reference = add.options(resources={"widget": 3}).remote(1, 2)
    told = task_story(reference, state="WAITS_FOR_LEASE")
    assert told["needs"] == {"CPU": 1.0, "widget": 3.0} and "more widget than 2" in told["why"]
    assert "has 2 widget in all" in told["nodes"][0]["verdict"]
    unheard = add.options(resources={"gadget": 1}).remote(1, 2)
    assert "has no gadget" in task_story(unheard, state="WAITS_FOR_LEASE")["nodes"][0]["verdict"]
    labelled = add.options(label_selector={"zone": "mars"}).remote(1, 2)
    assert "labels zone=mars" in task_story(labelled, state="WAITS_FOR_LEASE")["nodes"][0]["verdict"]
    for one in (reference, unheard, labelled):
        trygon.cancel(one)


def test_a_task_that_waits_because_others_run(one_cpu: object, gate: Path) -> None:
    first = wait_for.remote(str(gate))
    task_story(first, state="RUNNING")
    second = add.remote(1, 2)
    told = task_story(second, state="WAITS_FOR_LEASE")
    assert "0 of 1 CPU are free" in told["nodes"][0]["verdict"]
    assert "in use by wait_for × 1" in lines(told, "node")[0] and "full" in told["why"]
    gate.touch()
    assert trygon.get(second) == 1


def test_a_failed_attempt_is_remembered(engine: object, gate: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"

    @trygon.remote(max_retries=2)
    def dies_once() -> int:
        if not started.exists():
            started.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return trygon.get(wait_for.remote(str(gate)))

    reference = dies_once.remote()
    told = task_story(reference, state="RUNNING", attempt=2)
    assert told["retries_left"] == 1
    (earlier,) = told["earlier_attempts"]
    assert earlier["attempt"] == 1 and "SIGKILL" in earlier["reason"] and earlier["ended"].endswith("UTC")
    assert "attempt 1 ended at" in lines(told, "earlier")[0]
    gate.touch()
    trygon.get(reference)
    task = reference.task_id()
    del reference
    # Nothing refers to it any more; its failed attempt is remembered.
    told = story(task, state="OVER")
    assert "SIGKILL" in told["earlier_attempts"][0]["reason"]


def test_a_task_that_failed_and_one_that_was_cancelled(engine: object, gate: Path) -> None:
    @trygon.remote(max_retries=0)
    def dies() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @trygon.remote
    def raises(secret: str) -> None:
        raise ValueError(secret)

    dead, raised, cancelled = dies.remote(), raises.remote("sesame"), wait_for.remote(str(gate))
    with pytest.raises(exceptions.WorkerCrashedError):
        trygon.get(dead)
    told = task_story(dead, state="FAILED")
    assert told["error"]["code"] == exceptions.WorkerCrashedError.code and "SIGKILL" in told["why"]
    with pytest.raises(ValueError):
        trygon.get(raised)
    told = task_story(raised, state="FAILED")
    assert told["error"] == {"class": "RayTaskError", "code": "TRY0001", "message": ""}
    assert "sesame" not in told["text"]
    task_story(cancelled, state="RUNNING")
    trygon.cancel(cancelled, force=True)
    with pytest.raises(exceptions.RayError):
        trygon.get(cancelled)
    assert "trygon.cancel() was called" in task_story(cancelled, state="CANCELLED")["why"]


def test_a_task_that_waits_to_be_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import time, trygon\n"
        "trygon.init(num_cpus=1)\n"
        "@trygon.remote(max_retries=1, retry_exceptions=True)\n"
        "def raises(): raise KeyError('no')\n"
        "reference = raises.remote()\n"
        "deadline = time.monotonic() + 20\n"
        "while (told := trygon.explain(reference.task_id()).things[0])['state'] != 'WAITS_FOR_RETRY':\n"
        "    assert time.monotonic() < deadline, told\n"
        "    time.sleep(0.02)\n"
        "assert 'the next begins in' in told['why'], told\n"
        "assert 'KeyError' in told['earlier_attempts'][0]['reason'], told\n"
        "print('seen')\n"
    )
    environment = {**os.environ, "TRYGON_TASK_RETRY_DELAY_MS": "30000"}
    done = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=60)
    assert "seen" in done.stdout, done.stderr


def test_calls_of_an_actor(engine: object, gate: Path) -> None:
    actor = Keeper.remote()
    first, second = actor.wait_for.remote(str(gate)), actor.wait_for.remote(str(gate))
    told = task_story(first, state="RUNNING")
    assert told["actor_id"] == actor._actor_id.hex()
    assert "behind 1 other call" in task_story(second, state="WAITS_IN_WORKER")["why"]
    late = Keeper.options(resources={"widget": 50}).remote()
    waiting = late.keep.remote([])
    told = task_story(waiting, state="WAITS_FOR_ACTOR")
    assert "no process yet" in told["why"] and told["causes"][0]["kind"] == "actor"
    assert "widget" in told["causes"][0]["why"]
    gate.touch()
    trygon.get([first, second])


def test_objects_and_who_holds_them(engine: object) -> None:
    small, large = trygon.put(1), array.remote(3)
    told = story(small, kind="object", state="INLINE")
    assert told["local_references"] == 1 and "put" in told["text"]
    trygon.get(large)
    told = story(large, state="STORED")
    assert told["size_bytes"] > 1 << 21 and told["places"][0]["place"] == "memory" and told["can_be_rebuilt"]
    assert told["task"]["name"] == "array" and told["task"]["state"] == "FINISHED"
    keeper = Keeper.remote()
    pid = trygon.get(keeper.keep.remote([large]))
    told = story(large, state="STORED")
    (borrower,) = told["borrowers"]
    assert (borrower["pid"], borrower["references"]) == (pid, 1)
    assert f"process {pid} on node" in told["text"] and "which borrows it (1 reference)" in told["text"]
    put = trygon.put(np.zeros(1 << 18))
    assert "made by put, or passed by value" in story(put, can_be_rebuilt=False)["text"]


def test_an_object_whose_task_runs_tells_of_the_task(one_cpu: object, gate: Path) -> None:
    reference = wait_for.remote(str(gate))
    told = story(reference, state="PENDING")
    assert reference.task_id().hex() in told["why"] and told["causes"][0]["name"] == "wait_for"
    gate.touch()
    trygon.get(reference)


def test_an_object_in_a_file(tmp_path: Path) -> None:
    spills.start(str(tmp_path))
    size_bytes = spills.STORE_BYTES // 6
    references = [trygon.put(spills.value(number, size_bytes)) for number in range(10)]
    assert spills.store()["spilled_objects"] > 0
    states = [story(reference)["state"] for reference in references]
    assert "SPILLED" in states and "STORED" in states, states
    told = story(references[states.index("SPILLED")])
    assert told["places"][0]["place"] == "file" and str(tmp_path) in told["places"][0]["file"]


def test_an_object_that_is_lost_with_its_owner(engine: object, gate: Path) -> None:
    keeper = Keeper.remote()
    task, _ = trygon.get(keeper.submit.remote(str(gate)))
    story(task, state="RUNNING")
    keeper.die.remote()
    told = story(task, state="UNKNOWN")
    assert "its owner is dead" in told["why"] and "SIGKILL" in told["why"]
    gate.touch()


def test_an_owner_that_is_stopped(engine: object, gate: Path) -> None:
    keeper = Keeper.remote()
    task, pid = trygon.get(keeper.submit.remote(str(gate)))
    runs = story(task, state="RUNNING")
    assert runs["owner"]["pid"] == pid and not runs["owner"]["is_driver"]
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        (told,) = trygon.explain(task).things
        assert time.monotonic() - began < 5
        assert f"process {pid} on node" in told["why"] and "does not answer: it is stopped" in told["why"]
        # Whoever runs it answers.
        assert told["state"] == "RUNNING" and told["runs_at"]["pid"] == runs["runs_at"]["pid"]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert story(task, state="RUNNING")["why"].startswith("runs in")
    gate.touch()


def test_actors_and_groups_have_a_history(engine: object) -> None:
    actor = Keeper.options(max_restarts=1, name="keeper").remote()
    trygon.get(actor.keep.remote([]))
    for _ in range(2):
        with pytest.raises(exceptions.RayActorError):
            trygon.get(actor.die.remote())
        said = said_until(lambda: story("keeper" if _ == 0 else actor), "ended for good" if _ else "was ready", 1 + _)
    kinds = ["was created", "was given a process", "was ready", "lost its process", "was given a process"]
    assert [event["what"].startswith(kind) for event, kind in zip(said, kinds, strict=False)] == [True] * 5
    assert "SIGKILL" in said[-1]["what"] and said[0]["ago_s"] >= said[-1]["ago_s"]
    group = trygon.util.placement_group([{"CPU": 1}], name="mine")
    group.wait(10)
    said = story(group)["history"]
    assert [event["what"].split(",")[0] for event in said] == ["was asked for", "had all its bundles"]
    trygon.util.remove_placement_group(group)
    assert "was removed" in said_until(lambda: story(group), "was removed", 1)[-1]["what"]


def said_until(look: Callable[[], dict[str, Any]], wanted: str, times: int) -> list[dict[str, Any]]:
    """The history, once it says this so often."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        history = look()["history"]
        if sum(wanted in event["what"] for event in history) >= times or time.monotonic() > deadline:
            return list(history)
        time.sleep(0.05)


def test_what_nobody_knows(engine: object) -> None:
    reference = add.remote(1, 2)
    trygon.get(reference)
    whole = reference.hex()
    never = whole[:32] + "ffffff00" + whole[40:48]
    with pytest.raises(ValueError, match="its owner has never had such a task"):
        trygon.explain(never)
    with pytest.raises(ValueError, match="no node of this cluster has, or had, the process"):
        trygon.explain(whole[:8] + "0" * 24 + whole[32:])
    with pytest.raises(ValueError, match="nothing in this cluster has the name 'nothing'|\"nothing\""):
        trygon.explain("nothing")
    with pytest.raises(TypeError, match="got float"):
        trygon.explain(1.5)
    other = add.remote(1, 2)
    with pytest.raises(ValueError, match="ambiguous"):
        trygon.explain(whole[:20])
    assert trygon.explain(whole[:44]).things[0]["name"] == "add"
    task = reference.task_id()
    del reference
    assert "nothing refers to it any more" in story(task, state="OVER")["why"]
    del other


def test_a_get_that_gives_up_says_why(engine: object, gate: Path) -> None:
    reference = add.options(num_cpus=64).remote(1, 2)
    done = trygon.put(1)
    with pytest.raises(exceptions.GetTimeoutError) as raised:
        trygon.get([done, reference, add.remote(reference, 1)], timeout=0.1)
    text = str(raised.value)
    assert "2 of 3 objects" in text and reference.hex() in text and done.hex() not in text
    assert "task add waits for a worker (CPU: 64)" in text and f"`trygon explain {reference.hex()}`" in text
    with pytest.raises(exceptions.GetTimeoutError, match="waits for its argument"):
        trygon.get(add.remote(reference, 1), timeout=0.1)
    trygon.cancel(reference)

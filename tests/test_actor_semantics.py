"""What a call on an actor does while the actor lives, restarts, cannot be reached or is dead, when it may run at most
once and when it may run at least once: a test for each cell of the table in docs/fault-tolerance.md.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import trygon
from trygon.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError

AT_MOST_ONCE, AT_LEAST_ONCE = 0, -1
RESTART_S = 0.7


@trygon.remote(num_cpus=0)
class Notes:
    """Writes a line for each call that it begins, and for each life."""

    def __init__(self, folder: Path, restart_s: float = 0.0) -> None:
        self.folder = folder
        with open(folder / "lives", "a") as file:
            file.write(f"{os.getpid()}\n")
        if len(lines(folder, "lives")) > 1:
            time.sleep(restart_s)

    def pid(self) -> int:
        return os.getpid()

    def note(self, what: str, sleep_s: float = 0.0) -> str:
        with open(self.folder / "calls", "a") as file:
            file.write(f"{what}\n")
        time.sleep(sleep_s)
        return what

    def die(self, what: str, lives: int) -> str:
        """Ends the process in its first `lives` lives."""
        self.note(what)
        if len(lines(self.folder, "lives")) <= lives:
            os.kill(os.getpid(), signal.SIGKILL)
        return what


def lines(folder: Path, name: str) -> list[str]:
    path = folder / name
    return path.read_text().split() if path.exists() else []


def wait_until(condition: Any, limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.01)


def started(folder: Path, retries: int, **options: Any) -> tuple[Any, int]:
    notes = Notes.options(max_restarts=1, max_task_retries=retries, **options).remote(folder, RESTART_S)
    return notes, trygon.get(notes.pid.remote(), timeout=20)


# The actor lives


def test_alive_at_most_once(engine, tmp_path):
    """A call runs once, in order; of one under which the process dies, the caller hears, and it is not run again."""
    notes, _ = started(tmp_path, AT_MOST_ONCE)
    assert trygon.get([notes.note.remote(str(i)) for i in range(20)], timeout=10) == [str(i) for i in range(20)]
    with pytest.raises(ActorUnavailableError, match="may or may not have run"):
        trygon.get(notes.die.remote("died", 1), timeout=10)
    assert trygon.get(notes.note.remote("after"), timeout=10) == "after"
    assert lines(tmp_path, "calls") == [*map(str, range(20)), "died", "after"]


def test_alive_at_least_once(engine, tmp_path):
    """A call under which the process dies runs again in the next life, before those made after it."""
    notes, _ = started(tmp_path, AT_LEAST_ONCE)
    calls = [notes.note.remote("before"), notes.die.remote("died", 1), *(notes.note.remote(str(i)) for i in range(5))]
    assert trygon.get(calls, timeout=10) == ["before", "died", *map(str, range(5))]
    assert lines(tmp_path, "calls") == ["before", "died", "died", *map(str, range(5))]


# The actor restarts


def test_restarting_at_most_once(engine, tmp_path):
    """A call in flight fails as unavailable before the next life is there; a new one waits for that life."""
    notes, pid = started(tmp_path, AT_MOST_ONCE)
    running = notes.note.remote("running", 30)
    wait_until(lambda: lines(tmp_path, "calls"))
    queued = notes.note.remote("queued")
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ActorUnavailableError, match="SIGKILL"):
        trygon.get(running, timeout=10)
    assert time.monotonic() - killed < RESTART_S, "it is told at once"
    new = notes.note.remote("new")
    assert trygon.get([queued, new], timeout=10) == ["queued", "new"]
    assert time.monotonic() - killed > RESTART_S, "they waited"
    assert lines(tmp_path, "calls") == ["running", "queued", "new"]


def test_restarting_at_least_once(engine, tmp_path):
    """A call in flight waits for the next life and runs again there; new ones come after it."""
    notes, pid = started(tmp_path, AT_LEAST_ONCE)
    running = notes.note.remote("running", 1)
    wait_until(lambda: lines(tmp_path, "calls"))
    os.kill(pid, signal.SIGKILL)
    new = notes.note.remote("new")
    assert trygon.get([running, new], timeout=10) == ["running", "new"]
    assert lines(tmp_path, "calls") == ["running", "running", "new"]


# The actor cannot be reached: its process is frozen. (tests/network has the link that is cut.)


@pytest.mark.parametrize("retries", [AT_MOST_ONCE, AT_LEAST_ONCE], ids=["at_most_once", "at_least_once"])
def test_unreachable(engine, tmp_path, retries):
    """Nothing is given up or sent twice: calls in flight and new ones wait, as long as `get` is told to, and each runs
    once when the process goes on.
    """
    notes, pid = started(tmp_path, retries)
    running = notes.note.remote("running", 0.3)
    wait_until(lambda: lines(tmp_path, "calls"))
    os.kill(pid, signal.SIGSTOP)
    try:
        new = notes.note.remote("new")
        for call in (running, new):
            with pytest.raises(GetTimeoutError):
                trygon.get(call, timeout=0.5)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert trygon.get([running, new], timeout=10) == ["running", "new"]
    assert lines(tmp_path, "calls") == ["running", "new"] and len(lines(tmp_path, "lives")) == 1


@pytest.mark.parametrize("retries", [AT_MOST_ONCE, AT_LEAST_ONCE], ids=["at_most_once", "at_least_once"])
def test_unreachable_then_killed(engine, tmp_path, retries):
    """A frozen process that is killed is dead like any other: the call in flight fails, or runs again."""
    notes, pid = started(tmp_path, retries)
    running = notes.note.remote("running", 0.2)
    wait_until(lambda: lines(tmp_path, "calls"))
    os.kill(pid, signal.SIGSTOP)
    new = notes.note.remote("new")
    time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    if retries == AT_MOST_ONCE:
        with pytest.raises(ActorUnavailableError):
            trygon.get(running, timeout=10)
    else:
        assert trygon.get(running, timeout=10) == "running"
    assert trygon.get(new, timeout=10) == "new"
    assert lines(tmp_path, "calls") == ["running"] * (1 if retries == AT_MOST_ONCE else 2) + ["new"]


# The actor is dead


@pytest.mark.parametrize("retries", [AT_MOST_ONCE, AT_LEAST_ONCE], ids=["at_most_once", "at_least_once"])
@pytest.mark.parametrize("how", ["no restart left", "kill"])
def test_dead(engine, tmp_path, retries, how):
    """Calls in flight, queued and new ones fail at once with the one cause."""
    notes = Notes.options(max_restarts=0 if how != "kill" else 5, max_task_retries=retries).remote(tmp_path)
    pid = trygon.get(notes.pid.remote(), timeout=20)
    running, queued = notes.note.remote("running", 30), notes.note.remote("queued")
    wait_until(lambda: lines(tmp_path, "calls"))
    ended = time.monotonic()
    if how == "kill":
        trygon.kill(notes)
    else:
        os.kill(pid, signal.SIGKILL)
    cause = "trygon.kill" if how == "kill" else "SIGKILL"
    for call in (running, queued, notes.note.remote("new")):
        with pytest.raises(ActorDiedError, match=cause) as caught:
            trygon.get(call, timeout=10)
        assert caught.value.actor_id == notes._actor_id.hex()
    assert time.monotonic() - ended < 1
    assert lines(tmp_path, "calls") == ["running"] and len(lines(tmp_path, "lives")) == 1


def test_retries_end_with_the_lives(engine, tmp_path):
    """At least once is not for ever: when no life is left, the call fails with the last one's cause."""
    notes = Notes.options(max_restarts=2, max_task_retries=-1).remote(tmp_path)
    with pytest.raises(ActorDiedError, match="SIGKILL"):
        trygon.get(notes.die.remote("died", 9), timeout=20)
    assert lines(tmp_path, "calls") == ["died"] * 3 and len(set(lines(tmp_path, "lives"))) == 3


def test_lives_outlast_the_retries(engine, tmp_path):
    notes = Notes.options(max_restarts=5, max_task_retries=1).remote(tmp_path)
    with pytest.raises(ActorUnavailableError):
        trygon.get(notes.die.remote("died", 9), timeout=20)
    assert lines(tmp_path, "calls") == ["died"] * 2
    assert trygon.get(notes.note.remote("after"), timeout=10) == "after"


@pytest.mark.parametrize("retries", [0, 2])
def test_a_method_has_retries_of_its_own(engine, tmp_path, retries):
    notes = Notes.options(max_restarts=-1, max_task_retries=5).remote(tmp_path)
    with pytest.raises(ActorUnavailableError):
        trygon.get(notes.die.options(max_task_retries=retries).remote("died", 9), timeout=20)
    assert lines(tmp_path, "calls") == ["died"] * (retries + 1)


# Several callers


def test_order_of_each_caller_over_several_lives(engine, tmp_path):
    """Three callers, five lives: each caller's calls run in the order in which it made them."""

    @trygon.remote(num_cpus=0.1)
    def call_many(notes: Any, name: str) -> bool:
        calls = [f"{name}{i}" for i in range(60)]
        return trygon.get([notes.note.remote(call, 0.004) for call in calls], timeout=60) == calls

    notes = Notes.options(max_restarts=-1, max_task_retries=-1).remote(tmp_path)
    done = [call_many.remote(notes, name) for name in "abc"]
    for _ in range(4):
        lives = len(lines(tmp_path, "lives"))
        time.sleep(0.1)
        try:
            os.kill(trygon.get(notes.pid.remote(), timeout=20), signal.SIGKILL)
        except ProcessLookupError:
            pass
        wait_until(lambda lives=lives: len(lines(tmp_path, "lives")) > lives)
    assert trygon.get(done, timeout=60) == [True] * 3
    ran = lines(tmp_path, "calls")
    for name in "abc":
        mine = [int(call[1:]) for call in ran if call[0] == name]
        assert sorted(set(mine)) == list(range(60))
        # A call may run again; nothing runs before something made earlier has run.
        assert all(later <= earlier + 1 for earlier, later in zip(mine, mine[1:], strict=False)), mine
        assert len(mine) <= 60 + 4


def test_a_dead_callers_gap_holds_nobody_back(engine, tmp_path):
    """A caller dies whose next call waits for an argument: the others go on."""

    @trygon.remote(num_cpus=0.1)
    def never() -> str:
        time.sleep(1000)
        return ""

    @trygon.remote(num_cpus=0.1, max_retries=0)
    def call_with_gap(notes: Any, path: Path) -> None:
        first = notes.note.remote("first")
        late = [notes.note.remote(never.remote()), notes.note.remote("behind the gap")]
        trygon.get(first)
        path.write_text("called")
        os.kill(os.getpid(), signal.SIGKILL) if late else None

    notes, _ = started(tmp_path, AT_MOST_ONCE)
    with pytest.raises(trygon.exceptions.WorkerCrashedError):
        trygon.get(call_with_gap.remote(notes, tmp_path / "called"), timeout=20)
    assert trygon.get(notes.note.remote("mine"), timeout=10) == "mine"
    assert lines(tmp_path, "calls") == ["first", "mine"]


# Constructors


def test_a_constructor_that_raises_in_a_later_life_ends_the_actor(engine, tmp_path):
    @trygon.remote(max_restarts=-1)
    class Once:
        def __init__(self, path: Path) -> None:
            if path.exists():
                raise ValueError("there is one already")
            path.write_text("x")

        def pid(self) -> int:
            return os.getpid()

    once = Once.remote(tmp_path / "mark")
    os.kill(trygon.get(once.pid.remote(), timeout=10), signal.SIGKILL)
    with pytest.raises(ActorDiedError, match="there is one already") as caught:
        for _ in range(100):
            try:
                trygon.get(once.pid.remote(), timeout=10)
            except ActorUnavailableError:
                time.sleep(0.05)
    assert caught.value.actor_init_failed and isinstance(caught.value.cause, ValueError)


def test_large_arguments_of_the_constructor_are_kept(engine):
    import numpy as np

    @trygon.remote
    def make(seed: int) -> Any:
        return np.full(300_000, seed)

    @trygon.remote(max_restarts=1, max_task_retries=1)
    class Holder:
        def __init__(self, direct: Any, inside: list[Any], plain: Any) -> None:
            self.sums = [int(direct.sum()), int(trygon.get(inside[0]).sum()), int(plain.sum())]

        def get(self) -> tuple[int, list[int]]:
            return os.getpid(), self.sums

    holder = Holder.remote(make.remote(1), [trygon.put(np.full(300_000, 2))], np.full(300_000, 3))
    pid, sums = trygon.get(holder.get.remote(), timeout=20)
    assert sums == [300_000, 600_000, 900_000]
    os.kill(pid, signal.SIGKILL)
    again, sums = trygon.get(holder.get.remote(), timeout=20)
    assert again != pid and sums == [300_000, 600_000, 900_000]


def test_kill_without_no_restart_is_a_crash(engine, tmp_path):
    notes, pid = started(tmp_path, AT_MOST_ONCE)
    running = notes.note.remote("running", 30)
    wait_until(lambda: lines(tmp_path, "calls"))
    trygon.kill(notes, no_restart=False)
    with pytest.raises(ActorUnavailableError, match="kill"):
        trygon.get(running, timeout=10)
    assert trygon.get(notes.pid.remote(), timeout=10) != pid
    trygon.kill(notes, no_restart=False)
    with pytest.raises(ActorDiedError):
        for _ in range(100):
            trygon.get(notes.pid.remote(), timeout=10)
            time.sleep(0.02)

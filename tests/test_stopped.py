"""Processes that are stopped (SIGSTOP): a worker with a cancelled task, an actor that is killed, the zygote."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import leaks
import pytest
import trygon
from trygon._native import query_state
from trygon.exceptions import ActorDiedError, GetTimeoutError, TaskCancelledError, WorkerCrashedError

ENDS = (TaskCancelledError, WorkerCrashedError)


@pytest.fixture
def engine() -> Iterator[None]:
    trygon.init(num_cpus=2)
    yield
    trygon.shutdown()


@trygon.remote(max_retries=3)
def sleeper(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def process_in(path: Path, limit_s: float = 20) -> int:
    """The process that has written its number there."""
    until = time.monotonic() + limit_s
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return int(path.read_text())


def test_a_forced_cancel_ends_a_worker_that_is_stopped(engine: None, tmp_path: Path) -> None:
    ref = sleeper.remote(str(tmp_path / "pid"))
    pid = process_in(tmp_path / "pid")
    os.kill(pid, signal.SIGSTOP)
    trygon.cancel(ref)
    with pytest.raises(GetTimeoutError):
        trygon.get(ref, timeout=1)
    began = time.monotonic()
    trygon.cancel(ref, force=True)
    with pytest.raises(ENDS):
        trygon.get(ref, timeout=5)
    print(f"ended {time.monotonic() - began:.2f} s after it was asked for")
    assert not leaks.wait_gone([pid], 5)


def test_a_worker_that_is_stopped_and_not_cancelled_is_left_alone(engine: None, tmp_path: Path) -> None:
    refs = [sleeper.remote(str(tmp_path / f"pid-{number}")) for number in range(2)]
    pids = [process_in(tmp_path / f"pid-{number}") for number in range(2)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    trygon.cancel(refs[0], force=True)
    with pytest.raises(ENDS):
        trygon.get(refs[0], timeout=5)
    time.sleep(1)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pids[1], signal.SIGCONT)
    with pytest.raises(GetTimeoutError):
        trygon.get(refs[1], timeout=1)
    assert Path(f"/proc/{pids[1]}").exists(), "whose task was not cancelled is left alone, stopped or not"
    trygon.cancel(refs[1], force=True)
    with pytest.raises(ENDS):
        trygon.get(refs[1], timeout=5)


def test_kill_ends_an_actor_that_is_stopped(engine: None) -> None:
    @trygon.remote
    class Actor:
        def pid(self) -> int:
            return os.getpid()

    actor = Actor.remote()
    pid = trygon.get(actor.pid.remote(), timeout=20)
    os.kill(pid, signal.SIGSTOP)
    call = actor.pid.remote()
    trygon.kill(actor)
    with pytest.raises(ActorDiedError):
        trygon.get(call, timeout=5)
    assert not leaks.wait_gone([pid], 5)


def zygotes() -> list[int]:
    """The zygotes below this program."""
    found = []
    for pid, _ in leaks.below(os.getpid(), zombies=False):
        with contextlib.suppress(OSError):
            if "trygon._core.zygote" in Path(f"/proc/{pid}/cmdline").read_text() and _mark(int(pid)):
                found.append(int(pid))
    return found


def _mark(pid: int) -> bool:
    """Whether it is a zygote and not a worker, which has the same command: those have a number in their environment."""
    return b"TRYGON_WORKER_MARK=0000000000000000" in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_zygote_that_is_stopped_is_replaced(engine: None) -> None:
    assert trygon.get(trygon.remote(os.getpid).remote(), timeout=20) > 0
    (zygote,) = zygotes()
    os.kill(zygote, signal.SIGSTOP)
    began = time.monotonic()
    at_once = trygon.remote(num_cpus=0)(lambda: time.sleep(0.5) or os.getpid())
    # More than there are workers: new ones are needed.
    assert len(set(trygon.get([at_once.remote() for _ in range(10)], timeout=20))) > 2
    took = time.monotonic() - began
    print(f"work went on {took:.2f} s after the zygote was stopped")
    assert took < 5
    assert not leaks.wait_gone([zygote], 5)
    assert len(zygotes()) == 1


def test_a_constructor_that_dies_again_and_again_rests(engine: None, tmp_path: Path) -> None:
    """And comes up when what it lacked is there."""

    @trygon.remote(max_restarts=-1, max_task_retries=-1, num_cpus=0)
    class Fragile:
        def __init__(self, path: str) -> None:
            with open(path + "/lives", "a") as file:
                print(time.monotonic(), file=file)
            if not os.path.exists(path + "/there"):
                os._exit(3)

        def says(self) -> str:
            return "well"

    actor = Fragile.options(name="fragile").remote(str(tmp_path))
    call = actor.says.remote()
    time.sleep(4)
    lives = [float(line) for line in (tmp_path / "lives").read_text().split()]
    rests = [later - earlier for earlier, later in zip(lives, lives[1:], strict=False)]
    assert 5 <= len(lives) <= 9, rests
    assert rests[-1] > 2 * rests[2], rests
    (why,) = [actor["waits"] for actor in json.loads(query_state("actors")) if actor["class_name"].endswith("Fragile")]
    print(rests, why)
    assert f"died in its constructor {len(lives)} times in a row" in why or not why, why
    (tmp_path / "there").touch()
    assert trygon.get(call, timeout=15) == "well"

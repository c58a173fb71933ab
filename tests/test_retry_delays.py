"""How long a task waits before it is tried again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import trygon
from trygon.exceptions import TaskCancelledError, WorkerCrashedError


def times(path: Path) -> list[float]:
    return [float(line) for line in path.read_text().split()] if path.exists() else []


def gaps(path: Path) -> list[float]:
    noted = times(path)
    return [later - earlier for earlier, later in zip(noted, noted[1:], strict=False)]


@trygon.remote(num_cpus=0.1)
def die(path: Path, lives: int = 0) -> int:
    with open(path, "a") as file:
        file.write(f"{time.monotonic()}\n")
    if len(times(path)) <= lives:
        os.kill(os.getpid(), signal.SIGKILL)
    return len(times(path))


@trygon.remote(num_cpus=0.1, retry_exceptions=True)
def fail(path: Path) -> None:
    with open(path, "a") as file:
        file.write(f"{time.monotonic()}\n")
    raise ValueError("again")


def test_waits_grow_after_deaths(engine: object, tmp_path: Path) -> None:
    """The first retry comes at once; the others after 20, 40, 80, ... ms and up to half as much again."""
    path = tmp_path / "times"
    with pytest.raises(WorkerCrashedError, match="tried 6 times"):
        trygon.get(die.options(max_retries=5).remote(path, 99), timeout=30)
    waited = gaps(path)
    assert len(waited) == 5
    for wait, least in zip(waited[1:], (0.02, 0.04, 0.08, 0.16), strict=True):
        assert wait > least, waited
    # A new process takes some milliseconds more.
    assert waited[0] < 1 and waited[4] < 0.24 + 1, waited


def test_errors_of_user_code_do_not_wait(engine: object, tmp_path: Path) -> None:
    path = tmp_path / "times"
    began = time.monotonic()
    with pytest.raises(ValueError, match="again"):
        trygon.get(fail.options(max_retries=100).remote(path), timeout=30)
    assert len(times(path)) == 101 and time.monotonic() - began < 5


@pytest.mark.parametrize("variable", ["TRYGON_TASK_RETRY_DELAY_MS", "RAY_task_retry_delay_ms"])
def test_a_delay_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    monkeypatch.setenv(variable, "200")
    with trygon.init(num_cpus=1):
        for function in (die, fail):
            path = tmp_path / str(id(function))
            arguments = (path, 99) if function is die else (path,)
            with pytest.raises((WorkerCrashedError, ValueError)):
                trygon.get(function.options(max_retries=2).remote(*arguments), timeout=30)
            first, second = gaps(path)
            # Above them comes what a new process takes, on a busy machine too.
            assert 0.2 < first < 0.3 + 3 and 0.4 < second < 0.6 + 3


def test_others_go_on_while_one_waits(engine: object, tmp_path: Path) -> None:
    doomed = die.options(max_retries=-1).remote(tmp_path / "doomed", 8)
    began = time.monotonic()
    assert trygon.get([die.remote(tmp_path / f"fine{i}") for i in range(20)], timeout=30) == [1] * 20
    assert time.monotonic() - began < 3
    assert trygon.get(doomed, timeout=30) == 9


def test_one_that_waits_is_cancelled_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYGON_TASK_RETRY_DELAY_MS", "60000")
    with trygon.init(num_cpus=1):
        task = die.options(max_retries=5).remote(tmp_path / "times", 99)
        while not times(tmp_path / "times"):
            time.sleep(0.01)
        time.sleep(0.3)
        began = time.monotonic()
        trygon.cancel(task)
        with pytest.raises(TaskCancelledError):
            trygon.get(task, timeout=10)
        assert time.monotonic() - began < 1 and len(times(tmp_path / "times")) == 1

"""A node whose memory is nearly full: whom it ends, and what becomes of the work.

The node is told that it has little memory.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest
import trygon
from trygon.exceptions import OutOfMemoryError

MIB = 1 << 20


@pytest.fixture
def small_node(monkeypatch):
    """Its workers may use 400 MiB together, and work is ended from 380 on."""
    monkeypatch.setenv("TRYGON_NODE_MEMORY_LIMIT_BYTES", str(400 * MIB))
    monkeypatch.setenv("TRYGON_TASK_OOM_RETRY_DELAY_BASE_MS", "200")
    with trygon.init(num_cpus=8) as context:
        yield context


def fill(mebibytes: int) -> bytearray:
    kept = bytearray(mebibytes * MIB)
    kept[::4096] = b"x" * len(kept[::4096])
    return kept


@trygon.remote(max_retries=0)
def hold(mebibytes: int, seconds: float) -> int:
    kept = fill(mebibytes)
    time.sleep(seconds)
    return len(kept) // MIB


@trygon.remote(max_retries=0)
def explode() -> None:
    kept = []
    while True:
        kept.append(fill(4))


def test_only_the_one_that_grew_is_ended(small_node):
    others = [hold.remote(20, 2) for _ in range(4)]
    with pytest.raises(OutOfMemoryError) as caught:
        trygon.get(explode.remote(), timeout=20)
    text = caught.value.message
    assert "nearly full" in text and "of 400.0 MiB in use" in text and "from 380.0 MiB on" in text
    assert os.uname().nodename in text and re.search(r"process \d+ was stopped", text)
    # The largest are named, with what they use.
    assert re.search(r"The largest were: explode [\d.]+ MiB \(process \d+\), hold", text)
    assert trygon.get(others, timeout=20) == [20] * 4


def test_what_may_run_again_is_ended_first_and_runs_again(small_node, tmp_path):
    @trygon.remote(max_retries=1)
    def again(path):
        with open(path, "a") as file:
            file.write(f"{time.time()}\n")
        kept = fill(180)
        time.sleep(0.2)
        return len(kept) // MIB

    times_file, full = tmp_path / "times", tmp_path / "full"

    @trygon.remote(max_retries=0)
    def hold_until_third(mebibytes):
        kept = fill(mebibytes)
        full.touch()
        until = time.monotonic() + 60
        while time.monotonic() < until and (not times_file.exists() or len(times_file.read_text().split()) < 3):
            time.sleep(0.01)
        return len(kept) // MIB

    lasting = hold_until_third.remote(250)
    deadline = time.monotonic() + 20
    while not full.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    # The newest would be the one that may not run again: it stays.
    retried = again.remote(str(times_file))
    assert trygon.get(lasting, timeout=70) == 250
    assert trygon.get(retried, timeout=30) == 180
    times = [float(line) for line in times_file.read_text().split()]
    # More often than max_retries says, and later each time.
    assert len(times) >= 3, times
    waits = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert waits[0] >= 0.15 and waits[1] >= 0.3, waits


def test_no_more_than_task_oom_retries(monkeypatch, tmp_path):
    monkeypatch.setenv("TRYGON_NODE_MEMORY_LIMIT_BYTES", str(200 * MIB))
    monkeypatch.setenv("TRYGON_TASK_OOM_RETRY_DELAY_BASE_MS", "50")
    monkeypatch.setenv("TRYGON_TASK_OOM_RETRIES", "2")

    @trygon.remote
    def always(path):
        with open(path, "a") as file:
            file.write("x")
        kept = []
        while True:
            kept.append(fill(4))

    with trygon.init(num_cpus=2):
        path = tmp_path / "count"
        with pytest.raises(OutOfMemoryError, match="tried 3 times"):
            trygon.get(always.remote(str(path)), timeout=30)
        assert path.read_text() == "xxx"


def test_actors_go_last(small_node):
    @trygon.remote
    class Keeper:
        def keep(self, mebibytes):
            self.kept = fill(mebibytes)
            return mebibytes

    keeper = Keeper.remote()
    assert trygon.get(keeper.keep.remote(200), timeout=20) == 200
    with pytest.raises(OutOfMemoryError):
        trygon.get(hold.remote(260, 20), timeout=20)
    assert trygon.get(keeper.keep.remote(100), timeout=20) == 100


def test_waiting_for_another_attempt_can_be_cancelled(monkeypatch):
    monkeypatch.setenv("TRYGON_NODE_MEMORY_LIMIT_BYTES", str(200 * MIB))
    monkeypatch.setenv("TRYGON_TASK_OOM_RETRY_DELAY_BASE_MS", "30000")

    @trygon.remote
    def always():
        kept = []
        while True:
            kept.append(fill(4))

    with trygon.init(num_cpus=2):
        ref = always.remote()
        ready, _ = trygon.wait([ref], timeout=4)
        assert not ready
        began = time.monotonic()
        trygon.cancel(ref)
        with pytest.raises(trygon.exceptions.TaskCancelledError):
            trygon.get(ref, timeout=10)
        assert time.monotonic() - began < 1


def test_nobody_is_ended_for_what_others_use(monkeypatch):
    """The machine counts as full from the start: ending a worker that has next to nothing would not help."""
    monkeypatch.setenv("TRYGON_MEMORY_USAGE_THRESHOLD", "0.0001")
    with trygon.init(num_cpus=2):
        assert trygon.get([hold.remote(1, 0.3) for _ in range(4)], timeout=20) == [1] * 4


def test_the_watch_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("TRYGON_NODE_MEMORY_LIMIT_BYTES", str(100 * MIB))
    monkeypatch.setenv("TRYGON_MEMORY_MONITOR_REFRESH_MS", "0")
    with trygon.init(num_cpus=2):
        assert trygon.get(hold.remote(200, 0.5), timeout=20) == 200
        # What a task asked for itself is a limit all the same.
        with pytest.raises(OutOfMemoryError, match="memory=52428800"):
            trygon.get(explode.options(memory=50 * MIB).remote(), timeout=20)


def test_a_setting_that_is_no_number_is_named():
    code = "import trygon; trygon.init(num_cpus=1); import time; time.sleep(0.5); trygon.shutdown()"
    environment = {**os.environ, "TRYGON_MEMORY_USAGE_THRESHOLD": "95"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    wanted = "TRYGON_MEMORY_USAGE_THRESHOLD=95 is not used: it must be a number above 0 and at most 1"
    assert wanted in done.stdout + done.stderr

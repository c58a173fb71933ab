"""Memory that is measured by control groups of version 2: limits, whose the groups are, and what is left of them.

Run by `make cgroup-v2` in a machine that has them. Elsewhere the tests are skipped, unless `TRYGON_CGROUP` names such a
group. That nobody else uses the machine meanwhile is taken for granted.
"""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
import trygon
from trygon.exceptions import OutOfMemoryError

MIB = 1 << 20
GIVEN = Path(os.environ.get("TRYGON_CGROUP", "/nowhere"))


def has_memory_controller() -> bool:
    try:
        return "memory" in (GIVEN / "cgroup.controllers").read_text().split()
    except OSError:
        return False


if os.environ.get("TRYGON_TEST_CGROUP_V2") != "required":
    pytestmark = pytest.mark.skipif(
        not has_memory_controller(), reason="TRYGON_CGROUP names no group of version 2 with the memory controller"
    )


def fill(mebibytes: int) -> bytearray:
    kept = bytearray(mebibytes * MIB)
    kept[::4096] = b"x" * len(kept[::4096])
    return kept


@trygon.remote
def own_group() -> tuple[str, int, int]:
    """Where a worker is, its process, and the daemon's."""
    # A worker is moved to its group within a moment of its beginning.
    deadline = time.monotonic() + 10
    while "/trygon-rest" in (text := Path("/proc/self/cgroup").read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    path = next(line.split("::")[1] for line in text.splitlines() if line.startswith("0::"))
    return path, os.getpid(), int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[1])


@trygon.remote(memory=200 * MIB, max_retries=0)
def use_too_much() -> int:
    return len([fill(1) for _ in range(500)])


def groups_left() -> list[str]:
    return sorted(path.name for path in GIVEN.glob("trygon-[0-9]*"))


def test_a_worker_is_in_a_group_of_its_own(engine):
    path, worker, daemon = trygon.get(own_group.remote(), timeout=60)
    assert path.endswith(f"/{GIVEN.name}/trygon-{daemon}/{worker}"), path
    stat = (GIVEN / f"trygon-{daemon}" / str(worker) / "memory.stat").read_text()
    assert int(re.search(r"^anon (\d+)$", stat, re.MULTILINE).group(1)) > 0
    # The daemon and this process gave way to it.
    assert (GIVEN / "cgroup.procs").read_text() == ""
    assert str(os.getpid()) in (GIVEN / "trygon-rest" / "cgroup.procs").read_text().split()


def test_a_limit_ends_the_task_alone(engine):
    _, _, daemon = trygon.get(own_group.remote(), timeout=60)
    began = time.monotonic()
    with pytest.raises(OutOfMemoryError) as caught:
        trygon.get(use_too_much.remote(), timeout=120)
    print(f"ended after {time.monotonic() - began:.2f} s: {caught.value.message}")
    text = caught.value.message
    used, limit, peak = (float(number) for number in re.findall(r"([\d.]+) MiB", text)[:3])
    assert limit == 200.0 and 200 < used <= 520 and peak >= used
    assert os.uname().nodename in text and re.search(r"process \d+ was stopped for its memory use", text)
    assert trygon.get(own_group.remote(), timeout=60)[2] == daemon


def test_the_groups_end_with_the_engine():
    with trygon.init(num_cpus=2):
        _, _, daemon = trygon.get(own_group.remote(), timeout=60)
        assert groups_left() == [f"trygon-{daemon}"]
    assert groups_left() == []


def test_the_groups_of_a_killed_daemon_are_removed_by_the_next():
    trygon.init(num_cpus=2)
    _, worker, daemon = trygon.get(own_group.remote(), timeout=60)
    os.kill(daemon, signal.SIGKILL)
    trygon.shutdown()
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{worker}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert groups_left() == [f"trygon-{daemon}"]
    with trygon.init(num_cpus=2):
        _, _, other = trygon.get(own_group.remote(), timeout=60)
        assert groups_left() == [f"trygon-{other}"]


def test_a_full_node_knows_who_fills_it(monkeypatch):
    """What a worker without a limit took before anybody asked is counted, too."""
    amounts = dict(re.findall(r"^(\w+): +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE))
    total, available = (int(amounts[name]) << 10 for name in ("MemTotal", "MemAvailable"))
    allowed = total - available + 600 * MIB
    assert allowed < total, "the machine is too small for this"
    monkeypatch.setenv("TRYGON_MEMORY_USAGE_THRESHOLD", f"{allowed / total:.4f}")

    @trygon.remote(max_retries=0)
    def fill_slowly():
        kept = []
        for _ in range(200):
            kept.append(fill(8))
            time.sleep(0.02)
        time.sleep(60)
        return len(kept)

    with trygon.init(num_cpus=2), pytest.raises(OutOfMemoryError) as caught:
        trygon.get(fill_slowly.remote(), timeout=120)
    text = caught.value.message
    used = float(re.search(r"The largest were: fill_slowly ([\d.]+) MiB", text).group(1))
    assert "nearly full" in text and 400 < used < 1200, text

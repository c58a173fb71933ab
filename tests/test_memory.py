"""Memory: limits of tasks and actors, a node that is nearly full, and who is ended for it."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import memory_bombs as bombs
import pytest
import trygon
from trygon.exceptions import ActorDiedError, OutOfMemoryError, RayActorError

MIB = 1 << 20
LIMIT = 64 * MIB


@trygon.remote(memory=LIMIT, max_retries=0, num_cpus=0.1)
def explode(how: str, said: str = "") -> None:
    bombs.EXPLODE[how](said)


@trygon.remote(num_cpus=0.1, max_retries=0)
def innocent(seconds: float) -> int:
    kept = bytearray(8 * MIB)
    kept[::4096] = b"x" * len(kept[::4096])
    time.sleep(seconds)
    return os.getpid()


def assert_ended(ref, within: float = 20.0) -> OutOfMemoryError:
    with pytest.raises(OutOfMemoryError) as caught:
        trygon.get(ref, timeout=within)
    return caught.value


@pytest.mark.parametrize("how", sorted(bombs.EXPLODE))
def test_a_bomb_of_every_kind_ends_alone(engine, how):
    others = [innocent.remote(1.5) for _ in range(3)]
    text = str(assert_ended(explode.remote(how)))
    assert f"memory={LIMIT}" in text and "explode used" in text and "host" in text and "process" in text
    assert len(set(trygon.get(others, timeout=20))) == 3


def test_the_error_says_limit_use_peak_host_and_process(engine):
    error = assert_ended(explode.remote("bytearray"))
    text = error.message
    used, limit, peak = (float(number) for number in re.findall(r"([\d.]+) MiB", text)[:3])
    used_bytes = int(re.search(r"\((\d+) bytes\)", text).group(1))
    assert limit == 64.0 and used_bytes > LIMIT and used >= 64.0 and peak >= used
    assert re.search(r"process \d+ was stopped for its memory use", text)
    assert os.uname().nodename in text and "127.0.0.1" in text
    assert "higher memory=" in text


def test_it_is_ended_within_a_fifth_of_a_second(engine, tmp_path):
    """From the moment at which the limit is passed, which the bomb writes down, to its end."""
    late = []
    for how in ("bytearray", "shared_mapping", "malloc") * 4:
        said = tmp_path / "passed"
        said.unlink(missing_ok=True)
        assert_ended(explode.remote(how, str(said)))
        if said.exists():
            passed, pid = said.read_text().split()
            late.append(time.time() - float(passed))
            assert not os.path.exists(f"/proc/{pid}") or late[-1] < 1
    # The others were seen in the same moment, before they could write.
    assert len(late) >= 3
    assert sorted(late)[len(late) // 2] < 0.2 and max(late) < 1.0, late


def test_what_stays_below_its_limit_is_left_alone(engine):
    @trygon.remote(memory=LIMIT, max_retries=0)
    def modest(index):
        kept = bytearray(40 * MIB)
        kept[::4096] = b"x" * len(kept[::4096])
        time.sleep(0.05)
        return index

    assert trygon.get([modest.remote(index) for index in range(40)], timeout=60) == list(range(40))


def test_without_memory_there_is_no_limit(engine):
    @trygon.remote(max_retries=0)
    def much():
        kept = bytearray(300 * MIB)
        kept[::4096] = b"x" * len(kept[::4096])
        return len(kept)

    assert trygon.get(much.remote(), timeout=20) == 300 * MIB


def test_what_an_earlier_task_left_is_not_charged(one_cpu):
    """One worker: the first task leaves 150 MiB behind, the next one may have 64 of its own."""

    @trygon.remote(max_retries=0)
    def leave():
        import builtins

        builtins.left_behind = bytearray(150 * MIB)
        builtins.left_behind[::4096] = b"x" * len(builtins.left_behind[::4096])
        return os.getpid()

    @trygon.remote(memory=LIMIT, max_retries=0)
    def small():
        kept = bytearray(30 * MIB)
        kept[::4096] = b"x" * len(kept[::4096])
        time.sleep(0.3)
        return os.getpid()

    first = trygon.get(leave.remote(), timeout=20)
    assert trygon.get(small.remote(), timeout=20) == first
    text = str(assert_ended(explode.remote("bytearray")))
    earlier = float(re.search(r"and ([\d.]+) MiB that its worker had before", text).group(1))
    assert 140 < earlier < 200


def test_objects_of_the_store_are_not_charged(engine):
    numpy = pytest.importorskip("numpy")

    @trygon.remote(memory=LIMIT, max_retries=0)
    def read(*arrays):
        total = sum(int(array.sum()) for array in arrays)
        time.sleep(0.3)
        return total

    @trygon.remote(memory=LIMIT, max_retries=0)
    def make():
        # Made in the store, 10 MiB at a time: what is left here is small.
        refs = [trygon.put(numpy.ones(10 * MIB, dtype=numpy.uint8)) for _ in range(20)]
        time.sleep(0.3)
        return refs

    big = [trygon.put(numpy.ones(50 * MIB, dtype=numpy.uint8)) for _ in range(4)]
    assert trygon.get(read.remote(*big), timeout=30) == 200 * MIB
    refs = trygon.get(make.remote(), timeout=30)
    assert sum(len(trygon.get(ref)) for ref in refs) == 200 * MIB


def test_a_task_with_retries_is_tried_again_and_fails_in_the_end(engine, tmp_path):
    @trygon.remote(memory=LIMIT, max_retries=2)
    def always(path):
        with open(path, "a") as file:
            file.write(f"{time.time()}\n")
        bombs.EXPLODE["bytearray"]("")

    path = tmp_path / "times"
    text = str(assert_ended(always.remote(str(path))))
    times = [float(line) for line in path.read_text().split()]
    assert len(times) == 3 and "tried 3 times" in text
    # It waits before each attempt, and longer before the second.
    assert times[1] - times[0] > 0.07 and times[2] - times[1] > 0.15


def test_children_are_counted_and_end_too(engine, tmp_path):
    path = tmp_path / "pids"

    @trygon.remote(memory=LIMIT, max_retries=0)
    def family(path):
        for _ in range(4):
            if os.fork() == 0:
                os.setsid()
                with open(path, "a") as file:
                    file.write(f"{os.getpid()}\n")
                kept = bytearray(30 * MIB)
                kept[::4096] = b"x" * len(kept[::4096])
                time.sleep(60)
                os._exit(0)
        time.sleep(60)

    text = str(assert_ended(family.remote(str(path))))
    assert "processes together" in text
    pids = [int(line) for line in path.read_text().split()]
    deadline = time.monotonic() + 2
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(pids) >= 3 and not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


def test_what_forked_children_share_counts_once(engine):
    @trygon.remote(memory=LIMIT, max_retries=0)
    def share():
        kept = bytearray(40 * MIB)
        kept[::4096] = b"x" * len(kept[::4096])
        children = []
        for _ in range(6):
            child = os.fork()
            if child == 0:
                time.sleep(1)
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        return len(kept)

    assert trygon.get(share.remote(), timeout=20) == 40 * MIB


def test_an_actor_has_a_limit(engine):
    @trygon.remote(memory=LIMIT)
    class Keeper:
        def __init__(self):
            self.kept = []

        def keep(self, mebibytes):
            kept = bytearray(mebibytes * MIB)
            kept[::4096] = b"x" * len(kept[::4096])
            self.kept.append(kept)
            return sum(map(len, self.kept)) // MIB

    keeper = Keeper.remote()
    assert trygon.get([keeper.keep.remote(10) for _ in range(5)], timeout=20) == [10, 20, 30, 40, 50]
    time.sleep(0.2)
    with pytest.raises(OutOfMemoryError, match=f"memory={LIMIT}") as caught:
        trygon.get(keeper.keep.remote(200), timeout=20)
    # It is what any dead actor's caller expects, too.
    assert isinstance(caught.value, ActorDiedError) and isinstance(caught.value, RayActorError)
    with pytest.raises(ActorDiedError):
        trygon.get(keeper.keep.remote(1), timeout=20)


def test_an_actor_may_come_back(engine):
    @trygon.remote(memory=LIMIT, max_restarts=1, max_task_retries=-1)
    class Keeper:
        def keep(self, mebibytes, path):
            mine = 10 if os.path.exists(path) else mebibytes
            open(path, "w").close()
            self.kept = bytearray(mine * MIB)
            self.kept[::4096] = b"x" * len(self.kept[::4096])
            time.sleep(0.2)
            return mine

    keeper = Keeper.remote()
    path = f"{os.environ['TRYGON_TMPDIR']}/came-back"
    assert trygon.get(keeper.keep.remote(200, path), timeout=20) == 10
    os.unlink(path)


def test_workers_are_the_kernels_first_choice(engine):
    @trygon.remote
    def scores():
        daemon = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[1]
        return [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in ("self", daemon)]

    own, daemons = trygon.get(scores.remote(), timeout=20)
    mine = int(Path("/proc/self/oom_score_adj").read_text())
    assert own == 1000 and daemons <= mine


def test_a_hundred_bombs(engine):
    """Only bombs die: neither the daemon nor a worker that does no harm."""
    kinds = sorted(set(bombs.EXPLODE) - {"slow", "shell"})
    others = [innocent.remote(4) for _ in range(4)]
    began = time.monotonic()
    for _ in range(10):
        refs = [explode.remote(kinds[index % len(kinds)]) for index in range(10)]
        for ref in refs:
            assert_ended(ref, within=30)
    assert len(set(trygon.get(others, timeout=30))) == 4
    assert time.monotonic() - began < 80

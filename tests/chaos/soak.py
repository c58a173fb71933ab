"""Mixed operations for long, and what the engine holds meanwhile: `python -m chaos.soak --minutes 30`, or `make soak`.

Everything is asked of one machine: tasks, nested tasks, errors, cancelled ones, actors, killed ones, small and large
objects, streams, placement groups. Each sample sums over the driver, the daemon, the zygotes and the workers: memory
(proportional set size), descriptors, threads; and the bytes of the object store. The engine is flat when the last third
of the run holds no more than the second, but for a small allowance. At the end nothing is left: no object, no process.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import leaks  # noqa: E402
import trygon  # noqa: E402
from trygon.util import placement_group, remove_placement_group  # noqa: E402

# Allocators keep a little more with time; a leak of 10 bytes an operation would pass this within the run.
ALLOWED_GROWTH_BYTES = 6_000_000
ALLOWED_GROWTH_COUNT = 2
PATIENCE_S = 60


@trygon.remote
def increment(value: int) -> int:
    return value + 1


@trygon.remote
def nested(value: int) -> int:
    return sum(trygon.get([increment.remote(value) for _ in range(3)]))


@trygon.remote(max_retries=0)
def fail(value: int) -> None:
    raise LookupError(value)


@trygon.remote
def large(size: int) -> bytes:
    return bytes(size)


@trygon.remote
def stream(count: int) -> Any:
    yield from range(count)


@trygon.remote
def sleep() -> None:
    time.sleep(100)


@trygon.remote(num_cpus=0)
class Adder:
    def __init__(self) -> None:
        self.sum = 0

    def add(self, value: int) -> int:
        self.sum += value
        return self.sum


class Soak:
    """Bursts of operations; each returns how many it was."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._adder = Adder.remote()
        self._added = 0
        self.bursts: list[Callable[[], int]] = [
            self.tasks,
            self.calls,
            self.nested,
            self.puts,
            self.large,
            self.errors,
            self.streams,
            self.cancelled,
            self.actors,
            self.groups,
        ]

    def tasks(self) -> int:
        values = [self._random.randrange(1000) for _ in range(1000)]
        found = trygon.get([increment.remote(value) for value in values], timeout=PATIENCE_S)
        assert found == [value + 1 for value in values]
        return len(values)

    def calls(self) -> int:
        last = [self._adder.add.remote(1) for _ in range(1000)][-1]
        self._added += 1000
        assert trygon.get(last, timeout=PATIENCE_S) == self._added
        return 1000

    def nested(self) -> int:
        assert trygon.get([nested.remote(value) for value in range(20)], timeout=PATIENCE_S)[1] == 6
        return 80

    def puts(self) -> int:
        kept = [trygon.put(value) for value in range(500)]
        assert sum(trygon.get(kept, timeout=PATIENCE_S)) == sum(range(500))
        return 1000

    def large(self) -> int:
        size = self._random.randrange(200_000, 2_000_000)
        made = [large.remote(size) for _ in range(4)] + [trygon.put(bytes(size))]
        assert all(len(value) == size for value in trygon.get(made, timeout=PATIENCE_S))
        return 10

    def errors(self) -> int:
        for reference in [fail.remote(value) for value in range(20)]:
            try:
                trygon.get(reference, timeout=PATIENCE_S)
            except LookupError:
                continue
            raise AssertionError("a task that raises has a value")
        return 20

    def streams(self) -> int:
        items = stream.options(num_returns="streaming").remote(100)
        assert [trygon.get(item, timeout=PATIENCE_S) for item in items] == list(range(100))
        dropped = stream.options(num_returns="streaming").remote(100)
        next(dropped)
        return 102

    def cancelled(self) -> int:
        reference = sleep.remote()
        trygon.cancel(reference)
        try:
            trygon.get(reference, timeout=PATIENCE_S)
        except trygon.exceptions.TaskCancelledError:
            return 2
        raise AssertionError("a task that was cancelled has a value")

    def actors(self) -> int:
        pair = [Adder.remote(), Adder.remote()]
        assert trygon.get([actor.add.remote(1) for actor in pair], timeout=PATIENCE_S) == [1, 1]
        trygon.kill(pair.pop())
        return 5

    def groups(self) -> int:
        group = placement_group([{"CPU": 0.01}] * 2)
        assert group.wait(PATIENCE_S)
        remove_placement_group(group)
        return 2


def held(daemon: int) -> dict[str, float]:
    """What the engine holds now."""
    pids = [os.getpid(), *(int(pid) for pid, _ in leaks.below(daemon, zombies=False)), daemon]
    found = {"bytes": 0.0, "descriptors": 0.0, "threads": 0.0, "processes": float(len(pids))}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                found["bytes"] += next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
            found["descriptors"] += len(os.listdir(f"/proc/{pid}/fd"))
            found["threads"] += len(os.listdir(f"/proc/{pid}/task"))
        except (OSError, StopIteration):
            found["processes"] -= 1
    return found


def settled(daemon: int) -> dict[str, float]:
    """The least of a few looks: what is just ending is not counted."""
    gc.collect()
    looks = []
    for _ in range(4):
        time.sleep(0.25)
        looks.append(held(daemon))
    return {name: min(look[name] for look in looks) for name in looks[0]}


def growth(samples: list[dict[str, float]]) -> dict[str, float]:
    """How much more the last third holds than the second: bytes by medians, what is counted by the least.

    Idle workers come and go, and each has its descriptors and threads; what leaks is there with the fewest too.
    """
    third = len(samples) // 3
    second, last = samples[third : 2 * third], samples[2 * third :]

    def grown(name: str) -> float:
        middle = statistics.median if name == "bytes" else min
        return float(middle(sample[name] for sample in last) - middle(sample[name] for sample in second))

    return {name: grown(name) for name in samples[0]}


def soak(seconds: float, seed: int, every_s: float, loud: bool = False) -> dict[str, Any]:
    """Runs bursts for so long; what was held, and how it grew."""
    context = trygon.init(num_cpus=2, object_store_memory=200_000_000)
    daemon = _daemon()
    load = Soak(seed)
    chosen = random.Random(seed)
    samples: list[dict[str, float]] = []
    operations, began, due = 0, time.monotonic(), 0.0
    while (now := time.monotonic() - began) < seconds:
        operations += chosen.choice(load.bursts)()
        if now >= due:
            samples.append(settled(daemon))
            due = now + every_s
            if loud:
                print(json.dumps({"after_s": round(now), "operations": operations, **samples[-1]}), flush=True)
    del load, context
    gc.collect()
    time.sleep(2)
    left = leaks.live_objects()
    trygon.shutdown()
    return {
        "operations": operations,
        "seconds": round(seconds),
        "growth": growth(samples),
        "last": samples[-1],
        "left": left,
    }


def _daemon() -> int:
    return next(int(pid) for pid, name in leaks.below(os.getpid(), zombies=False) if name == "trygon")


def verdict(report: dict[str, Any]) -> str:
    """Empty when nothing has grown and nothing is left."""
    bad = [
        f"{name} grew by {grown:g}"
        for name, grown in report["growth"].items()
        if grown > (ALLOWED_GROWTH_BYTES if name == "bytes" else ALLOWED_GROWTH_COUNT)
    ]
    return "; ".join(bad + ([f"objects are left: {report['left']}"] if report["left"] else []))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every-s", type=float, default=10, help="between two samples")
    options = parser.parse_args()
    report = soak(options.minutes * 60, options.seed, options.every_s, loud=True)
    print(json.dumps(report))
    bad = verdict(report)
    print(bad or "flat, and nothing is left")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()

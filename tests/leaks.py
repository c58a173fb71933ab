"""What a process and its children hold: compared before and after a test. Reads `/proc`; knows nothing of the engine's
inside.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
import time
from typing import NamedTuple


class Snapshot(NamedTuple):
    """What is held."""

    processes: frozenset[str]
    descriptors: frozenset[str]
    mappings: frozenset[str]
    threads: frozenset[str]
    files: frozenset[str]


def _read(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def engine_processes() -> frozenset[str]:
    """Processes of the engine that belong to this one: descendants, and what has lost its parent but says whose it
    is.
    """
    return frozenset(f"{pid} {name}" for pid, name in below(os.getpid()))


def below(pid: int, zombies: bool = True) -> list[tuple[str, str]]:
    """Ids and names of the processes below this one; without `zombies`, those that have not ended."""
    found = []
    parents = {}
    names = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        stat = _read(f"/proc/{entry}/stat")
        if not stat:
            continue
        fields = stat.rpartition(")")[2].split()
        names[entry] = stat.partition("(")[2].rpartition(")")[0]
        parents[entry] = fields[1]
        if fields[0] == "Z" and not zombies:
            del names[entry]
    for entry in parents:
        above = entry
        while above in parents and above != str(pid):
            above = parents[above]
        if above == str(pid) and entry != above and entry in names:
            found.append((entry, names[entry]))
    return found


def descriptors(pid: int | str = "self") -> frozenset[str]:
    """Open descriptors with what they are; the number is left out, so that a closed and reopened one is the same."""
    folder = f"/proc/{pid}/fd"
    found: dict[str, int] = {}
    for name in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue
        kind = target.partition("[")[0] if target.startswith(("socket:", "pipe:")) else target
        found[kind] = found.get(kind, 0) + 1
    return frozenset(f"{kind} x{count}" for kind, count in found.items() if not kind.endswith("/fd"))


def mappings(pid: int | str = "self") -> frozenset[str]:
    """Mapped shared memory of the engine."""
    return frozenset(
        line.split(None, 5)[5].strip() for line in _read(f"/proc/{pid}/maps").splitlines() if "memfd:" in line
    )


def _threads() -> frozenset[str]:
    """Python's threads and the engine's; those of numpy, Arrow and torch are their own affair."""
    named = ((entry, _read(f"/proc/self/task/{entry}/comm").strip()) for entry in os.listdir("/proc/self/task"))
    engines = {f"{entry} {name}" for entry, name in named if name.startswith("trygon")}
    return frozenset(engines | {f"{thread.ident} {thread.name}" for thread in threading.enumerate()})


def _files() -> frozenset[str]:
    folders = [tempfile.gettempdir(), "/dev/shm"]
    return frozenset(
        os.path.join(folder, name)
        for folder in folders
        if os.path.isdir(folder)
        for name in os.listdir(folder)
        if "trygon" in name.lower()
    )


def snapshot() -> Snapshot:
    """Now."""
    return Snapshot(engine_processes(), descriptors(), mappings(), _threads(), _files())


def _difference(before: Snapshot, after: Snapshot) -> list[str]:
    return [
        f"{field}: {sorted(new)}"
        for field, old, current in zip(Snapshot._fields, before, after, strict=True)
        if (new := current - old)
    ]


def wait_until_clean(before: Snapshot, limit_s: float) -> list[str]:
    """What is held now and was not before, once it stays so for `limit_s`."""
    deadline = time.monotonic() + limit_s
    while True:
        gc.collect()
        left = _difference(before, snapshot())
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


def live_objects() -> dict[str, int]:
    """Counts of the driver's table that are not zero."""
    native = sys.modules["trygon._native"]
    stats = native.object_stats()
    assert not stats.get("broken_invariant"), stats
    return {name: stats[name] for name in ("owned", "borrowed", "tasks_in_flight") if stats.get(name)}


def wait_gone(pids: list[int], limit_s: float) -> list[int]:
    """Which of these processes still live when the time is over."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        pids = [pid for pid in pids if _alive(pid)]
        if not pids:
            break
        time.sleep(0.02)
    return pids


def _alive(pid: int) -> bool:
    stat = _read(f"/proc/{pid}/stat")
    return bool(stat) and stat.rpartition(")")[2].split()[0] != "Z"

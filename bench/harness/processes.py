"""What /proc says about the processes of one engine: which they are, their memory and CPU, and how to end them.

An engine's processes are those that descend from its child process, or carry the tag that the harness put into its
environment; the second finds those whose parent has died.
"""

import os
import signal
import time
from pathlib import Path

TAG_NAME = "BENCH_ENGINE_TAG"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_tagged(pid: int, tag: str) -> bool:
    """Whether the process was started with the tag in its environment."""
    try:
        return f"{TAG_NAME}={tag}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def processes_of(root: int, tag: str) -> list[int]:
    """All living processes of the engine, zombies left out."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        fields = stat_fields(int(name)) if name.isdigit() else []
        if fields and fields[0] not in "ZX":
            parents[int(name)] = int(fields[1])
    found = {pid for pid in parents if pid == root or is_tagged(pid, tag)}
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in found} - found
        found |= children
        grown = bool(children)
    return sorted(found - {os.getpid()})


def memory_mb(pids: list[int]) -> float:
    """Proportional set size of all these processes together, in MB."""
    total_kib = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total_kib += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total_kib * 1024 / 1e6


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of all these processes so far."""
    ticks = 0
    for pid in pids:
        fields = stat_fields(pid)
        if fields:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def end_all(root: int, tag: str, patience_s: float = 3.0) -> int:
    """Kills what is left of an engine and waits for it; returns how many processes had to be killed."""
    killed: set[int] = set()
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        left = processes_of(root, tag)
        if not left:
            break
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    return len(killed)

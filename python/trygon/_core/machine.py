"""What this machine has, as far as this process may use it: CPUs, memory, GPUs. Reads the system; decides nothing."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CGROUP = "/sys/fs/cgroup"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _number(text: str) -> int | None:
    """The number that a file of the system holds, if it is one of at most 64 bits."""
    return int(text) if text.isdecimal() and len(text) <= 20 else None


def _cgroup_folders() -> Iterator[str]:
    """This process's control group and those above it: the tightest limit counts."""
    yield _CGROUP
    for line in _read("/proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        if number == "0":
            path = rest.partition(":")[2]
            folder = _CGROUP
            for part in path.strip("/").split("/"):
                folder = f"{folder}/{part}"
                yield folder


def cpu_count() -> int:
    """CPUs that this process may use: its affinity, cut by the quota of its control group."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [_read(f"{folder}/cpu.max").split() for folder in _cgroup_folders()]
    quotas.append([_read(f"{_CGROUP}/cpu/cpu.cfs_quota_us"), _read(f"{_CGROUP}/cpu/cpu.cfs_period_us")])
    for quota in quotas:
        allowed, period = (_number(text) for text in quota) if len(quota) == 2 else (None, None)
        if allowed is not None and period:
            cpus = min(cpus, max(1, -(-allowed // period)))
    return max(1, cpus)


def memory_bytes() -> int:
    """Memory that this process may still use: what is available, cut by the limit of its control group."""
    available = 0
    for line in _read("/proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            available = (_number((value.split() or [""])[0]) or 0) * 1024
    if not available:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [(_read(f"{folder}/memory.max"), _read(f"{folder}/memory.current")) for folder in _cgroup_folders()]
    limits.append((_read(f"{_CGROUP}/memory/memory.limit_in_bytes"), _read(f"{_CGROUP}/memory/memory.usage_in_bytes")))
    for limit, used in limits:
        limit_bytes, used_bytes = _number(limit), _number(used)
        if limit_bytes is not None and used_bytes is not None:
            # Page cache counts as used there, but gives way; half of the limit is assumed at least.
            available = min(available, max(limit_bytes - used_bytes, limit_bytes // 2))
    return available


def gpu_count() -> int:
    """NVIDIA devices that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        present = sum(name.startswith("nvidia") and name[6:].isdigit() for name in os.listdir("/dev"))
    except OSError:
        present = 0
    if visible is None:
        return present
    named = [name for name in visible.split(",") if name.strip() and name.strip() not in ("-1", "NoDevFiles")]
    return min(present, len(named))


def gpu_type() -> str:
    """The model of the first NVIDIA device as Ray's programs name it ("A100", "H200"), or empty."""
    folder = "/proc/driver/nvidia/gpus"
    try:
        devices = sorted(os.listdir(folder))
    except OSError:
        return ""
    for line in _read(f"{folder}/{devices[0]}/information").splitlines() if devices else ():
        name, _, value = line.partition(":")
        if name.strip() == "Model":
            words = [word for word in value.split() if word not in ("NVIDIA", "Tesla")]
            return words[0].split("-")[0] if words else ""
    return ""

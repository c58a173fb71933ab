"""What the tests of spilling share."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import trygon
from trygon import _native

STORE_BYTES = 96_000_000
# The disk of a developer is often nearly full.
SETTINGS: dict[str, Any] = {"local_fs_capacity_threshold": 1.0}


def start(directory: Any = None, store_bytes: int = STORE_BYTES, num_cpus: int = 2, **settings: Any) -> Any:
    """An engine with a small store."""
    return trygon.init(
        num_cpus=num_cpus,
        object_store_memory=store_bytes,
        object_spilling_directory=directory,
        _system_config={**SETTINGS, **settings},
    )


def value(number: int, size_bytes: int) -> numpy.ndarray:
    """An array that no other number has."""
    return numpy.random.default_rng(number).integers(0, 255, size_bytes, dtype=numpy.uint8)


def checksum(array: numpy.ndarray) -> str:
    return hashlib.blake2b(array, digest_size=16).hexdigest()


def store() -> dict[str, Any]:
    """The figures of this node's store."""
    found: dict[str, Any] = json.loads(_native.query_state("store"))
    return found


def files(directory: Any) -> list[Path]:
    """The files of objects below a directory."""
    return sorted(Path(directory).glob("trygon-spill-*/*.objects"))


@contextmanager
def small_disk(path: Path, size_mb: int) -> Iterator[Path]:
    """A file system of this size; skips where it cannot be mounted."""
    import pytest

    path.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(path)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def written_bytes(pid: int) -> int:
    """Bytes that a process has handed to `write`, to whatever kind of file."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def environment() -> dict[str, str]:
    import sys

    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

"""Tasks whose arguments fill the budget of a process (FLOW-1): who submits waits, and nobody waits for himself."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
import trygon

BLOCK_BYTES, BLOCKS = 100_000, 11_000


@trygon.remote(num_cpus=0)
class Box:
    def __init__(self) -> None:
        self.held: Any = None

    def put(self, held: Any) -> None:
        self.held = held

    def take(self) -> Any:
        return self.held


@trygon.remote
def size(block: bytes, _awaited: Any) -> int:
    return len(block)


@trygon.remote
def fill(box: Any) -> tuple[float, list[Any]]:
    """Leaves 1.1 GB of arguments in its process, of tasks that wait for a task which begins after this one."""
    while (held := trygon.get(box.take.remote())) is None:
        time.sleep(0.01)
    began = time.monotonic()
    sizes = [size.remote(os.urandom(BLOCK_BYTES), held[0]) for _ in range(BLOCKS)]
    return time.monotonic() - began, sizes


@trygon.remote
def then(_filled: Any) -> int:
    return trygon.get(size.remote(b"abc", None))


@pytest.mark.timeout(180)
def test_a_task_does_not_wait_for_what_waits_for_it() -> None:
    trygon.init(num_cpus=1, object_store_memory=500_000_000)
    try:
        box = Box.remote()
        filled = fill.remote(box)
        second = then.remote(filled)
        trygon.get(box.put.remote([second]))
        took_s, sizes = trygon.get(filled, timeout=90)
        assert took_s > 9, "it did not wait for room"
        assert trygon.get(second, timeout=60) == 3
        assert sum(trygon.get(sizes, timeout=90)) == BLOCKS * BLOCK_BYTES
    finally:
        trygon.shutdown()

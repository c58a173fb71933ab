"""The example that sorts records: right on a small size, and not satisfied with a wrong result."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "sort_records.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    specification = importlib.util.spec_from_file_location("sort_records", EXAMPLE)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_records_are_sorted_as_in_one_process() -> None:
    words = [sys.executable, str(EXAMPLE), "--records", "60001", "--ranges", "5"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60,001 records" in done.stdout and "count, order and checksum are right" in done.stdout


def test_wrong_results_are_found(example: ModuleType) -> None:
    counts, ranges = [500, 501], 4
    right = example.sort_plainly(counts, ranges)
    total = sum(summary.total for summary in right)
    assert example.faults(right, 1001, total) == []
    swapped = [right[1], right[0], *right[2:]]
    assert "begins before" in example.faults(swapped, 1001, total)[0]
    assert len(example.faults(right[1:], 1001, total)) == 2
    records = example.make_records(0, 500)
    unsorted = example.summary_of(records, "")
    assert "not sorted" in example.faults([unsorted], 500, unsorted.total)[0]
    changed = records.copy()
    changed[7, 50] ^= 1
    assert example.checksum(changed) != example.checksum(records)
    assert example.checksum(records[::-1]) == example.checksum(records)

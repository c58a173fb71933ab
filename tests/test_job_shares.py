"""Programs that share a node: each gets its part by weight (FAIR-2)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trygon
from test_cluster_start import Node

# Keeps a node busy with tasks that sleep until a moment that all programs know, and says how many tasks ended in each
# tenth of a second.
SATURATE = """
import collections, json, sys
begin, end, sleep, options = json.loads(sys.argv[1])
trygon.init(**options)
@trygon.remote
def task(): time.sleep(sleep)
time.sleep(max(0, begin - time.time()))
waiting, done = [task.remote() for _ in range(64)], collections.Counter()
while time.time() < end:
    ready, waiting = trygon.wait(waiting, num_returns=1, timeout=0.5)
    now = time.time()
    for _ in ready: done[int(now * 10)] += 1
    waiting += [task.remote() for _ in ready]
for reference in waiting: trygon.cancel(reference)
print(json.dumps(done))
"""


def start(node: Node, begin: float, end: float, sleep: float = 0.05, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "import os, time, trygon\n" + SATURATE, json.dumps([begin, end, sleep, options])],
        env=node.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def tasks(program: subprocess.Popen[str], first: float, last: float) -> int:
    """How many tasks of a program ended between two moments."""
    output, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    return sum(count for tenth, count in json.loads(output).items() if first * 10 <= int(tenth) < last * 10)


def parts(counts: list[int]) -> list[float]:
    return [100 * count / sum(counts) for count in counts]


@pytest.fixture
def make() -> Iterator[object]:
    with tempfile.TemporaryDirectory(prefix="n-", ignore_cleanup_errors=True) as path:
        node = Node(Path(path))

        def start_node(cpus: int) -> Node:
            port = f"--port={6400 + cpus}"
            started = node.command("start", "--head", f"--num-cpus={cpus}", "--node-ip-address=127.0.0.1", port)
            assert started.returncode == 0, started.stderr
            return node

        try:
            yield start_node
        finally:
            assert node.command("stop").returncode == 0


@pytest.mark.timeout(90)
@pytest.mark.parametrize("cpus", [4, 2])
def test_two_programs_get_their_parts_by_weight(make: object, cpus: int) -> None:
    node = make(cpus)  # type: ignore[operator]
    begin = time.time() + 3
    # Of two CPUs, no number of whole ones makes a quarter: the programs take turns.
    programs = [start(node, begin, begin + 14, job_weight=weight) for weight in (1, 3)]
    found = parts([tasks(program, begin + 3, begin + 13) for program in programs])
    assert 20 <= found[0] <= 30, found


@pytest.mark.timeout(90)
def test_short_tasks_and_long_ones_get_the_same(make: object) -> None:
    node = make(2)  # type: ignore[operator]
    begin = time.time() + 3
    lengths = [0.01, 1.0]
    programs = [start(node, begin, begin + 14, sleep) for sleep in lengths]
    counts = [tasks(program, begin + 3, begin + 13) for program in programs]
    # What counts is how long each has its workers: the long ones have one of the two.
    assert 7 <= counts[1] <= 13 and counts[0] > 50, counts


@pytest.mark.timeout(90)
def test_a_third_program_joins_and_leaves(make: object) -> None:
    node = make(4)  # type: ignore[operator]
    begin = time.time() + 3
    first, second = (start(node, begin, begin + 15) for _ in range(2))
    third = start(node, begin + 5, begin + 10, job_weight=2)
    outputs = []
    for program in (first, second, third):
        output, errors = program.communicate(timeout=60)
        assert program.returncode == 0, errors
        outputs.append({int(tenth) / 10: count for tenth, count in json.loads(output).items()})

    def between(start_s: float, end_s: float) -> list[float]:
        of = [sum(n for at, n in output.items() if begin + start_s <= at < begin + end_s) for output in outputs]
        return parts(of)

    alone, together, after = between(2, 5), between(6.5, 10), between(11.5, 15)
    assert 42 <= alone[0] <= 58 and alone[2] == 0, alone
    assert 18 <= together[0] <= 32 and 42 <= together[2] <= 58, together
    assert 42 <= after[0] <= 58 and after[2] == 0, after


def test_a_program_alone_uses_everything_whatever_its_weight(make: object) -> None:
    node = make(4)  # type: ignore[operator]
    begin = time.time() + 3
    count = tasks(start(node, begin, begin + 8, 0.5, job_weight=0.01), begin + 1, begin + 7)
    assert count > 4 * 6 / 0.5 * 0.7, count


@pytest.mark.parametrize(
    ("weight", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (float("nan"), ValueError),
        (1e9, ValueError),
        ("3", TypeError),
        (True, TypeError),
    ],
)
def test_a_weight_is_a_number_above_zero(weight: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"job_weight of init\(\)"):
        trygon.init(num_cpus=1, job_weight=weight)  # type: ignore[arg-type]
    assert not trygon.is_initialized()


def test_the_environment_says_the_weight_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYGON_JOB_WEIGHT", "heavy")
    with pytest.raises(ValueError, match="TRYGON_JOB_WEIGHT"):
        trygon.init(num_cpus=1)
    monkeypatch.setenv("TRYGON_JOB_WEIGHT", "2.5")
    trygon.init(num_cpus=1)
    trygon.shutdown()

"""A driver that runs tasks, actor calls and objects at once, and checks each result against a plain computation.

Run as a program on a machine of a cluster. Prints a line of JSON each second, and one with the whole report at the end.
Every wait has a limit: what is not there by then counts as hung. Each kind of work has a thread of its own.
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import os
import random
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import trygon

HUNG_AFTER_S = 90.0
TASKS_UNDER_WAY = 1000
CALLS_A_TICK, TICK_S = 50, 0.05
ACTORS = 3
OBJECTS_UNDER_WAY = 6
# So many are held, and read once more before they go: more than memory has room for.
OBJECTS_KEPT = 120
BOMBS = 20
BOMB_LIMIT_BYTES, BOMB_BYTES = 80_000_000, 300_000_000
LEAST_BYTES, MOST_BYTES = 200_000, 6_000_000
SPREAD = {"scheduling_strategy": "SPREAD"}
# Of these so many in a second, one under way for each of some threads.
TREES_A_SECOND, TREE_BYTES, LEAVES = 4, 200_000, 4
ITEMS = 20
KINDS = ("tasks", "calls", "objects", "bombs", "trees", "streams")
# These go on until the others are through.
STEADY = ("calls", "trees", "streams")


def mixed(number: int, seed: int) -> int:
    """What a task or a call is to answer."""
    value = (number * 2654435761 + seed) & 0xFFFFFFFF
    return value ^ (value >> 13)


def note(path: str) -> None:
    """One execution more has begun. Appending a byte is one step, whoever else appends."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, b"x")
    finally:
        os.close(descriptor)


@trygon.remote(max_retries=-1, num_cpus=0.1, scheduling_strategy="SPREAD")
def work(number: int, seed: int, begun: str) -> int:
    note(begun)
    # So many are under way on each machine whenever something breaks.
    time.sleep(0.1)
    return mixed(number, seed)


@trygon.remote(max_restarts=-1, max_task_retries=-1, num_cpus=0, scheduling_strategy="SPREAD")
class Answerer:
    def answer(self, number: int, seed: int) -> int:
        return mixed(number, seed)


@trygon.remote(max_retries=-1, num_cpus=0.5)
def make(number: int, size: int, begun: str) -> bytes:
    note(begun)
    return random.Random(number).randbytes(size)


@trygon.remote(max_retries=-1, num_cpus=0.5)
def checksum(data: bytes, begun: str) -> int:
    note(begun)
    return zlib.crc32(data)


@trygon.remote(max_retries=1, num_cpus=0.5, memory=BOMB_LIMIT_BYTES)
def explode() -> int:
    held = [random.randbytes(1_000_000) for _ in range(BOMB_BYTES // 1_000_000)]
    time.sleep(5)
    return len(held)


@trygon.remote(max_retries=-1, num_cpus=0.1)
def leaf(references: list[Any], number: int) -> int:
    time.sleep(0.5)
    return zlib.crc32(trygon.get(references[0])) + number


@trygon.remote(max_retries=-1, num_cpus=0.1)
def tree(number: int) -> int:
    """Tasks on other machines that borrow an object of this one."""
    shared = trygon.put(random.Random(number).randbytes(TREE_BYTES))
    return sum(trygon.get([leaf.options(**SPREAD).remote([shared], index) for index in range(LEAVES)]))


@trygon.remote(max_retries=-1, num_cpus=0.1)
def stream(number: int) -> Any:
    for index in range(ITEMS):
        time.sleep(0.02)
        yield mixed(number, index)


class Tally:
    """What became of one kind of work."""

    def __init__(self) -> None:
        self.done = self.wrong = self.lost = self.hung = 0
        self.worst_s = 0.0
        self.errors: collections.Counter[str] = collections.Counter()

    def take(
        self, reference: Any, expected: Callable[[], int], what: str, read: Callable[[Any], int] = lambda value: value
    ) -> None:
        """Waits for one result and judges it, or what `read` makes of it."""
        self.judge(lambda: read(trygon.get(reference, timeout=HUNG_AFTER_S)), expected, what)

    def judge(self, find: Callable[[], int], expected: Callable[[], int], what: str) -> None:
        """Judges what is found."""
        began = time.monotonic()
        try:
            value = find()
        except trygon.exceptions.GetTimeoutError:
            self.hung += 1
            self.errors[f"hung: {what}"] += 1
        except Exception as error:
            self.lost += 1
            self.errors[f"{type(error).__name__}: {str(error)[:300]}"] += 1
        else:
            self.done += 1
            self.wrong += value != expected()
        self.worst_s = max(self.worst_s, time.monotonic() - began)

    def take_bomb(self, reference: Any) -> None:
        """Waits for a task that uses more memory than it may: its end is to be told so."""
        began = time.monotonic()
        try:
            trygon.get(reference, timeout=HUNG_AFTER_S)
        except trygon.exceptions.OutOfMemoryError:
            self.done += 1
        except trygon.exceptions.GetTimeoutError:
            self.hung += 1
        except (trygon.exceptions.WorkerCrashedError, trygon.exceptions.NodeDiedError):
            # Its last attempt met something else that went wrong.
            self.done += 1
        else:
            self.wrong += 1
            self.errors["a task with too much memory lived"] += 1
        self.worst_s = max(self.worst_s, time.monotonic() - began)

    def report(self) -> dict[str, Any]:
        """As it is printed."""
        counts = {"done": self.done, "wrong": self.wrong, "lost": self.lost, "hung": self.hung}
        return {**counts, "worst_wait_s": round(self.worst_s, 2), "errors": dict(self.errors.most_common(5))}


class Workload:
    """All of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.tallies = {name: Tally() for name in KINDS}
        self.bytes_checked = 0
        self.repeated = 0
        self._began = time.monotonic()
        self._over = threading.Event()

    def _pace(self, share: float) -> None:
        """Waits until so much of the time is over, so that there is work whenever something breaks."""
        left_s = self._began + share * self.options.seconds - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)

    def _begun(self, kind: str) -> str:
        return os.path.join(self.options.folder, f"begun-{kind}")

    def tasks(self) -> None:
        """So many short tasks, as many as the limit under way at once."""
        seed, tally = self.options.seed, self.tallies["tasks"]
        under_way: collections.deque[tuple[int, Any]] = collections.deque()
        for number in range(self.options.tasks):
            self._pace(number / self.options.tasks)
            if len(under_way) >= TASKS_UNDER_WAY:
                first, reference = under_way.popleft()
                tally.take(reference, functools.partial(mixed, first, seed), f"task {first}")
            under_way.append((number, work.remote(number, seed, self._begun("tasks"))))
        for first, reference in under_way:
            tally.take(reference, functools.partial(mixed, first, seed), f"task {first}")

    def calls(self) -> None:
        """Calls of actors at a steady rate until the other kinds are through; a thread of its own reads the answers."""
        seed, tally = self.options.seed, self.tallies["calls"]
        sent: collections.deque[tuple[int, Any]] = collections.deque()

        def read() -> None:
            while not self._over.is_set() or sent:
                if sent:
                    first, reference = sent.popleft()
                    tally.take(reference, functools.partial(mixed, first, seed), f"call {first}")
                else:
                    time.sleep(0.01)

        reader = threading.Thread(target=read)
        reader.start()
        actors = [Answerer.remote() for _ in range(ACTORS)]
        number, due = 0, time.monotonic()
        while not self._over.is_set():
            for _ in range(CALLS_A_TICK):
                sent.append((number, actors[number % ACTORS].answer.remote(number, seed)))
                number += 1
            # A machine that was away is not to be drowned when it is back.
            due = max(due + TICK_S, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))
        reader.join()

    def objects(self) -> None:
        """Objects made on one machine, read on others and here."""
        tally, sizes = self.tallies["objects"], random.Random(self.options.seed)
        begun = self._begun("objects")
        under_way: collections.deque[tuple[int, int, Any, Any]] = collections.deque()
        kept: collections.deque[tuple[int, int, Any]] = collections.deque()
        number = started = 0
        while started < self.options.bytes or under_way:
            while started < self.options.bytes and len(under_way) < OBJECTS_UNDER_WAY:
                self._pace(started / self.options.bytes)
                size = sizes.randint(LEAST_BYTES, MOST_BYTES)
                made = make.options(**SPREAD).remote(number, size, begun)
                under_way.append((number, size, made, checksum.options(**SPREAD).remote(made, begun)))
                number, started = number + 1, started + size
            first, size, made, there = under_way.popleft()
            tally.take(there, functools.partial(expected_checksum, first, size), f"object {first}")
            if first % 3 == 0:
                expected = functools.partial(expected_checksum, first, size)
                tally.take(made, expected, f"object {first} here", zlib.crc32)
            self.bytes_checked += size
            kept.append((first, size, made))
            if len(kept) > OBJECTS_KEPT:
                first, size, made = kept.popleft()
                again = checksum.options(**SPREAD).remote(made, begun)
                tally.take(again, functools.partial(expected_checksum, first, size), f"object {first} again")

    def bombs(self) -> None:
        """Tasks that use more memory than they may, one after the other."""
        for number in range(BOMBS):
            self._pace(number / BOMBS)
            self.tallies["bombs"].take_bomb(explode.remote())

    def trees(self) -> None:
        """Tasks that have tasks of their own, which read what their parents have put."""
        under_way: collections.deque[tuple[int, Any]] = collections.deque()
        number = 0
        while not self._over.wait(1 / TREES_A_SECOND):
            under_way.append((number, tree.options(**SPREAD).remote(number)))
            number += 1
            if len(under_way) > 2 * TREES_A_SECOND:
                self._take_tree(*under_way.popleft())
        for first, reference in under_way:
            self._take_tree(first, reference)

    def _take_tree(self, number: int, reference: Any) -> None:
        expected = functools.partial(expected_tree, number)
        self.tallies["trees"].take(reference, expected, f"tree {number}")

    def streams(self) -> None:
        """Generators, one after the other, item by item."""
        tally, number = self.tallies["streams"], 0
        while not self._over.is_set():
            items = stream.options(**SPREAD, num_returns="streaming").remote(number)
            for index in range(ITEMS):
                find, expected = functools.partial(next_item, items), functools.partial(mixed, number, index)
                tally.judge(find, expected, f"item {index} of {number}")
            number += 1

    def run(self) -> dict[str, Any]:
        """Runs everything and gives the report."""
        began = self._began = time.monotonic()
        finite = [threading.Thread(target=kind, daemon=True) for kind in (self.tasks, self.objects, self.bombs)]
        steady = {name: threading.Thread(target=getattr(self, name), daemon=True) for name in STEADY}
        for thread in (*finite, *steady.values()):
            thread.start()
        while any(thread.is_alive() for thread in finite) or time.monotonic() - began < self.options.seconds:
            time.sleep(1)
            print(json.dumps({"after_s": round(time.monotonic() - began, 1), **self._counts()}), flush=True)
        self._over.set()
        until = time.monotonic() + 2 * HUNG_AFTER_S
        for thread in steady.values():
            thread.join(max(0, until - time.monotonic()))
        report = {name: tally.report() for name, tally in self.tallies.items()}
        for name, thread in steady.items():
            report[name]["hung"] += thread.is_alive()
        executions = os.path.getsize(self._begun("tasks"))
        return {
            **report,
            "executions_repeated": executions - self.options.tasks,
            "bytes_checked": self.bytes_checked,
            "seconds": round(time.monotonic() - began, 1),
        }

    def _counts(self) -> dict[str, int]:
        return {name: tally.done for name, tally in self.tallies.items()}


def next_item(items: Any) -> int:
    """What a generator makes next."""
    return int(trygon.get(items._next_sync(HUNG_AFTER_S), timeout=HUNG_AFTER_S))


def expected_tree(number: int) -> int:
    """The plain computation of a tree."""
    return LEAVES * expected_checksum(number, TREE_BYTES) + sum(range(LEAVES))


def expected_checksum(number: int, size: int) -> int:
    """The plain computation."""
    return zlib.crc32(random.Random(number).randbytes(size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000, help="how many short tasks")
    parser.add_argument("--bytes", type=float, default=3e8, help="bytes of objects in all")
    parser.add_argument("--seconds", type=float, default=15, help="how long at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", required=True, help="a folder that all machines see")
    options = parser.parse_args()
    trygon.init(address="auto", log_to_driver=False)
    print(json.dumps({"report": Workload(options).run()}), flush=True)


if __name__ == "__main__":
    main()

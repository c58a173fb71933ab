"""MapReduce word count: the same words counted in parallel with Trygon and by one plain Python process.

Mappers read a share of the files each and return their counts split into partitions (`num_returns`). The partitions
wait in the object store; each reducer takes its partition of every mapper, so the shuffle copies nothing through this
program. At the end both counts are compared word for word, and both times are printed.
"""

from __future__ import annotations

import argparse
import heapq
import os
import re
import sys
import sysconfig
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import trygon

WORD = re.compile(r"[a-z]+")
TEXT_SUFFIXES = {".rs", ".md", ".toml", ".txt", ".py", ".c", ".h", ".cc", ".cpp", ".html", ".json", ".rst", ".S"}
MEGABYTE = 1_000_000
LEAST_MB = 50


# The counting itself. The plain process runs `count_file` too, so that the comparison is of engines, not of counters.


def count_file(path: str, counts: Counter[str]) -> None:
    """Adds the words of one file to `counts`."""
    with open(path, encoding="utf-8", errors="replace") as file:
        counts.update(WORD.findall(file.read().lower()))


def count_share(paths: Sequence[str], partitions: int) -> list[dict[str, int]]:
    """A mapper: counts the words of its files, split so that a word always lands in the same partition."""
    counts: Counter[str] = Counter()
    for path in paths:
        count_file(path, counts)
    split: list[dict[str, int]] = [{} for _ in range(partitions)]
    checksum = zlib.crc32
    for word, count in counts.items():
        split[checksum(word.encode()) % partitions][word] = count
    return split


def merge_partition(top: int, *parts: dict[str, int]) -> tuple[list[tuple[str, int]], tuple[int, int], Counter[str]]:
    """A reducer: adds up one partition; gives its most frequent words, how many words, and all counts."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part)
    return most_frequent(counts.items(), top), (counts.total(), len(counts)), counts


def most_frequent(pairs: Iterable[tuple[str, int]], top: int) -> list[tuple[str, int]]:
    """The most frequent first; words that are equally frequent by alphabet."""
    return heapq.nsmallest(top, pairs, key=lambda pair: (-pair[1], pair[0]))


# The text.


def text_files(folder: Path) -> Iterable[tuple[str, int]]:
    """The text files below a folder, in a fixed order, with their sizes."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if os.path.splitext(name)[1] in TEXT_SUFFIXES and not os.path.islink(path):
                yield path, os.path.getsize(path)


def default_folders() -> list[Path]:
    """Where a machine that has built Trygon has text: the crates' sources, Python's own library, documents."""
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    return [cargo / "registry" / "src", Path(sysconfig.get_paths()["stdlib"]), Path("/usr/share/doc")]


def collect(folders: Sequence[Path], least_bytes: int, most_bytes: int) -> list[tuple[str, int]]:
    """Files of at least `least_bytes` together; a later folder is looked at only while the earlier are not enough."""
    files: list[tuple[str, int]] = []
    total = 0
    for folder in folders:
        if total >= least_bytes:
            break
        for path, size in text_files(folder):
            if total + size > most_bytes:
                break
            files.append((path, size))
            total += size
    if total < least_bytes:
        looked = ", ".join(str(folder) for folder in folders)
        raise SystemExit(
            f"only {total / MEGABYTE:.1f} MB of text in {looked}, {least_bytes / MEGABYTE:.0f} MB are wanted. "
            "Name a folder with more text on the command line, run `cargo fetch`, or ask for less with --least."
        )
    return files


def shares_of(files: Sequence[tuple[str, int]], count: int) -> list[list[str]]:
    """The files in `count` shares of about the same size: the largest file goes to the emptiest share, and so on."""
    shares: list[tuple[int, list[str]]] = [(0, []) for _ in range(count)]
    for path, size in sorted(files, key=lambda file: (-file[1], file[0])):
        emptiest = min(range(count), key=lambda index: shares[index][0])
        filled, paths = shares[emptiest]
        paths.append(path)
        shares[emptiest] = (filled + size, paths)
    return [paths for _, paths in shares if paths]


# What a person sees.


class Progress:
    """One line that grows on a terminal; a line for every quarter elsewhere."""

    WIDTH = 40

    def __init__(self, title: str, total: int) -> None:
        self.title = title
        self.total = total
        self.is_terminal = sys.stderr.isatty()
        self.quarter = 0
        self.show(0)

    def show(self, done: int) -> None:
        """Draws the state after `done` of the steps."""
        if self.is_terminal:
            filled = self.WIDTH * done // self.total
            bar = "█" * filled + "░" * (self.WIDTH - filled)
            end = "\n" if done == self.total else ""
            print(f"\r{self.title:<8}{bar} {done}/{self.total}", end=end, file=sys.stderr, flush=True)
        elif 4 * done // self.total > self.quarter:
            self.quarter = 4 * done // self.total
            print(f"{self.title}: {done} of {self.total}", file=sys.stderr, flush=True)


def wait_for(title: str, references: Sequence[trygon.ObjectRef]) -> None:
    """Waits until all are there, and shows how many are."""
    progress = Progress(title, len(references))
    pending = list(references)
    while pending:
        _, pending = trygon.wait(pending, num_returns=1, fetch_local=False)
        progress.show(len(references) - len(pending))


# The two ways.


class Result:
    """What either way finds, and how long it took."""

    def __init__(self, top: list[tuple[str, int]], words: int, distinct: int, seconds: float) -> None:
        self.top = top
        self.words = words
        self.distinct = distinct
        self.seconds = seconds


def count_in_parallel(
    shares: Sequence[Sequence[str]], partitions: int, top: int
) -> tuple[Result, list[trygon.ObjectRef]]:
    """Counts with tasks; the whole counts stay in the object store, as the references that come back."""
    started = time.perf_counter()
    mapper = trygon.remote(count_share).options(num_returns=partitions)
    reducer = trygon.remote(merge_partition).options(num_returns=3)
    mapped = [mapper.remote(paths, partitions) for paths in shares]
    if partitions == 1:
        mapped = [[split] for split in mapped]
    wait_for("map", [parts[0] for parts in mapped])
    reduced = [reducer.remote(top, *[parts[index] for parts in mapped]) for index in range(partitions)]
    wait_for("reduce", [best for best, _, _ in reduced])
    candidates = [pair for best in trygon.get([best for best, _, _ in reduced]) for pair in best]
    totals = trygon.get([total for _, total, _ in reduced])
    seconds = time.perf_counter() - started
    words, distinct = sum(total[0] for total in totals), sum(total[1] for total in totals)
    return Result(most_frequent(candidates, top), words, distinct, seconds), [whole for _, _, whole in reduced]


def count_plainly(paths: Sequence[str], top: int) -> tuple[Result, Counter[str]]:
    """Counts in this process, one file after the other."""
    started = time.perf_counter()
    counts: Counter[str] = Counter()
    progress = Progress("plain", len(paths))
    for index, path in enumerate(paths, start=1):
        count_file(path, counts)
        if index % 64 == 0 or index == len(paths):
            progress.show(index)
    best = most_frequent(counts.items(), top)
    return Result(best, counts.total(), len(counts), time.perf_counter() - started), counts


def differences(plain: Counter[str], references: Sequence[trygon.ObjectRef]) -> list[str]:
    """Words whose two counts differ; each partition is fetched once and dropped."""
    seen = 0
    different = []
    for reference in references:
        part = trygon.get(reference)
        seen += len(part)
        different += [word for word, count in part.items() if plain[word] != count]
    if seen != len(plain):
        different.append(f"({seen} distinct words against {len(plain)})")
    return different


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="folders with text (default: the crates' sources)")
    parser.add_argument("--least", type=float, default=LEAST_MB, metavar="MB", help="least text (default: %(default)s)")
    parser.add_argument("--most", type=float, default=256, metavar="MB", help="most text (default: %(default)s)")
    parser.add_argument("--cpus", type=int, default=None, help="logical CPUs (default: the machine's)")
    parser.add_argument("--shares", type=int, default=None, help="mappers (default: eight for each CPU)")
    parser.add_argument("--partitions", type=int, default=None, help="reducers (default: two for each CPU)")
    parser.add_argument("--top", type=int, default=10, help="how many words are shown (default: %(default)s)")
    parser.add_argument("--no-check", action="store_true", help="do not count again in one plain process")
    return parser.parse_args()


def show(result: Result) -> None:
    """The most frequent words as a small table."""
    width = max(len(word) for word, _ in result.top)
    for word, count in result.top:
        print(f"  {word:<{width}}  {count:>12,}")


def main() -> int:
    """Runs the job; the exit code is 1 when the two counts differ."""
    options = arguments()
    folders = options.folders or default_folders()
    files = collect(folders, int(options.least * MEGABYTE), int(options.most * MEGABYTE))
    megabytes = sum(size for _, size in files) / MEGABYTE
    started = time.perf_counter()
    trygon.init(num_cpus=options.cpus)
    start_seconds = time.perf_counter() - started
    cpus = options.cpus or int(trygon.cluster_resources()["CPU"])
    shares = shares_of(files, options.shares or 8 * cpus)
    partitions = options.partitions or 2 * cpus
    print(f"{len(files):,} files, {megabytes:.1f} MB; {len(shares)} mappers, {partitions} reducers on {cpus} CPUs")
    parallel, references = count_in_parallel(shares, partitions, options.top)
    print(f"{parallel.words:,} words, {parallel.distinct:,} of them distinct; the most frequent:")
    show(parallel)
    print(f"trygon: {parallel.seconds:.2f} s, and {start_seconds:.2f} s to start")
    if options.no_check:
        return 0
    plain, counts = count_plainly([path for path, _ in files], options.top)
    print(f"plain:  {plain.seconds:.2f} s, {plain.seconds / parallel.seconds:.2f} times as long")
    different = differences(counts, references)
    if different or plain.top != parallel.top or plain.words != parallel.words:
        print(f"the counts differ, first in: {', '.join(different[:5])}")
        return 1
    print("both counts are equal, word for word")
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        code = 130
    trygon.shutdown()
    sys.exit(code)

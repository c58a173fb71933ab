"""Sort records of 100 bytes, of which the first 10 are the key, on as many machines as the cluster has.

Mappers make a share of the records each (every record follows from its number, so that nothing is read from a disk)
and cut it into ranges of keys. Each reducer takes its range of every share, merges and sorts it; the sorted ranges
stay in the object store of the machine that made them. Checked are the number of records, their order within and
between ranges, a checksum that does not depend on the order, and, unless `--no-plain`, every byte against the same
sort in one plain process.

    python examples/sort_records.py                                     # 20 MB on this machine
    python examples/sort_records.py --records 10000000 --address auto   # 1 GB on this machine's cluster
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import trygon

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray

RECORD_BYTES = 100
SEED = 20


class Summary(NamedTuple):
    """What is known of a sorted range: enough to check it without moving it."""

    count: int
    total: int
    first: bytes
    last: bytes
    is_sorted: bool
    crc: int
    node: str


def make_records(number: int, count: int) -> Array:
    """Share `number`: the same bytes whenever and wherever it is made."""
    import numpy

    generator = numpy.random.Generator(numpy.random.Philox(key=SEED, counter=[0, 0, 0, number]))
    return numpy.frombuffer(generator.bytes(count * RECORD_BYTES), dtype=numpy.uint8).reshape(count, RECORD_BYTES)


def key_words(records: Array) -> tuple[Array, Array]:
    """The keys as two columns of numbers that order as the bytes do."""
    import numpy

    keys = numpy.ascontiguousarray(records[:, :10])
    high = keys[:, :8].copy().view(">u8").reshape(-1).astype(numpy.uint64)
    low = keys[:, 8:].copy().view(">u2").reshape(-1).astype(numpy.uint16)
    return high, low


def checksum(records: Array) -> int:
    """A sum over all records that does not depend on their order."""
    import numpy

    words = numpy.ascontiguousarray(records).view(numpy.uint32)
    weights = numpy.arange(1, words.shape[1] + 1, dtype=numpy.uint64)
    return sum(int(words[:, column].sum(dtype=numpy.uint64)) * int(weights[column]) for column in range(len(weights)))


def range_of(high: Array, ranges: int) -> Array:
    """In which of the ranges each key falls; keys are spread evenly, so equal ranges are."""
    import numpy

    return ((high >> numpy.uint64(32)) * numpy.uint64(ranges)) >> numpy.uint64(32)


def map_share(number: int, count: int, ranges: int) -> list[object]:
    """A mapper: a share's checksum, then its records range by range."""
    import numpy

    records = make_records(number, count)
    place = range_of(key_words(records)[0], ranges)
    order = numpy.argsort(place, kind="stable")
    borders = numpy.searchsorted(place[order], numpy.arange(ranges + 1))
    return [checksum(records), *(records[order[borders[i] : borders[i + 1]]] for i in range(ranges))]


def sorted_records(records: Array) -> Array:
    """The records in the order of their keys."""
    import numpy

    high, low = key_words(records)
    return records[numpy.lexsort((low, high))]


def summary_of(records: Array, node: str) -> Summary:
    """Looks at every record of a range that should be sorted."""
    high, low = key_words(records)
    rises = (high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] >= low[:-1]))
    first, last = (bytes(records[0, :10]), bytes(records[-1, :10])) if len(records) else (b"", b"")
    return Summary(len(records), checksum(records), first, last, bool(rises.all()), zlib.crc32(records.data), node)


def reduce_range(*parts: Array) -> tuple[Array, Summary]:
    """A reducer: merges and sorts one range."""
    import numpy

    whole = sorted_records(numpy.concatenate(parts))
    return whole, summary_of(whole, trygon.get_runtime_context().get_node_id())


def sort_in_parallel(counts: Sequence[int], ranges: int) -> tuple[list[Summary], int]:
    """Sorts with tasks; what is known of the ranges, and the checksum of what the mappers made."""
    mapper = trygon.remote(map_share).options(num_returns=ranges + 1)
    reducer = trygon.remote(reduce_range).options(num_returns=2)
    mapped = [mapper.remote(number, count, ranges) for number, count in enumerate(counts)]
    totals = [parts[0] for parts in mapped]
    reduced = [reducer.remote(*(parts[1 + index] for parts in mapped)) for index in range(ranges)]
    # From here on only the tasks hold the unsorted parts: each goes when its reducer has ended.
    del mapped
    summaries = trygon.get([summary for _, summary in reduced])
    return summaries, sum(trygon.get(totals))


def sort_plainly(counts: Sequence[int], ranges: int) -> list[Summary]:
    """The same in this process alone."""
    import numpy

    whole = sorted_records(numpy.concatenate([make_records(number, count) for number, count in enumerate(counts)]))
    borders = numpy.searchsorted(range_of(key_words(whole)[0], ranges), numpy.arange(ranges + 1))
    return [summary_of(whole[borders[i] : borders[i + 1]], "") for i in range(ranges)]


def faults(summaries: Sequence[Summary], records: int, total: int) -> list[str]:
    """What is wrong with a result, in sentences."""
    found = []
    if sum(summary.count for summary in summaries) != records:
        found.append(f"{sum(summary.count for summary in summaries):,} records came out, {records:,} went in")
    if sum(summary.total for summary in summaries) != total:
        found.append("the checksum of what came out is not that of what went in")
    filled = [summary for summary in summaries if summary.count]
    if not all(summary.is_sorted for summary in filled):
        found.append("a range is not sorted")
    if any(left.last > right.first for left, right in zip(filled, filled[1:], strict=False)):
        found.append("a range begins before the one in front of it ends")
    return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000, help="how many (default: %(default)s, 20 MB)")
    parser.add_argument(
        "--share", type=int, default=250_000, help="records of one mapper at most (default: %(default)s)"
    )
    parser.add_argument("--ranges", type=int, default=16, help="reducers (default: %(default)s)")
    parser.add_argument("--address", default=None, help="of a cluster (default: an engine of this program's own)")
    parser.add_argument("--no-plain", action="store_true", help="do not sort again in one plain process")
    options = parser.parse_args()
    if options.records < 1 or options.share < 1 or not 1 <= options.ranges < 1 << 16:
        parser.error("--records and --share must be at least 1, --ranges from 1 to 65535")
    return options


def main() -> int:
    """Sorts; the exit code is 1 when something is wrong with the result."""
    options = arguments()
    trygon.init(address=options.address)
    shares = max(-(-options.records // options.share), min(8, options.records))
    counts = [options.records // shares + (number < options.records % shares) for number in range(shares)]
    nodes = sum(node["Alive"] for node in trygon.nodes())
    megabytes = options.records * RECORD_BYTES / 1e6
    print(
        f"{options.records:,} records, {megabytes:,.0f} MB; {shares} mappers, {options.ranges} reducers, {nodes} nodes"
    )
    started = time.perf_counter()
    summaries, total = sort_in_parallel(counts, options.ranges)
    seconds = time.perf_counter() - started
    used = len({summary.node for summary in summaries})
    print(f"trygon: {seconds:.2f} s, {megabytes / seconds:,.0f} MB/s; sorted ranges lie on {used} nodes")
    found = faults(summaries, options.records, total)
    if not options.no_plain:
        started = time.perf_counter()
        plain = sort_plainly(counts, options.ranges)
        print(f"plain:  {time.perf_counter() - started:.2f} s")
        if [summary[:6] for summary in plain] != [summary[:6] for summary in summaries]:
            found.append("the plain sort gives other bytes")
    print(f"wrong: {'; '.join(found)}" if found else "count, order and checksum are right")
    return 1 if found else 0


if __name__ == "__main__":
    code = main()
    trygon.shutdown()
    sys.exit(code)

"""Many memory bombs, one after the other and several at once: only they die. Prints figures; fails if anybody else did.

make bombs BOMBS=1000
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import memory_bombs as bombs  # noqa: E402
import trygon  # noqa: E402
from trygon.exceptions import OutOfMemoryError  # noqa: E402

LIMIT = bombs.LIMIT_MIB << 20
# Those that take seconds by themselves say nothing more.
KINDS = sorted(set(bombs.EXPLODE) - {"slow", "shell"})
AT_ONCE = 4


@trygon.remote(memory=LIMIT, max_retries=0, num_cpus=0.1)
def explode(how: str, said: str) -> None:
    """Uses more and more, and writes down when it passed its limit."""
    bombs.EXPLODE[how](said)


@trygon.remote(num_cpus=0.1)
class Innocent:
    """Does no harm, with a limit and some memory of its own."""

    def __init__(self) -> None:
        self.kept = b"x" * (20 << 20)
        self.calls = 0

    def call(self) -> tuple[int, int]:
        """Its process, and how often it was called."""
        self.calls += 1
        return os.getpid(), self.calls


def show(kind: str, late: list[float]) -> None:
    """One line of how long it took, of those that wrote down when they passed their limit."""
    if late:
        late.sort()
        quantiles = [("median", statistics.median(late)), ("99 %", late[int(len(late) * 0.99)]), ("most", late[-1])]
        shown = ", ".join(f"{name} {seconds * 1000:4.0f} ms" for name, seconds in quantiles)
        print(f"  {kind:<18} {shown} ({len(late)})")


def main() -> int:
    """Explodes as many as were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bombs", type=int, default=1000)
    count = parser.parse_args().bombs
    trygon.init(num_cpus=8)
    innocents = [Innocent.options(memory=LIMIT).remote() for _ in range(4)]
    pids = {pid for pid, _ in trygon.get([innocent.call.remote() for innocent in innocents])}
    late: dict[str, list[float]] = {kind: [] for kind in KINDS}
    ended, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        while ended < count:
            batch = [KINDS[(ended + index) % len(KINDS)] for index in range(min(AT_ONCE, count - ended))]
            said = [os.path.join(folder, str(ended + index)) for index in range(len(batch))]
            refs = [explode.remote(how, where) for how, where in zip(batch, said, strict=True)]
            left = {ref: (how, where) for how, ref, where in zip(batch, refs, said, strict=True)}
            while left:
                (ref,), _ = trygon.wait(list(left), num_returns=1, timeout=60)
                heard, (how, where) = time.time(), left.pop(ref)
                try:
                    trygon.get(ref)
                except OutOfMemoryError:
                    ended += 1
                    if os.path.exists(where):
                        late[how].append(heard - float(Path(where).read_text().split()[0]))
            calls = trygon.get([innocent.call.remote() for innocent in innocents], timeout=60)
            if {pid for pid, _ in calls} != pids:
                print(f"after {ended} bombs another process died", file=sys.stderr)
                return 1
    took = time.monotonic() - began
    print(f"{ended} bombs of {len(KINDS)} kinds, {AT_ONCE} at once, in {took:.0f} s; nobody else died")
    print("from passing the limit to the error at get:")
    show("all", [one for kind in late.values() for one in kind])
    for kind, times in late.items():
        show(kind, times)
    return 0


if __name__ == "__main__":
    sys.exit(main())

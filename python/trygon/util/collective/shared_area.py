"""The memory that the members on one machine share: made by the hub, passed as a descriptor, without a name anywhere.

Layout for `n` members and pieces of `p` bytes, twice (rounds take turns): for each member `n` pieces that it gives, and
one piece of results. Pages come into being when they are first written.

SHM-1: a round's first writes come after the end of the round before, and its reads before the end of the next: with
two halves nobody writes what another still reads.
"""

from __future__ import annotations

import mmap
import os

_LARGEST_PIECE_BYTES, _SMALLEST_PIECE_BYTES = 2 << 20, 64 << 10
_GIVEN_BUDGET_BYTES = 32 << 20


class SharedArea:
    """One member's view of it."""

    def __init__(self, descriptor: int, world_size: int) -> None:
        self._count = world_size
        self.piece_bytes = _piece_bytes(world_size)
        self._map = mmap.mmap(descriptor, _total_bytes(world_size))
        self._view = memoryview(self._map)

    @classmethod
    def create(cls, world_size: int) -> tuple[SharedArea, int]:
        """New memory; the descriptor belongs to the caller."""
        descriptor = os.memfd_create("trygon-collective", os.MFD_CLOEXEC)
        try:
            os.ftruncate(descriptor, _total_bytes(world_size))
            return cls(descriptor, world_size), descriptor
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def attach(cls, descriptor: int, world_size: int) -> SharedArea:
        """What the hub made."""
        size = os.fstat(descriptor).st_size
        if size != _total_bytes(world_size):
            raise ValueError(f"the shared memory has {size} bytes, {_total_bytes(world_size)} were expected")
        return cls(descriptor, world_size)

    def given(self, round_number: int, rank: int, piece: int = 0, pieces: int = 1) -> memoryview:
        """Where `rank` puts what it gives in a round: `pieces` pieces from number `piece`."""
        start = (((round_number & 1) * self._count + rank) * self._count + piece) * self.piece_bytes
        return self._view[start : start + pieces * self.piece_bytes]

    def result(self, round_number: int, rank: int) -> memoryview:
        """Where `rank` puts its part of a round's result."""
        before = 2 * self._count * self._count
        start = (before + (round_number & 1) * self._count + rank) * self.piece_bytes
        return self._view[start : start + self.piece_bytes]

    def close(self) -> None:
        """Unmaps it. Arrays over it must be gone."""
        self._view.release()
        try:
            self._map.close()
        except BufferError:
            # An array of an interrupted call still lies over it, in a traceback; it goes with that.
            pass


def _piece_bytes(world_size: int) -> int:
    fair = _GIVEN_BUDGET_BYTES // (world_size * world_size)
    page = mmap.PAGESIZE
    return max(_SMALLEST_PIECE_BYTES, min(_LARGEST_PIECE_BYTES, fair // page * page))


def _total_bytes(world_size: int) -> int:
    return 2 * world_size * (world_size + 1) * _piece_bytes(world_size)

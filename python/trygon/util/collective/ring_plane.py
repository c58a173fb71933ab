"""Large tensors over connections: members in a ring, each sending to the next while it receives from the one before.

Every byte crosses each link once or twice, whatever the number of members. Pieces keep links and processors busy at the
same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trygon.util.collective.link import exchange
from trygon.util.collective.star import RING

if TYPE_CHECKING:
    from collections.abc import Callable

    from trygon.util.collective.arrays import Reducer
    from trygon.util.collective.star import Star

    Begin = Callable[[], object]

_PIECE_BYTES = 1 << 20


def _bytes(array: Any) -> memoryview:
    return memoryview(array).cast("B") if array.size else memoryview(b"")


class RingPlane:
    """The ring as one member sees it. `begin`, in every operation, is the call that all members make first."""

    def __init__(self, star: Star, rank: int, world_size: int, timeout_s: float) -> None:
        import numpy

        self._numpy = numpy
        self._star = star
        self._rank, self._count = rank, world_size
        self._timeout_s = timeout_s

    def _exchange(self, out: Any, into: Any) -> None:
        following = self._star.link(RING, (self._rank + 1) % self._count)
        preceding = self._star.link(RING, (self._rank - 1) % self._count)
        exchange(following, _bytes(out), preceding, _bytes(into), self._timeout_s)

    def _pass_on(self, out: Any, into: Any, done: Callable[[int, int], None] | None = None) -> None:
        """Sends all of `out` and fills `into`, piece by piece; `done(start, stop)` is told what has come."""
        size = _PIECE_BYTES // out.itemsize
        for start in range(0, max(out.size, into.size, 1), size):
            piece = into[start : start + size]
            self._exchange(out[start : start + size], piece)
            if done is not None and piece.size:
                done(start, start + piece.size)

    def allreduce(self, array: Any, reduce: Reducer, begin: Begin, only: int | None = None) -> None:
        """With `only`, just that member takes the result."""
        begin()
        if only is not None:
            self._reduce_to(array, reduce, only)
            return
        count, rank = self._count, self._rank
        parts = self._numpy.array_split(array, count)
        space = self._numpy.empty(parts[0].size, array.dtype)
        for step in range(count - 1):
            target = parts[(rank - step - 1) % count]
            incoming = space[: target.size]

            def add(start: int, stop: int, target: Any = target, incoming: Any = incoming) -> None:
                reduce(target[start:stop], incoming[start:stop], target[start:stop])

            self._pass_on(parts[(rank - step) % count], incoming, add)
        for step in range(count - 1):
            self._pass_on(parts[(rank + 1 - step) % count], parts[(rank - step) % count])

    def _reduce_to(self, array: Any, reduce: Reducer, target: int) -> None:
        place = (self._rank - target - 1) % self._count
        size = _PIECE_BYTES // array.itemsize
        space = self._numpy.empty(min(size, array.size), array.dtype)
        following = self._star.link(RING, (self._rank + 1) % self._count)
        preceding = self._star.link(RING, (self._rank - 1) % self._count)
        for start in range(0, array.size, size):
            piece = array[start : start + size]
            if place == 0:
                following.send_raw(_bytes(piece))
                continue
            incoming = space[: piece.size]
            preceding.receive_raw(_bytes(incoming))
            if place == self._count - 1:
                reduce(incoming, piece, piece)
            else:
                reduce(incoming, piece, incoming)
                following.send_raw(_bytes(incoming))

    def broadcast(self, array: Any, source: int, begin: Begin) -> None:
        """The members' arrays become that of `source`."""
        begin()
        place = (self._rank - source) % self._count
        size = _PIECE_BYTES // array.itemsize
        following = self._star.link(RING, (self._rank + 1) % self._count)
        preceding = self._star.link(RING, (self._rank - 1) % self._count)
        for start in range(0, array.size, size):
            piece = _bytes(array[start : start + size])
            if place > 0:
                preceding.receive_raw(piece)
            if place < self._count - 1:
                following.send_raw(piece)

    def allgather(self, outs: list[Any], array: Any, begin: Begin) -> None:
        """`outs[rank]` becomes the array of that member."""
        begin()
        outs[self._rank][...] = array
        for step in range(self._count - 1):
            self._pass_on(outs[(self._rank - step) % self._count], outs[(self._rank - step - 1) % self._count])

    def reducescatter(self, out: Any, inputs: list[Any], reduce: Reducer, begin: Begin) -> None:
        """`out` becomes what all members' `inputs[rank]`, for this member's rank, are together."""
        begin()
        count, rank = self._count, self._rank
        outgoing = inputs[(rank - 1) % count]
        for step in range(count - 1):
            mine = inputs[(rank - step - 2) % count]
            incoming = self._numpy.empty_like(mine)

            def add(start: int, stop: int, mine: Any = mine, incoming: Any = incoming) -> None:
                reduce(incoming[start:stop], mine[start:stop], incoming[start:stop])

            self._pass_on(outgoing, incoming, add)
            outgoing = incoming
        out[...] = outgoing

"""Large tensors between members on one machine: through shared memory, in rounds, each member at work on its share.

Of a round's block each member gives what others reduce, reduces its own share of it, and takes the rest of the result.
While the others catch up, the next round's block is given already: one meeting for each round. All reductions go in
the order of ranks and are made by one member each, so every member gets the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from trygon.util.collective.arrays import Reducer
    from trygon.util.collective.shared_area import SharedArea
    from trygon.util.collective.star import Star

    Begin = Callable[[], object]


class SharedPlane:
    """The rounds of one member (SHM-1). `begin`, in every operation, is the call that all members make first."""

    def __init__(self, star: Star, area: SharedArea, rank: int, world_size: int) -> None:
        import numpy

        self._numpy = numpy
        self._star, self._area = star, area
        self._rank, self._count = rank, world_size
        self._round = 0

    def _over(self, memory: memoryview, like: Any) -> Any:
        return self._numpy.frombuffer(memory, dtype=like.dtype, count=like.size)

    def allreduce(self, array: Any, reduce: Reducer, begin: Begin, only: int | None = None) -> None:
        """With `only`, just that member takes the result."""
        shares = _Shares(array, self._count, self._area.piece_bytes)
        first = self._round
        self._give(first, shares.of(0))
        begin()
        for step in range(shares.rounds):
            number = first + step
            parts = shares.of(step)
            self._reduce_share(number, parts[self._rank], reduce)
            if step + 1 < shares.rounds:
                self._give(number + 1, shares.of(step + 1))
            self._star.sync(number + 1)
            if only is None or only == self._rank:
                for rank, part in enumerate(parts):
                    part[...] = self._over(self._area.result(number, rank), part)
        self._round = first + shares.rounds + 1

    def _give(self, number: int, parts: list[Any]) -> None:
        for rank, part in enumerate(parts):
            if rank != self._rank:
                self._over(self._area.given(number, self._rank, rank), part)[...] = part

    def _reduce_share(self, number: int, mine: Any, reduce: Reducer) -> None:
        out = self._over(self._area.result(number, self._rank), mine)
        self._reduce_all(number, mine, out, reduce)

    def _reduce_all(self, number: int, mine: Any, out: Any, reduce: Reducer) -> None:
        parts = [
            mine if rank == self._rank else self._over(self._area.given(number, rank, self._rank), mine)
            for rank in range(self._count)
        ]
        reduce(parts[0], parts[1], out)
        for part in parts[2:]:
            reduce(out, part, out)

    def broadcast(self, array: Any, source: int, begin: Begin) -> None:
        """The members' arrays become that of `source`."""
        blocks = _blocks(array, self._count * self._area.piece_bytes)
        first = self._round
        if self._rank == source:
            self._give_whole(first, blocks[0])
        begin()
        for step, block in enumerate(blocks):
            number = first + step
            if self._rank != source:
                block[...] = self._over(self._area.given(number, source, 0, self._count), block)
            elif step + 1 < len(blocks):
                self._give_whole(number + 1, blocks[step + 1])
            if step + 1 < len(blocks):
                self._star.sync(number + 1)
        self._round = first + len(blocks)

    def _give_whole(self, number: int, block: Any) -> None:
        self._over(self._area.given(number, self._rank, 0, self._count), block)[...] = block

    def allgather(self, outs: list[Any], array: Any, begin: Begin) -> None:
        """`outs[rank]` becomes the array of that member."""
        size = self._count * self._area.piece_bytes
        blocks = _blocks(array, size)
        targets = [_blocks(out, size) for out in outs]
        first = self._round
        self._give_whole(first, blocks[0])
        begin()
        for step, block in enumerate(blocks):
            number = first + step
            if step + 1 < len(blocks):
                self._give_whole(number + 1, blocks[step + 1])
            for rank in range(self._count):
                target = targets[rank][step]
                if rank == self._rank:
                    target[...] = block
                else:
                    target[...] = self._over(self._area.given(number, rank, 0, self._count), target)
            if step + 1 < len(blocks):
                self._star.sync(number + 1)
        self._round = first + len(blocks)

    def reducescatter(self, out: Any, inputs: list[Any], reduce: Reducer, begin: Begin) -> None:
        """`out` becomes what all members' `inputs[rank]`, for this member's rank, are together."""
        size = self._area.piece_bytes
        # The result may be written over this member's own input, which is read to the end.
        mine = (
            inputs[self._rank].copy() if self._numpy.may_share_memory(out, inputs[self._rank]) else inputs[self._rank]
        )
        blocks = [_blocks(each, size) for each in inputs]
        own, results = _blocks(mine, size), _blocks(out, size)
        first = self._round
        self._give(first, [each[0] for each in blocks])
        begin()
        for step, result in enumerate(results):
            number = first + step
            if step + 1 < len(results):
                self._give(number + 1, [each[step + 1] for each in blocks])
            self._reduce_all(number, own[step], result, reduce)
            if step + 1 < len(results):
                self._star.sync(number + 1)
        self._round = first + len(results)


class _Shares:
    """An array in rounds of one block, and each block in one share for each member."""

    def __init__(self, array: Any, count: int, piece_bytes: int) -> None:
        self._array, self._count = array, count
        self._block = piece_bytes // array.itemsize * count
        self.rounds = max(1, -(-array.size // self._block))

    def of(self, step: int) -> list[Any]:
        """The shares of a round, by rank; the last ones may be smaller, or empty."""
        block = self._array[step * self._block : (step + 1) * self._block]
        share = -(-block.size // self._count)
        return [block[rank * share : (rank + 1) * share] for rank in range(self._count)]


def _blocks(array: Any, size_bytes: int) -> list[Any]:
    size = size_bytes // array.itemsize
    return [array[start : start + size] for start in range(0, max(array.size, 1), size)]

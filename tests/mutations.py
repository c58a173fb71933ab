"""Inputs that are almost right: what is valid, changed here and there, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

# Bytes that mean something in the formats that are read here.
_TELLING = b"\x00\x01\x7f\x80\xff\xb2 \t\n\\/.:,{}[]\"'-0129"


def mutations(valid: list[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """So many inputs, each made from one of `valid`."""
    dice = random.Random(seed)
    for _ in range(count):
        data = bytearray(dice.choice(valid))
        for _ in range(dice.randint(1, 4)):
            _change(data, valid, dice)
        yield bytes(data)


def _change(data: bytearray, valid: list[bytes], dice: random.Random) -> None:
    place = dice.randint(0, len(data))
    end = min(len(data), place + dice.randint(1, 8))
    match dice.randrange(7):
        case 0 if data:
            data[place % len(data)] ^= 1 << dice.randrange(8)
        case 1:
            data[place:end] = dice.randbytes(end - place)
        case 2:
            del data[place:end]
        case 3:
            data[place:place] = bytes([dice.choice(_TELLING)])
        case 4:
            data[place:place] = data[place:end] * dice.choice((1, 2, 200))
        case 5:
            other = dice.choice(valid)
            start = dice.randint(0, len(other))
            data[place:end] = other[start : start + dice.randint(1, 30)]
        case _:
            del data[place:]

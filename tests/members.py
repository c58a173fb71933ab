"""Actors that are members of collective groups, for tests."""

import os

import numpy as np
import trygon
from trygon.util import collective
from trygon.util.collective import ReduceOp

BACKENDS = ["trygon", "tcp"]


@trygon.remote(num_cpus=0)
class Member:
    def __init__(self, world_size=0, rank=0, backend="trygon", group_name="default", timeout_ms=20_000):
        self.rank, self.count = rank, world_size
        if world_size:
            collective.init_collective_group(world_size, rank, backend, group_name, timeout_ms)

    def run(self, function, *args):
        return function(self.rank, self.count, *args)

    def pid(self):
        return os.getpid()


def members(count, **options):
    return [Member.remote(count, rank, **options) for rank in range(count)]


def run_all(actors, function, *args, timeout=30):
    return trygon.get([actor.run.remote(function, *args) for actor in actors], timeout=timeout)


def errors_of(actors, functions, timeout=15):
    """What each of the calls raises; None where nothing is."""
    refs = [actor.run.remote(function) for actor, function in zip(actors, functions, strict=True)]
    found = []
    for ref in refs:
        try:
            trygon.get(ref, timeout=timeout)
            found.append(None)
        except Exception as error:
            found.append(error)
    return found


def value(rank, size, kind="float32", salt=0):
    """Numbers whose sums and products are exact, different on each member and at each place."""
    return ((np.arange(size) * 7 + rank * 3 + salt) % 5 + 1).astype(kind)


FUNCTIONS = {
    ReduceOp.SUM: np.add,
    ReduceOp.PRODUCT: np.multiply,
    ReduceOp.MIN: np.minimum,
    ReduceOp.MAX: np.maximum,
}


def reduced(count, size, op, kind="float32", salt=0):
    total = value(0, size, kind, salt)
    for rank in range(1, count):
        total = FUNCTIONS[op](total, value(rank, size, kind, salt))
    return total

"""Random programs of put, get, nest, pass, raise and drop: every value is right, and at the end no object lives."""

import gc
import os
import random
import time

import leaks
import pytest
import trygon


@trygon.remote
def read(expected, direct, box):
    values = [trygon.get(ref) for ref in box]
    assert [direct, *values] == expected
    return direct


@trygon.remote
def nest(box):
    return [*box, trygon.put(["made in a task", len(box)])]


@trygon.remote
def pass_on(box, depth):
    return trygon.get(pass_on.remote(box, depth - 1)) if depth else box


@trygon.remote
def fail(direct, box):
    raise ValueError("on purpose")


@trygon.remote
class Holder:
    def __init__(self):
        self.box = []

    def swap(self, box):
        self.box, before = box, self.box
        return before


class Program:
    """One random program. `known` maps each reference that is held to the value that it must have."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.known = []
        self.holder = Holder.remote()
        self.held = []
        self.pending = []

    def value(self):
        size = self.random.choice([0, 10, 1000, 150_000])
        return bytes([self.random.randrange(256)]) * size

    def some(self, most=3):
        return self.random.sample(self.known, min(len(self.known), self.random.randint(0, most)))

    def step(self):
        self.random.choice(
            [
                self.put,
                self.put,
                self.get,
                self.nest,
                self.read,
                self.pass_on,
                self.fail,
                self.swap,
                self.drop,
                self.drop,
            ]
        )()
        if len(self.known) > 30:
            self.random.shuffle(self.known)
            del self.known[:15]

    def put(self):
        value = self.value()
        self.known.append((trygon.put(value), value))

    def get(self):
        for ref, value in self.some():
            assert trygon.get(ref, timeout=20) == value

    def nest(self):
        chosen = self.some()
        box = trygon.get(nest.remote([ref for ref, _ in chosen]), timeout=20)
        assert len(box) == len(chosen) + 1
        self.known += [(ref, value) for ref, (_, value) in zip(box, chosen, strict=False)]
        self.known.append((box[-1], ["made in a task", len(chosen)]))

    def read(self):
        chosen = self.some(4)
        if chosen:
            (direct, value), *rest = chosen
            expected = [value, *[one for _, one in rest]]
            result = read.remote(expected, direct, [ref for ref, _ in rest])
            self.known.append((result, value))

    def pass_on(self):
        chosen = self.some()
        box = trygon.get(pass_on.remote([ref for ref, _ in chosen], self.random.randint(0, 2)), timeout=20)
        self.known += [(ref, value) for ref, (_, value) in zip(box, chosen, strict=True)]

    def fail(self):
        chosen = self.some()
        result = fail.remote(chosen[0][0] if chosen else None, [ref for ref, _ in chosen])
        if self.random.random() < 0.5:
            with pytest.raises(ValueError, match="on purpose"):
                trygon.get(result, timeout=20)

    def swap(self):
        chosen = self.some()
        box = trygon.get(self.holder.swap.remote([ref for ref, _ in chosen]), timeout=20)
        self.known += [(ref, value) for ref, value in zip(box, self.held, strict=True)]
        self.held = [value for _, value in chosen]

    def drop(self):
        for _ in range(self.random.randint(0, 3)):
            if self.known:
                self.known.pop(self.random.randrange(len(self.known)))


@pytest.mark.parametrize("seed", range(int(os.environ.get("TRYGON_TEST_SEEDS", "6"))))
def test_random_program(engine, seed):
    program = Program(seed)
    for _ in range(80):
        program.step()
    for ref, value in program.known:
        assert trygon.get(ref, timeout=20) == value
    del program, ref, value
    deadline = time.monotonic() + 5
    while leaks.live_objects() and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    assert not leaks.live_objects(), f"seed {seed}"

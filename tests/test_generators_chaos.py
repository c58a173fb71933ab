"""Random generators, some dropped half way, while workers are killed: every item once, in order, and nothing left."""

import gc
import json
import os
import random
import signal
import threading
import time

import numpy
import pytest
import trygon
from trygon import _native

RUN_S = 3.0


@trygon.remote(max_retries=-1)
def items(seed, n):
    choice = random.Random(seed)
    for i in range(n):
        kind = choice.randrange(6)
        if kind == 0:
            yield i, bytes(150_000)
        elif kind == 1:
            yield i, [trygon.put(i), trygon.put(numpy.zeros(30_000))]
        elif kind == 2:
            time.sleep(0.002)
            yield i, None
        else:
            yield i, i


@trygon.remote(max_retries=-1)
def relayed(seed, n):
    for ref in items.options(_generator_backpressure_num_objects=5).remote(seed, n):
        yield trygon.get(ref)[0], ref


def kill_workers(choice, ended):
    while not ended.wait(0.15):
        workers = [worker["pid"] for worker in json.loads(_native.query_state("workers"))]
        if workers:
            try:
                os.kill(choice.choice(workers), signal.SIGKILL)
            except ProcessLookupError:
                pass


def consume(generator, most):
    taken = []
    for ref in generator:
        if len(taken) >= most:
            break
        taken.append(trygon.get(ref, timeout=30)[0])
    return taken


@pytest.mark.parametrize("kills", [False, True])
def test_every_item_once_and_in_order(kills):
    choice = random.Random(7)
    ended = threading.Event()
    trygon.init(num_cpus=4, log_to_driver=False)
    killer = threading.Thread(target=kill_workers, args=(choice, ended))
    if kills:
        killer.start()
    try:
        deadline = time.monotonic() + RUN_S
        while time.monotonic() < deadline:
            started = []
            for _ in range(4):
                n, limit, function = (
                    choice.randrange(1, 60),
                    choice.choice([-1, 1, 3, 10]),
                    choice.choice([items, relayed]),
                )
                most = choice.choice([n, n, choice.randrange(n + 1)])
                remote = function.options(_generator_backpressure_num_objects=limit).remote
                started.append((remote(choice.randrange(1000), n), most))
            for generator, most in started:
                assert consume(generator, most) == list(range(most))
            del started, generator
    finally:
        ended.set()
        if kills:
            killer.join()
    gc.collect()
    until = time.monotonic() + 5
    while time.monotonic() < until and any(_native.object_stats()[name] for name in ("owned", "borrowed")):
        time.sleep(0.02)
    stats = _native.object_stats()
    assert (stats["owned"], stats["borrowed"], stats["broken_invariant"]) == (0, 0, None)

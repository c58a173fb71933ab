"""Generators under way: back-pressure, early ends, deaths and replays, memory."""

import gc
import os
import signal
import subprocess
import sys
import time

import numpy
import pytest
import trygon
from trygon import _native, exceptions


def until(condition, limit_s=5.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def values(generator):
    return [trygon.get(ref) for ref in generator]


@trygon.remote
class Log:
    """What generators did, told by themselves."""

    def __init__(self):
        self.lines = []

    def add(self, line):
        self.lines.append(line)

    def all(self):
        return self.lines


@trygon.remote
def told(n, log, ended=None):
    """Says of each item that it was made, before it is handed over."""
    try:
        for i in range(n):
            trygon.get(log.add.remote(i))
            yield i
    finally:
        trygon.get(log.add.remote("end"))


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_no_more_than_the_limit_wait(engine, limit):
    log = Log.remote()
    generator = told.options(_generator_backpressure_num_objects=limit).remote(30, log)
    made = lambda: trygon.get(log.all.remote())  # noqa: E731
    until(lambda: len(made()) == limit)
    time.sleep(0.05)
    assert made() == list(range(limit))
    for taken in range(1, 6):
        assert trygon.get(next(generator)) == taken - 1
        until(lambda taken=taken: len(made()) == limit + taken)
        time.sleep(0.01)
        assert made() == list(range(limit + taken))
    assert values(generator) == list(range(5, 30))
    assert made() == [*range(30), "end"]


def test_without_a_limit_nobody_waits(engine):
    log = Log.remote()
    generator = told.remote(50, log)
    assert trygon.get(generator.completed(), timeout=10) is None
    assert trygon.get(log.all.remote()) == [*range(50), "end"]
    assert values(generator) == list(range(50))


def test_the_limit_of_an_actor_holds_for_its_methods(engine):
    @trygon.remote
    class Maker:
        def items(self, log):
            for i in range(10):
                trygon.get(log.add.remote(i))
                yield i

    log = Log.remote()
    maker = Maker.options(_actor_generator_backpressure_num_objects=3).remote()
    generator = maker.items.remote(log)
    until(lambda: len(trygon.get(log.all.remote())) == 3)
    time.sleep(0.05)
    assert len(trygon.get(log.all.remote())) == 3
    assert values(generator) == list(range(10))


def test_a_producer_that_waits_lends_its_cpu(one_cpu):
    @trygon.remote
    def items():
        yield 1
        yield 2

    @trygon.remote
    def other():
        return "ran"

    generator = items.options(_generator_backpressure_num_objects=1).remote()
    trygon.wait([generator])
    assert trygon.get(other.remote(), timeout=10) == "ran"
    assert values(generator) == [1, 2]


def test_a_generator_that_is_dropped_goes_on_to_its_end(engine, empty_table):
    """What it does beside its items may be why it was called; a limit on waiting items holds it back no more."""
    log = Log.remote()
    generator = told.options(_generator_backpressure_num_objects=2).remote(20, log)
    assert trygon.get(next(generator)) == 0
    completed = generator.completed()
    del generator
    gc.collect()
    assert trygon.get(completed, timeout=10) is None
    assert "end" in trygon.get(log.all.remote())
    del completed


def test_an_endless_generator_that_is_dropped_can_be_cancelled(engine, empty_table):
    @trygon.remote
    def endless(log):
        try:
            while True:
                time.sleep(0.001)
                yield bytes(200_000)
        finally:
            trygon.get(log.add.remote("ended"))

    log = Log.remote()
    generator = endless.remote(log)
    for _ in range(5):
        next(generator)
    end = generator.completed()
    del generator, _
    gc.collect()
    time.sleep(0.1)
    trygon.cancel(end)
    until(lambda: "ended" in trygon.get(log.all.remote()))
    del end


def test_a_generator_that_is_dropped_before_it_begins(one_cpu, tmp_path):
    @trygon.remote
    def block(folder):
        while not os.path.exists(os.path.join(folder, "go")):
            time.sleep(0.002)

    @trygon.remote
    def write(folder):
        for number in range(5):
            with open(os.path.join(folder, "made"), "a") as made:
                made.write("x")
            yield number

    blocked = block.remote(str(tmp_path))
    generator = write.options(_generator_backpressure_num_objects=1).remote(str(tmp_path))
    time.sleep(0.05)
    del generator
    gc.collect()
    (tmp_path / "go").touch()
    trygon.get(blocked)
    until(lambda: (tmp_path / "made").exists() and (tmp_path / "made").read_text() == "xxxxx")
    assert trygon.get(trygon.remote(lambda: 1).remote(), timeout=10) == 1


def test_many_generators_dropped_half_way(engine, empty_table):
    @trygon.remote
    def items(n):
        for i in range(n):
            yield [i, trygon.put(i), bytes(i % 3 * 70_000)]

    for round_number in range(20):
        generators = [items.options(_generator_backpressure_num_objects=4).remote(50) for _ in range(4)]
        for generator in generators:
            for _ in range(round_number % 5):
                trygon.get(next(generator))
        del generators, generator
        gc.collect()
    until(lambda: not _native.object_stats()["tasks_in_flight"])


def test_death_in_the_middle_is_the_last_item(engine, empty_table):
    @trygon.remote(max_retries=0)
    def dies():
        yield 1
        yield 2
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
        yield 3

    generator = dies.remote()
    refs = list(generator)
    assert len(refs) == 3 and trygon.get(refs[:2]) == [1, 2]
    with pytest.raises(exceptions.WorkerCrashedError):
        trygon.get(refs[2])
    with pytest.raises(exceptions.WorkerCrashedError):
        trygon.get(generator.completed())
    del refs


def test_items_that_were_made_just_before_a_death_are_there(engine):
    @trygon.remote(max_retries=0)
    def dies(n):
        yield from range(n)
        os.kill(os.getpid(), signal.SIGKILL)

    for n in (1, 7, 500):
        refs = list(dies.remote(n))
        assert trygon.get(refs[:-1]) == list(range(n))
        with pytest.raises(exceptions.WorkerCrashedError):
            trygon.get(refs[-1])


def test_a_replay_gives_every_item_once(engine, empty_table, tmp_path):
    @trygon.remote(max_retries=3)
    def dies_thrice(path, n):
        with open(path, "a") as lives:
            lives.write("x")
        life = os.path.getsize(path)
        for i in range(n):
            if life <= 3 and i == life * 10:
                time.sleep(0.02)
                os.kill(os.getpid(), signal.SIGKILL)
            yield i, bytes(150_000 if i % 5 == 0 else 10)

    path = str(tmp_path / "lives")
    items = values(dies_thrice.remote(path, 60))
    assert [number for number, _ in items] == list(range(60))
    assert os.path.getsize(path) == 4
    del items


def test_a_replay_with_back_pressure(engine, tmp_path):
    @trygon.remote(max_retries=-1, _generator_backpressure_num_objects=3)
    def dies_sometimes(path, n):
        with open(path, "a") as lives:
            lives.write("x")
        life = os.path.getsize(path)
        for i in range(n):
            if i == life * 7:
                os.kill(os.getpid(), signal.SIGKILL)
            yield i

    assert values(dies_sometimes.remote(str(tmp_path / "lives"), 40)) == list(range(40))


def test_a_replay_that_makes_fewer_items_is_an_error(engine, tmp_path):
    @trygon.remote(max_retries=1)
    def shrinks(path):
        if not os.path.exists(path):
            open(path, "w").close()
            yield from range(5)
            time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        yield from range(3)

    generator = shrinks.remote(str(tmp_path / "lives"))
    refs = list(generator)
    assert trygon.get(refs[:5]) == [0, 1, 2, 3, 4] and len(refs) == 6
    with pytest.raises(exceptions.StreamingGeneratorReplayInconsistentError, match="made 3 items.*had made 5"):
        trygon.get(refs[5])
    with pytest.raises(exceptions.StreamingGeneratorReplayInconsistentError):
        trygon.get(generator.completed())


def test_errors_are_retried_when_asked_for(engine, tmp_path):
    @trygon.remote(max_retries=2, retry_exceptions=True)
    def fails_twice(path):
        with open(path, "a") as lives:
            lives.write("x")
        for i in range(6):
            if i == 3 and os.path.getsize(path) < 3:
                raise RuntimeError("not yet")
            yield i

    assert values(fails_twice.remote(str(tmp_path / "lives"))) == list(range(6))


def test_an_actor_that_dies_and_comes_back(engine, tmp_path):
    @trygon.remote(max_restarts=1, max_task_retries=1)
    class Maker:
        def items(self, path):
            for i in range(20):
                if i == 10 and not os.path.exists(path):
                    open(path, "w").close()
                    time.sleep(0.05)
                    os.kill(os.getpid(), signal.SIGKILL)
                yield i

    maker = Maker.remote()
    assert values(maker.items.remote(str(tmp_path / "died"))) == list(range(20))


def test_an_actor_that_dies_for_good(engine):
    @trygon.remote
    class Maker:
        def items(self):
            yield 1
            os._exit(1)

    refs = list(Maker.remote().items.remote())
    assert trygon.get(refs[0]) == 1 and len(refs) == 2
    with pytest.raises(exceptions.ActorDiedError):
        trygon.get(refs[1])


def test_a_consumer_that_dies_ends_its_producer(engine, tmp_path):
    @trygon.remote
    def endless(path):
        with open(path, "w") as out:
            out.write(str(os.getpid()))
        while True:
            yield 1

    @trygon.remote(max_retries=0)
    def consumer(path):
        generator = endless.options(_generator_backpressure_num_objects=2).remote(path)
        trygon.get(next(generator))
        os.kill(os.getpid(), signal.SIGKILL)

    path = tmp_path / "ended"
    with pytest.raises(exceptions.WorkerCrashedError):
        trygon.get(consumer.remote(str(path)))
    producer = int(path.read_text())
    until(lambda: not os.path.exists(f"/proc/{producer}"))


def test_an_actor_goes_on_when_its_consumer_has_died(engine):
    @trygon.remote
    class Maker:
        def endless(self):
            while True:
                yield 1

        def ping(self):
            return "here"

    @trygon.remote(max_retries=0)
    def consumer(maker):
        generator = maker.endless.options(_generator_backpressure_num_objects=2).remote()
        trygon.get(next(generator))
        os.kill(os.getpid(), signal.SIGKILL)

    maker = Maker.remote()
    with pytest.raises(exceptions.WorkerCrashedError):
        trygon.get(consumer.remote(maker))
    assert trygon.get(maker.ping.remote(), timeout=10) == "here"


def test_a_long_stream_takes_no_memory(engine, empty_table):
    @trygon.remote
    def many(n):
        yield from range(n)

    def resident_bytes():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def consume(n):
        total = 0
        for ref in many.options(_generator_backpressure_num_objects=1000).remote(n):
            total += trygon.get(ref)
        return total

    consume(20_000)
    before = resident_bytes()
    assert consume(300_000) == 299_999 * 150_000
    assert resident_bytes() - before < 8 << 20


def test_a_stream_larger_than_the_store(tmp_path):
    with trygon.init(num_cpus=2, object_store_memory=96 << 20):

        @trygon.remote
        def arrays(n):
            for i in range(n):
                yield numpy.full(8 << 20, i, dtype=numpy.uint8)

        generator = arrays.options(_generator_backpressure_num_objects=3).remote(40)
        for i, ref in enumerate(generator):
            assert trygon.get(ref)[0] == i


def test_shutdown_while_a_producer_waits(tmp_path):
    trygon.init(num_cpus=2)

    @trygon.remote
    def endless():
        while True:
            yield 1

    generator = endless.options(_generator_backpressure_num_objects=1).remote()
    next(generator)
    trygon.shutdown()
    with pytest.raises(exceptions.RayError):
        next(generator)


def test_ctrl_c_while_waiting_for_an_item(tmp_path):
    program = """
import signal, threading, time, os, trygon
trygon.init(num_cpus=1, log_to_driver=False)
@trygon.remote
def silent():
    time.sleep(60)
    yield 1
generator = silent.remote()
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    next(generator)
except KeyboardInterrupt:
    print("interrupted")
"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "interrupted" and time.monotonic() - began < 10, done.stderr

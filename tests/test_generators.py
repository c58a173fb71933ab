"""Generators: items one by one, errors among them, what is refused, `wait`, asyncio, the other `num_returns`."""

import asyncio
import gc
import os
import pickle
import time

import numpy
import pytest
import trygon
from trygon import exceptions


@trygon.remote
def count(n, fail_at=None):
    for i in range(n):
        if i == fail_at:
            raise ValueError(f"no item {i}")
        yield i


@trygon.remote
class Counter:
    def __init__(self):
        self.made = 0

    def items(self, n):
        for i in range(n):
            self.made += 1
            yield i

    def made_so_far(self):
        return self.made

    @trygon.method(num_returns="dynamic")
    def listed(self, n):
        yield from range(n)

    @trygon.method(_num_objects_per_yield=2)
    def pairs(self, n):
        for i in range(n):
            yield i, i * i

    def plain(self):
        return 1


def values(generator):
    return [trygon.get(ref) for ref in generator]


@pytest.mark.parametrize("n", [0, 1, 2, 5000])
def test_items_come_in_order(engine, empty_table, n):
    generator = count.remote(n)
    assert isinstance(generator, trygon.ObjectRefGenerator)
    assert values(generator) == list(range(n))
    with pytest.raises(StopIteration):
        next(generator)
    assert generator.is_finished() and not generator.next_ready()
    assert trygon.get(generator.completed()) is None


def test_an_item_comes_before_the_next_is_made(engine, tmp_path):
    @trygon.remote
    def steps(folder):
        yield 0
        while not os.path.exists(os.path.join(folder, "go")):
            time.sleep(0.002)
        yield 1

    generator = steps.remote(str(tmp_path))
    assert trygon.get(next(generator), timeout=10) == 0
    assert not generator.next_ready() and not generator.is_finished()
    (tmp_path / "go").touch()
    assert trygon.get(next(generator), timeout=10) == 1
    assert list(generator) == []


def test_a_slow_item_is_not_kept_waiting(engine):
    @trygon.remote
    def stamped():
        for _ in range(30):
            time.sleep(0.01)
            yield time.time()

    generator = stamped.remote()
    delays = sorted(time.time() - trygon.get(ref) for ref in generator)
    assert delays[len(delays) // 2] < 0.005


def test_an_error_in_the_middle_is_the_last_item(engine, empty_table):
    generator = count.remote(5, fail_at=2)
    refs = list(generator)
    assert len(refs) == 3
    assert trygon.get(refs[:2]) == [0, 1]
    with pytest.raises(ValueError, match="no item 2") as raised:
        trygon.get(refs[2])
    assert isinstance(raised.value, exceptions.RayTaskError)
    # As in Ray: the error is an item, and the end itself came about.
    assert trygon.get(generator.completed()) is None
    assert generator.is_finished()
    del refs, raised


def test_an_error_before_the_first_item(engine):
    @trygon.remote
    def broken(n):
        raise KeyError("at once")
        yield n

    (ref,) = broken.remote(1)
    with pytest.raises(KeyError, match="at once"):
        trygon.get(ref)


def test_an_item_that_cannot_be_sent(engine):
    @trygon.remote
    def odd():
        import threading

        yield 1
        yield threading.Lock()
        yield 3

    refs = list(odd.remote())
    assert trygon.get(refs[0]) == 1 and len(refs) == 2
    with pytest.raises(TypeError, match="lock"):
        trygon.get(refs[1])


def test_large_items_lie_in_shared_memory_and_are_freed(engine, empty_table):
    @trygon.remote
    def arrays(n):
        for i in range(n):
            yield numpy.full(300_000, i, dtype=numpy.uint8)

    for i, ref in enumerate(arrays.remote(50)):
        array = trygon.get(ref)
        assert array[0] == array[-1] == i and not array.flags.writeable
    del array, ref
    gc.collect()


def test_items_outlive_their_generator(engine, empty_table):
    generator = count.remote(3)
    first = next(generator)
    rest = list(generator)
    del generator
    gc.collect()
    assert trygon.get([first, *rest]) == [0, 1, 2]
    assert len({first, *rest}) == 3 and first.task_id() == rest[0].task_id()


def test_references_inside_items_are_counted(engine, empty_table):
    @trygon.remote
    def boxes():
        for i in range(5):
            yield [trygon.put(i), trygon.put([trygon.put(i * 10)])]

    boxed = [trygon.get(ref) for ref in boxes.remote()]
    gc.collect()
    assert [trygon.get(box[0]) for box in boxed] == [0, 1, 2, 3, 4]
    assert [trygon.get(trygon.get(box[1])[0]) for box in boxed] == [0, 10, 20, 30, 40]
    del boxed


def test_items_as_arguments(engine, empty_table):
    @trygon.remote
    def double(x):
        return 2 * x

    @trygon.remote
    def total(refs):
        return sum(trygon.get(refs))

    assert trygon.get([double.remote(ref) for ref in count.remote(100)]) == [2 * i for i in range(100)]
    assert trygon.get(total.remote(list(count.remote(100)))) == 4950


def test_a_generator_inside_a_task(engine):
    @trygon.remote
    def squares(n):
        for ref in count.remote(n):
            yield trygon.get(ref) ** 2

    assert values(squares.remote(20)) == [i * i for i in range(20)]


def test_a_chain_of_actors(engine, empty_table):
    @trygon.remote
    class Stage:
        def stream(self, refs):
            for ref in refs:
                yield trygon.get(ref) + 1

    first, second = Stage.remote(), Stage.remote()
    refs = [trygon.put(i) for i in range(10)]
    assert values(second.stream.remote(list(first.stream.remote(refs)))) == list(range(2, 12))
    del refs


def test_methods_of_actors(engine, empty_table):
    counter = Counter.remote()
    assert values(counter.items.remote(100)) == list(range(100))
    assert values(counter.pairs.remote(3)) == [0, 0, 1, 1, 2, 4]
    with pytest.warns(DeprecationWarning, match=r"Counter\.listed"):
        listed = counter.listed
    assert values(trygon.get(listed.remote(4))) == [0, 1, 2, 3]
    assert trygon.get(counter.items.options(num_returns=2).remote(5)) == [0, 1]
    assert trygon.get(counter.plain.remote()) == 1
    one, two = counter.items.remote(3), counter.items.remote(3)
    assert values(two) == values(one) == [0, 1, 2]
    with pytest.raises(ValueError, match="plain"):
        counter.plain.options(num_returns="streaming")


def test_an_actor_streams_to_itself(engine):
    @trygon.remote
    class Own:
        def items(self):
            yield from range(5)

        def handle(self, own):
            self.own = own

        def start(self):
            self.generator = self.own.items.remote()

        def rest(self):
            return values(self.generator)

    own = Own.remote()
    trygon.get(own.handle.remote(own))
    trygon.get(own.start.remote())
    # Its own call has to come before the next one: that waits for it.
    time.sleep(0.2)
    assert trygon.get(own.rest.remote(), timeout=20) == [0, 1, 2, 3, 4]
    trygon.kill(own)


def test_wait_takes_generators_and_references(engine, tmp_path):
    @trygon.remote
    def held(folder):
        while not os.path.exists(os.path.join(folder, "go")):
            time.sleep(0.002)
        yield 1

    late, early, ref = held.remote(str(tmp_path)), count.remote(1), trygon.put(1)
    ready, missing = trygon.wait([late, early, ref], num_returns=2, timeout=10)
    assert ready == [early, ref] and missing == [late]
    assert trygon.wait([late], timeout=0.05) == ([], [late])
    (tmp_path / "go").touch()
    assert trygon.wait([late, ref], num_returns=2, timeout=10) == ([late, ref], [])
    assert values(late) == [1]
    # At its end a generator is ready: the next `next` says so at once.
    assert trygon.wait([late], timeout=0) == ([late], [])
    with pytest.raises(ValueError, match="duplicates"):
        trygon.wait([early, early])
    with pytest.raises(TypeError, match=r"wait\(\[ref\]\)"):
        trygon.wait(early)
    with pytest.raises(TypeError, match="one item is a int"):
        trygon.wait([early, 1])


def test_a_pool_of_generators_by_wait(engine, empty_table):
    """The loop that programs write to take items of many generators as they come."""
    waiting = [count.options(name=f"part {i}").remote(20) for i in range(10)]
    got = []
    while waiting:
        (generator,), _ = trygon.wait(waiting)
        try:
            got.append(trygon.get(next(generator)))
        except StopIteration:
            waiting.remove(generator)
    assert sorted(got) == sorted(list(range(20)) * 10)
    del generator


def test_get_and_put(engine):
    generator = count.remote(1)
    assert trygon.get(generator) is generator
    with pytest.raises((TypeError, ValueError), match="ObjectRef"):
        trygon.get([generator])
    with pytest.raises(TypeError, match="ObjectRefGenerator"):
        trygon.put(generator)


def test_a_generator_is_not_sent(engine):
    generator = count.remote(1)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(generator)
    with pytest.raises(TypeError, match="ObjectRefGenerator"):
        count.remote(generator)
    for name in ("send", "throw", "close", "asend", "athrow", "aclose"):
        arguments = [] if name.endswith("close") else [1]
        with pytest.raises(NotImplementedError, match=f"gen.{name}"):
            getattr(generator, name)(*arguments)


def test_next_with_a_time_limit(engine):
    @trygon.remote
    def late():
        time.sleep(0.5)
        yield 1

    generator = late.remote()
    began = time.monotonic()
    nothing = generator._next_sync(0.05)
    assert nothing.is_nil() and time.monotonic() - began < 0.4
    with pytest.raises((TypeError, ValueError), match="nil"):
        trygon.get(nothing)
    ref = generator._next_sync(10)
    assert not ref.is_nil() and trygon.get(ref) == 1
    with pytest.raises(StopIteration):
        generator._next_sync(10)
    assert generator.task_id() == ref.task_id() == generator._generator_ref.task_id()


def test_asyncio(engine, empty_table):
    @trygon.remote
    def slow(n):
        for i in range(n):
            time.sleep(0.005)
            yield i

    async def take(generator):
        return [await ref async for ref in generator]

    async def main():
        taken = await asyncio.gather(take(slow.remote(10)), take(slow.remote(5)), take(count.remote(300)))
        assert taken == [list(range(10)), list(range(5)), list(range(300))]
        failed = [ref async for ref in count.remote(3, fail_at=1)]
        with pytest.raises(ValueError, match="no item 1"):
            await failed[1]
        generator = slow.remote(1)
        assert (await generator._next_async(0.0001)).is_nil()
        assert await (await generator._next_async(10)) == 0

    asyncio.run(main())


def test_a_dynamic_task_gives_a_list_of_references(engine, empty_table):
    with pytest.warns(DeprecationWarning, match="streaming"):
        listed = count.options(num_returns="dynamic")
    ref = listed.remote(4)
    refs = trygon.get(ref)
    assert isinstance(refs, trygon.DynamicObjectRefGenerator) and len(refs) == 4
    assert values(refs) == [0, 1, 2, 3] == values(refs)
    del ref
    gc.collect()
    assert values(refs) == [0, 1, 2, 3]
    total = trygon.remote(lambda listed: sum(trygon.get(item) for item in listed))
    assert trygon.get(total.remote(refs)) == 6
    assert trygon.get(total.remote(listed.remote(4))) == 6
    failed = list(trygon.get(listed.remote(4, fail_at=2)))
    assert len(failed) == 3 and trygon.get(failed[1]) == 1
    with pytest.raises(ValueError, match="no item 2"):
        trygon.get(failed[2])
    del refs, failed


def test_a_number_of_results_takes_the_first_items(engine, empty_table):
    assert trygon.get(count.options(num_returns=1).remote(3)) == 0
    assert trygon.get(count.options(num_returns=3).remote(5)) == [0, 1, 2]
    assert count.options(num_returns=0).remote(3) is None
    with pytest.raises(ValueError, match="num_returns=3, but it yielded 2"):
        trygon.get(count.options(num_returns=3).remote(2))
    # What was made before the error is there.
    first, *others = count.options(num_returns=3).remote(5, fail_at=1)
    assert trygon.get(first) == 0
    for other in others:
        with pytest.raises(ValueError, match="no item 1"):
            trygon.get(other)
    del first, other, others


def test_several_objects_per_yield(engine):
    @trygon.remote(_num_objects_per_yield=2)
    def pairs(wrong=False):
        yield 1, 2
        yield (3, 4, 5) if wrong else (3, 4)

    assert values(pairs.remote()) == [1, 2, 3, 4]
    refs = list(pairs.remote(wrong=True))
    assert trygon.get(refs[:2]) == [1, 2] and len(refs) == 3
    with pytest.raises(ValueError, match="yielded 3 objects, but _num_objects_per_yield=2"):
        trygon.get(refs[2])
    with pytest.raises(ValueError, match="_num_objects_per_yield"):
        pairs.options(_num_objects_per_yield=3)


def test_options_are_checked_where_they_are_written(engine):
    with pytest.raises(ValueError, match="generator function"):
        trygon.remote(lambda: 1).options(num_returns="streaming")
    with pytest.raises(ValueError, match="generator function"):
        trygon.remote(num_returns="dynamic")(lambda: 1)
    with pytest.raises(ValueError, match="at least 1"):
        count.options(_generator_backpressure_num_objects=0)
    with pytest.raises(TypeError, match="int"):
        count.options(_generator_backpressure_num_objects="many")
    with pytest.raises(ValueError, match='"streaming"'):
        count.options(num_returns="all")

    class Plain:
        @trygon.method(num_returns="streaming")
        def value(self):
            return 1

    with pytest.raises(ValueError, match=r"Plain\.value"):
        trygon.remote(Plain).remote()

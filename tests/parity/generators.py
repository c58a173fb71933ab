"""Streams of results: tasks, actors, errors, waiting, async iteration, the older dynamic form."""

import asyncio
import time

import ray
from observe import case, raised, run


@ray.remote
def count(number):
    # `yield from` a plain iterator fails under Ray, which calls `send` on it.
    for index in range(number):  # noqa: UP028
        yield index


@ray.remote
def breaks(after):
    for index in range(after):  # noqa: UP028
        yield index
    raise ValueError("broken")


@ray.remote
class Source:
    def items(self, number):
        for index in range(number):
            yield index * 10

    async def later(self, number):
        for index in range(number):
            await asyncio.sleep(0)
            yield index


def collect(stream):
    found = []
    for ref in stream:
        try:
            found.append(ray.get(ref))
        except Exception as error:
            found.append(type(error).__name__)
    return found


@case
def tasks():
    stream = count.remote(5)
    return type(stream).__name__, isinstance(stream, ray.ObjectRefGenerator), collect(stream)


@case
def explicit():
    return collect(count.options(num_returns="streaming").remote(3))


@case
def empty():
    return collect(count.remote(0))


@case
def actors():
    source = Source.remote()
    return collect(source.items.remote(3)), collect(source.items.options(num_returns="streaming").remote(2))


@case
def async_methods():
    return collect(Source.remote().later.remote(3))


@case
def error_in_the_middle():
    return collect(breaks.remote(2)), collect(breaks.remote(0))


@case
def next_by_hand():
    stream = count.remote(2)
    first, second = ray.get(next(stream)), ray.get(next(stream))
    return first, second, raised(next, stream), raised(next, stream)


@case
def items_come_one_by_one():
    @ray.remote
    def slowly():
        for index in range(3):
            yield index
            time.sleep(0.5)

    start = time.monotonic()
    stream = slowly.remote()
    ray.get(next(stream))
    early = time.monotonic() - start
    return collect(stream), early < time.monotonic() - start - 0.5


@case
def completed():
    stream = count.remote(3)
    return ray.get(stream.completed()), raised(lambda: ray.get(breaks.remote(1).completed()))


@case
def async_iteration():
    async def main():
        found = []
        async for ref in count.remote(3):
            found.append(await ref)
        return found

    return asyncio.run(main())


@case
def waiting():
    stream = count.remote(3)
    ready, rest = ray.wait([stream], timeout=10)
    return len(ready), len(rest), ready[0] is stream


@case
def get_gives_the_generator():
    stream = count.remote(2)
    return ray.get(stream) is stream, collect(stream)


@case
def refused():
    stream = count.remote(2)
    return (
        raised(ray.cloudpickle.dumps, stream),
        raised(ray.put, stream),
        raised(lambda: count.options(num_returns="no").remote(1)),
        raised(lambda: count.options(num_returns=-1).remote(1)),
    )


@case
def fixed_number():
    @ray.remote(num_returns=2)
    def two():
        yield 1
        yield 2

    return ray.get(two.remote())


@case
def dynamic():
    @ray.remote(num_returns="dynamic")
    def numbers():
        for index in range(3):  # noqa: UP028
            yield index

    found = ray.get(numbers.remote())
    return type(found).__name__, [ray.get(ref) for ref in found]


@case
def dropped_early():
    stream = count.remote(1000)
    first = ray.get(next(stream))
    del stream
    return first, ray.get(next(count.remote(1)))


@case
def backpressure():
    @ray.remote
    class Progress:
        def __init__(self):
            self.made = 0

        def add(self):
            self.made += 1

        def read(self):
            return self.made

    progress = Progress.remote()

    @ray.remote(_generator_backpressure_num_objects=2, num_returns="streaming")
    def paced(progress):
        for index in range(10):
            ray.get(progress.add.remote())
            yield index

    stream = paced.remote(progress)
    ray.get(next(stream))
    time.sleep(1)
    held_back = ray.get(progress.read.remote()) < 6
    return held_back, collect(stream)


@case
def methods():
    stream = count.remote(1)
    ray.get(next(stream))
    return (
        [
            name
            for name in ("send", "throw", "close")
            if raised(getattr(stream, name), *([1] if name != "close" else []))
        ],
        stream.is_finished() in (True, False),
        stream.next_ready() in (True, False),
    )


@case
def generator_arguments():
    return collect(count.remote(ray.put(2)))


run(num_cpus=4)

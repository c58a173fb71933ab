"""get, put and wait: arguments, order, time-outs, values."""

import time

import numpy
import ray
from observe import case, raised, run


@ray.remote
def echo(value):
    return value


@ray.remote
def slow(seconds, value=None):
    time.sleep(seconds)
    return value


@ray.remote
def fail(text):
    raise ValueError(text)


@case
def get_one_and_many():
    refs = [echo.remote(index) for index in range(20)]
    return ray.get(refs[3]), ray.get(refs), ray.get([]), ray.get([refs[1], refs[1]])


@case
def get_refuses():
    ref = ray.put(1)
    return {
        "tuple": raised(ray.get, (ref, ref)),
        "number": raised(ray.get, 1),
        "none": raised(ray.get, None),
        "mixed": raised(ray.get, [ref, 1]),
        "nested": raised(ray.get, [[ref]]),
        "string": raised(ray.get, "x"),
        "dict": raised(ray.get, {"a": ref}),
        "set": raised(ray.get, {ref}),
        "late": raised(ray.get, ref, 1),
        "negative": raised(ray.get, ref, timeout=-1),
    }


@case
def get_timeouts():
    ref = slow.remote(1.0, 5)
    return (
        raised(ray.get, ref, timeout=0),
        raised(ray.get, ref, timeout=0.05),
        raised(ray.get, [ray.put(1), ref], timeout=0.05),
        ray.get(ref, timeout=10),
        ray.get(ref, timeout=0),
    )


@case
def first_failure_raises():
    refs = [echo.remote(1), fail.remote("a"), echo.remote(2)]
    try:
        ray.get(refs)
    except ValueError as error:
        return str(error.cause), isinstance(error, ray.exceptions.RayTaskError)


@case
def nested_refs_stay_refs():
    inner = ray.put(7)
    (got,) = ray.get(ray.put([inner]))
    return isinstance(got, ray.ObjectRef), got == inner, ray.get(got)


@case
def put_values():
    values = [None, 1, 1.5, "é", b"\0", [1, [2]], (1, 2), {"a": {1}}, frozenset((1,)), 2**80, True, slice(1, 2)]
    return [ray.get(ray.put(value)) == value and type(ray.get(ray.put(value))) is type(value) for value in values]


@case
def put_refuses():
    return (
        raised(ray.put, ray.put(1)),
        raised(ray.put),
        raised(ray.put, 1, 2),
        raised(ray.put, lambda: open("/dev/null")),
    )


@case
def arrays_are_read_only():
    array = numpy.arange(100000)
    got = ray.get(ray.put(array))
    small = ray.get(ray.put(numpy.arange(3)))

    def write():
        got[0] = 1

    return raised(write), bool((got == array).all()), got.flags.writeable, small.tolist()


@case
def lists_are_copies():
    ref = ray.put([1, 2])
    ray.get(ref).append(3)
    original = [1]
    kept = ray.put(original)
    original.append(2)
    return ray.get(ref), ray.get(kept)


@case
def wait_shapes():
    refs = [echo.remote(index) for index in range(4)]
    ray.get(refs)
    ready, rest = ray.wait(refs)
    two, others = ray.wait(refs, num_returns=2)
    everything, none = ray.wait(refs, num_returns=4)
    return (
        (len(ready), len(rest), len(two), len(others), len(everything), none),
        set(ready + rest) == set(two + others) == set(everything) == set(refs),
        type(ray.wait(refs)).__name__,
        ray.wait([]),
    )


@case
def wait_keeps_order():
    ray.get([slow.remote(0.3) for _ in range(4)])  # Workers are there now.
    refs = [slow.remote(1.0), slow.remote(0.01), slow.remote(0.4)]
    ready, rest = ray.wait(refs, num_returns=2, timeout=5)
    return ready == [refs[1], refs[2]], rest == [refs[0]]


@case
def wait_timeout():
    refs = [slow.remote(1.0), ray.put(1)]
    ready, rest = ray.wait(refs, num_returns=2, timeout=0.1)
    zero = ray.wait([refs[0]], timeout=0)
    return ready == [refs[1]], rest == [refs[0]], [len(part) for part in zero]


@case
def wait_refuses():
    refs = [ray.put(1), ray.put(2)]
    return {
        "one": raised(ray.wait, refs[0]),
        "tuple": raised(ray.wait, tuple(refs)),
        "twice": raised(ray.wait, [refs[0], refs[0]]),
        "none of them": raised(ray.wait, refs, num_returns=0),
        "too many": raised(ray.wait, refs, num_returns=3),
        "negative": raised(ray.wait, refs, timeout=-1),
        "numbers": raised(ray.wait, [1, 2]),
        "fetch_local": len(ray.wait(refs, num_returns=2, fetch_local=False)[0]),
    }


@case
def wait_counts_failures():
    ready, rest = ray.wait([fail.remote("x")], timeout=5)
    return len(ready), len(rest)


@case
def refs_as_keys():
    refs = [echo.remote(index) for index in range(5)]
    table = {ref: index for index, ref in enumerate(refs)}
    seen = []
    while refs:
        (ready,), refs = ray.wait(refs)
        seen.append(table[ready])
    return sorted(seen)


@case
def ref_methods():
    ref = echo.remote(1)
    return (
        len(ref.binary()),
        ref.hex() == ref.binary().hex(),
        len(ref.task_id().binary()),
        len(ref.job_id().binary()),
        ref.future().result(timeout=10),
        ref == ray.get(ray.put([ref]))[0],
        hash(ref) == hash(ray.get(ray.put([ref]))[0]),
        repr(ref).startswith("ObjectRef("),
        ref.is_nil(),
        ref != ray.put(1),
    )


@case
def awaiting():
    import asyncio

    async def main():
        one = await echo.remote(1)
        several = await asyncio.gather(*[echo.remote(index) for index in range(5)])
        done, pending = await asyncio.wait([asyncio.wrap_future(echo.remote(2).future())])
        try:
            await fail.remote("x")
        except ValueError as error:
            return one, several, len(done), len(pending), str(error.cause)

    return asyncio.run(main())


@case
def big_values():
    block = bytes(3_000_000)
    return len(ray.get(ray.put(block))), len(ray.get(echo.remote(block))), ray.get(echo.remote(ray.put(block))) == block


run(num_cpus=4)

"""ray.util: ActorPool, Queue, Pool, as_completed, map_unordered, metrics, serializers, small things."""

import io
import threading
import time

import ray
from observe import case, describe, raised, run


@ray.remote
class Doubler:
    def double(self, x):
        return 2 * x

    def late(self, x):
        time.sleep(x / 10)
        return x

    def fail(self, x):
        raise ValueError(x)


def pool(size=2):
    return ray.util.ActorPool([Doubler.remote() for _ in range(size)])


@case
def pool_map():
    one = pool()
    return (
        list(one.map(lambda actor, value: actor.double.remote(value), [1, 2, 3, 4, 5])),
        sorted(one.map_unordered(lambda actor, value: actor.double.remote(value), [1, 2, 3])),
        list(one.map(lambda actor, value: actor.double.remote(value), [])),
    )


@case
def pool_submit():
    one = pool()
    for value in range(4):
        one.submit(lambda actor, v: actor.double.remote(v), value)
    busy = one.has_next(), one.has_free()
    ordered = [one.get_next() for _ in range(4)]
    return busy, ordered, one.has_next(), one.has_free(), raised(one.get_next), raised(one.get_next_unordered)


@case
def pool_unordered():
    one = pool(3)
    ray.get([Doubler.remote().double.remote(1) for _ in range(2)])
    for value in (9, 1, 3):
        one.submit(lambda actor, v: actor.late.remote(v), value)
    return sorted(one.get_next_unordered() for _ in range(3))


@case
def pool_timeouts():
    one = pool(1)
    one.submit(lambda actor, v: actor.late.remote(v), 10)
    first = raised(one.get_next, timeout=0.1)
    return first, one.get_next(timeout=10)


@case
def pool_errors():
    one = pool(1)
    one.submit(lambda actor, v: actor.fail.remote(v), 1)
    return raised(one.get_next), one.has_next()


@case
def pool_push_and_pop():
    one = pool(1)
    idle = one.pop_idle()
    none = one.pop_idle()
    one.push(idle)
    again = raised(one.push, idle)
    return type(idle).__name__, none, again, one.has_free()


@case
def pool_travels():
    @ray.remote
    def use(given):
        return list(given.map(lambda actor, value: actor.double.remote(value), [1, 2]))

    return ray.get(use.remote(pool()))


@case
def queues():
    queue = ray.util.queue.Queue(maxsize=3)
    for value in range(3):
        queue.put(value)
    full = raised(queue.put_nowait, 1), raised(lambda: queue.put(1, timeout=0.1)), raised(lambda: queue.put(1, False))
    sizes = queue.size(), queue.qsize(), queue.full(), queue.empty(), len(queue)
    got = queue.get(), queue.get_nowait(), queue.get(timeout=1)
    empty = raised(queue.get_nowait), raised(lambda: queue.get(timeout=0.1)), raised(lambda: queue.get(block=False))
    wrong = raised(lambda: queue.get(timeout=-1)), raised(lambda: queue.put(1, timeout=-1))
    queue.shutdown()
    return full, sizes, got, empty, wrong


@case
def queue_batches():
    queue = ray.util.queue.Queue(maxsize=4)
    queue.put_nowait_batch([1, 2, 3])
    return (
        queue.get_nowait_batch(2),
        raised(queue.get_nowait_batch, 5),
        raised(queue.put_nowait_batch, [1] * 9),
        queue.qsize(),
        raised(queue.put_nowait_batch, 5),
    )


@case
def queue_between_tasks():
    queue = ray.util.queue.Queue()

    @ray.remote
    def produce(queue):
        for value in range(5):
            queue.put(value)

    @ray.remote
    def consume(queue):
        return [queue.get(timeout=10) for _ in range(5)]

    consumed = consume.remote(queue)
    ray.get(produce.remote(queue))
    return ray.get(consumed)


@case
def queue_async():
    import asyncio

    async def main():
        queue = ray.util.queue.Queue()
        await queue.put_async(5)
        return await queue.get_async()

    return asyncio.run(main())


@case
def queue_exceptions():
    import queue as standard

    from ray.util.queue import Empty, Full

    return issubclass(Empty, standard.Empty), issubclass(Full, standard.Full)


def square(x):
    return x * x


def bad(x):
    raise KeyError(x)


@case
def process_pool():
    from ray.util.multiprocessing import Pool

    with Pool(2) as processes:
        found = (
            processes.map(square, range(6)),
            processes.apply(square, (3,)),
            processes.apply_async(square, (4,)).get(timeout=10),
            processes.starmap(pow, [(2, 3), (3, 2)]),
            list(processes.imap(square, range(4), chunksize=2)),
            sorted(processes.imap_unordered(square, range(4))),
            processes.map_async(square, range(3)).get(),
            raised(processes.map, bad, [1]),
            raised(processes.apply, bad, (1,)),
        )
    return found


@case
def process_pool_ends():
    from ray.util.multiprocessing import Pool

    processes = Pool(1)
    result = processes.apply_async(square, (2,))
    result.wait(10)
    ready = result.ready(), result.successful()
    processes.close()
    late = raised(processes.map, square, [1])
    processes.join()
    return ready, late


@case
def callbacks_of_a_pool():
    from ray.util.multiprocessing import Pool

    seen, event = [], threading.Event()
    with Pool(1) as processes:
        processes.apply_async(square, (5,), callback=lambda value: (seen.append(value), event.set()))
        event.wait(10)
        failed = threading.Event()
        processes.apply_async(bad, (5,), error_callback=lambda error: (seen.append(describe(error)), failed.set()))
        failed.wait(10)
    return seen


@case
def completions():
    @ray.remote
    def echo(x):
        return x

    refs = [echo.remote(index) for index in range(12)]
    return (
        sorted(ray.util.as_completed(refs)),
        sorted(ray.util.map_unordered(echo, range(7))),
        sorted(ray.get(ref) for ref in ray.util.as_completed(refs, yield_obj_refs=True, chunk_size=3)),
        raised(lambda: list(ray.util.as_completed(refs, chunk_size=0))),
    )


@case
def metrics():
    from ray.util.metrics import Counter, Gauge, Histogram

    counter = Counter("parity_requests", description="words", tag_keys=("route",))
    counter.set_default_tags({"route": "/"})
    gauge = Gauge("parity_level")
    histogram = Histogram("parity_seconds", boundaries=[0.1, 1])
    return {
        "inc": raised(counter.inc),
        "tagged": raised(counter.inc, 2, {"route": "/x"}),
        "unknown tag": raised(counter.inc, 1, {"other": "x"}),
        "zero": raised(counter.inc, 0),
        "negative": raised(counter.inc, -1),
        "set": raised(gauge.set, 3),
        "set text": raised(gauge.set, "x"),
        "observe": raised(histogram.observe, 0.5),
        "bounds": raised(lambda: Histogram("parity_bad", boundaries=[0, 1])),
        "no bounds": raised(lambda: Histogram("parity_none", boundaries=[])),
        "name": raised(lambda: Counter("")),
        "tag keys": raised(lambda: Counter("parity_x", tag_keys="route")),
        "default tags": raised(lambda: Counter("parity_y", tag_keys=("a",)).set_default_tags({"b": "c"})),
        "missing tag": raised(lambda: Counter("parity_z", tag_keys=("a",)).inc()),
        "info": sorted(counter.info),
    }


class Guarded:
    def __init__(self, value):
        self.value, self.lock = value, threading.Lock()


@case
def serializers():
    before = raised(ray.put, Guarded(1))
    ray.util.register_serializer(
        Guarded, serializer=lambda guarded: guarded.value, deserializer=lambda value: Guarded(value)
    )
    value = ray.get(ray.put(Guarded(5))).value

    @ray.remote
    def read(guarded):
        return guarded.value

    through = ray.get(read.remote(Guarded(6)))
    ray.util.deregister_serializer(Guarded)
    return before, value, through, raised(ray.put, Guarded(1))


@case
def inspection():
    text = io.StringIO()
    good = ray.util.inspect_serializability([1], name="list", print_file=text)
    lock = threading.Lock()

    def uses():
        return lock

    worked, failures = ray.util.inspect_serializability(uses, name="uses", print_file=text)
    return good, worked, [type(failure).__name__ for failure in failures], "lock" in text.getvalue()


@case
def small_things():
    return (
        isinstance(ray.util.get_node_ip_address(), str),
        ray.util.log_once("parity key"),
        ray.util.log_once("parity key"),
        ray.util.list_named_actors(),
    )


@case
def progress_bars():
    from ray.experimental import tqdm_ray

    @ray.remote
    def work():
        bar = tqdm_ray.tqdm(total=3, desc="parity")
        for _ in range(3):
            bar.update(1)
        bar.close()
        return list(tqdm_ray.tqdm(range(3)))

    return ray.get(work.remote())


import ray.util.queue  # noqa: E402

run(num_cpus=16)

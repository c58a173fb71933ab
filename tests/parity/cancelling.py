"""Cancelling tasks and calls."""

import asyncio
import threading
import time

import ray
from observe import case, raised, run


@ray.remote
def sleep(seconds):
    time.sleep(seconds)
    return "slept"


@ray.remote
def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    return "spun"


def outcome(ref, limit_s=15):
    return raised(lambda: ray.get(ref, timeout=limit_s))


@case
def queued():
    busy = [spin.remote(2) for _ in range(2)]
    waiting = spin.remote(0)
    time.sleep(0.3)
    ray.cancel(waiting)
    result = outcome(waiting)
    return result, ray.get(busy)


@case
def running():
    ref = spin.remote(20)
    time.sleep(1)
    ray.cancel(ref)
    return outcome(ref)


@case
def running_by_force():
    ref = sleep.remote(20)
    time.sleep(1)
    ray.cancel(ref, force=True)
    return outcome(ref) in (
        "TaskCancelledError < RayError < Exception",
        "WorkerCrashedError < RayError < Exception",
    )


@case
def finished():
    ref = spin.remote(0)
    ray.get(ref)
    ray.cancel(ref)
    ray.cancel(ref, force=True)
    return ray.get(ref)


@case
def waiting_for_arguments():
    @ray.remote
    def use(value):
        return value

    slow = spin.remote(2)
    ref = use.remote(slow)
    ray.cancel(ref)
    return outcome(ref), ray.get(slow)


@case
def children_too():
    @ray.remote(num_cpus=0)
    def parent():
        return ray.get(spin.remote(30))

    ref = parent.remote()
    time.sleep(1)
    ray.cancel(ref)
    result = outcome(ref)
    start = time.monotonic()
    ray.get([spin.remote(0) for _ in range(2)])
    return result, time.monotonic() - start < 10


@case
def async_actor_call():
    @ray.remote
    class Actor:
        def __init__(self):
            self.seen = None

        async def wait(self):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                self.seen = "cancelled"
                raise

        async def read(self):
            return self.seen

    actor = Actor.remote()
    ref = actor.wait.remote()
    time.sleep(1)
    ray.cancel(ref)
    return outcome(ref), ray.get(actor.read.remote())


@case
def queued_actor_call():
    @ray.remote
    class Actor:
        def work(self, seconds):
            time.sleep(seconds)
            return "worked"

    actor = Actor.remote()
    first, second = actor.work.remote(2), actor.work.remote(0)
    time.sleep(0.5)
    ray.cancel(second)
    return outcome(second), ray.get(first), ray.get(actor.work.remote(0))


@case
def running_actor_call():
    @ray.remote
    class Actor:
        def work(self):
            for _ in range(100):
                if ray.get_runtime_context().is_canceled():
                    return "noticed"
                time.sleep(0.05)
            return "not told"

        def ping(self):
            return 1

    actor = Actor.remote()
    ref = actor.work.remote()
    time.sleep(1)
    ray.cancel(ref)
    try:
        result = ray.get(ref, timeout=15)
    except ray.exceptions.TaskCancelledError:
        result = "cancelled"
    return result in ("noticed", "cancelled"), ray.get(actor.ping.remote())


@case
def force_on_an_actor_call():
    @ray.remote
    class Actor:
        def work(self):
            time.sleep(0.5)

    actor = Actor.remote()
    ref = actor.work.remote()
    return raised(ray.cancel, ref, force=True)


@case
def refused():
    return (
        raised(ray.cancel, 1),
        raised(ray.cancel, None),
        raised(ray.cancel, "x"),
        raised(ray.cancel, [spin.remote(0)]),
        raised(ray.cancel),
    )


@case
def put_objects():
    return raised(ray.cancel, ray.put(1))


@case
def not_retried():
    @ray.remote(max_retries=5, retry_exceptions=True)
    def again():
        end = time.monotonic() + 20
        while time.monotonic() < end:
            time.sleep(0.01)

    ref = again.remote()
    time.sleep(1)
    ray.cancel(ref)
    return outcome(ref)


@case
def long_sleeps():
    @ray.remote
    def forever():
        while True:
            time.sleep(0.1)

    ref = forever.remote()
    time.sleep(1)
    ray.cancel(ref)
    return threading.TIMEOUT_MAX > 0, outcome(ref)


@case
def generators():
    @ray.remote
    def numbers():
        for index in range(1000):
            yield index
            time.sleep(0.05)

    stream = numbers.remote()
    ray.get(next(stream))
    ray.cancel(stream)
    for _ in range(1000):
        try:
            ray.get(next(stream))
        except ray.exceptions.TaskCancelledError:
            return "cancelled"
        except StopIteration:
            return "ended"


run(num_cpus=2)

"""What programs rely on and engines get wrong: serialisation, crashes, private copies, sharing."""

import os
import signal
import threading
import time

import numpy
import ray
from observe import case, raised, run


@case
def signals_to_oneself():
    path = f"/tmp/parity_signal_{os.getpid()}"

    @ray.remote(max_retries=1)
    def once():
        if not os.path.exists(path):
            open(path, "w").close()
            threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
            time.sleep(10)
        return "second"

    try:
        return ray.get(once.remote())
    finally:
        os.unlink(path)


@case
def exit_makes_a_retry():
    path = f"/tmp/parity_exit_{os.getpid()}"

    @ray.remote(max_retries=1)
    def once():
        if not os.path.exists(path):
            open(path, "w").close()
            import sys

            sys.exit(1)
        return "second"

    try:
        return raised(lambda: ray.get(once.remote()))
    finally:
        if os.path.exists(path):
            os.unlink(path)


@case
def one_unpacked_reference():
    @ray.remote
    def quick():
        return 1

    refs = [quick.remote()]
    ray.get(refs)
    return ray.cancel(*refs)


@case
def private_lists_shared_arrays():
    @ray.remote
    class Keeper:
        def __init__(self, values):
            self.values = values

        def append(self):
            self.values.append(1)
            return len(self.values)

    values = [0]
    keeper = Keeper.remote(values)
    ray.get(keeper.append.remote())
    array = ray.get(ray.put(numpy.zeros(300000)))
    return len(values), array.flags.writeable, array.copy().flags.writeable


@case
def main_classes_travel():
    class Point:
        def __init__(self, x):
            self.x = x

    @ray.remote
    def move(point):
        return Point(point.x + 1)

    moved = ray.get(move.remote(Point(1)))
    return moved.x, type(moved).__name__, isinstance(moved, Point)


@case
def globals_are_those_of_the_first_call():
    @ray.remote
    def read():
        return SETTING["value"]

    first = ray.get(read.remote())
    SETTING["value"] = "second"
    return first, ray.get(read.remote())


SETTING = {"value": "first"}


@case
def lambdas_and_partials():
    import functools

    @ray.remote
    def call(function, value):
        return function(value)

    return ray.get(call.remote(functools.partial(pow, 2), 5)), ray.get(call.remote(lambda x: x + 1, 1))


@case
def generators_of_references():
    @ray.remote
    def f(x):
        return x

    return raised(ray.get, (f.remote(index) for index in range(2)))


@case
def default_arguments_are_shared():
    @ray.remote
    def remember(value, seen=[]):  # noqa: B006
        seen.append(value)
        return len(seen)

    return ray.get(remember.remote(1)) >= 1


@case
def threads_of_the_driver():
    @ray.remote
    def f(x):
        return x

    found = []
    threads = [
        threading.Thread(target=lambda index=index: found.append(ray.get(f.remote(index)))) for index in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return sorted(found)


@case
def threads_in_a_task():
    @ray.remote
    def f(x):
        return x

    @ray.remote
    def many():
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(lambda index: ray.get(f.remote(index)), range(8)))

    return ray.get(many.remote())


@case
def subprocesses_in_a_task():
    @ray.remote
    def shell():
        import subprocess

        return subprocess.run(["echo", "hello"], capture_output=True, text=True).stdout

    return ray.get(shell.remote())


@case
def many_arguments():
    @ray.remote
    def total(*values):
        return sum(values)

    return ray.get(total.remote(*[ray.put(index) for index in range(300)]))


@case
def environment_and_arguments():
    import sys

    @ray.remote
    def look():
        return os.environ.get("PARITY_SET_BEFORE"), os.getcwd()

    value, folder = ray.get(look.remote())
    return value, folder == os.getcwd(), bool(sys.argv)


@case
def dataclasses_and_enums():
    import dataclasses
    import enum

    class Colour(enum.Enum):
        RED = 1

    @dataclasses.dataclass(frozen=True)
    class Item:
        colour: Colour
        size: int = 3

    @ray.remote
    def same(item):
        return item

    item = Item(Colour.RED)
    return ray.get(same.remote(item)) == item, ray.get(same.remote(item)).colour is Colour.RED


@case
def recreated_named_actor():
    @ray.remote
    class Named:
        def ping(self):
            return "pong"

    found = []
    for _ in range(3):
        actor = Named.options(name="trap").remote()
        found.append(ray.get(actor.ping.remote()))
        ray.kill(actor)
        end = time.monotonic() + 10
        while "trap" in ray.util.list_named_actors() and time.monotonic() < end:
            time.sleep(0.02)
        found.append(raised(ray.get_actor, "trap"))
    return found


os.environ["PARITY_SET_BEFORE"] = "set"
run(num_cpus=4)

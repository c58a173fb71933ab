"""Actors: making, calling, naming, ending, restarting."""

import os
import time

import ray
from observe import case, describe, raised, run


@ray.remote
class Counter:
    def __init__(self, start=0):
        self.value = start

    def add(self, amount=1):
        self.value += amount
        return self.value

    def read(self):
        return self.value

    def fail(self):
        raise ValueError("no")

    def die(self):
        os._exit(1)

    def pid(self):
        return os.getpid()


def until(condition, limit_s=10):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@case
def state_and_order():
    counter = Counter.remote(5)
    refs = [counter.add.remote() for _ in range(50)]
    return ray.get(refs), ray.get(counter.read.remote())


@case
def errors_do_not_end_it():
    counter = Counter.remote()
    return raised(lambda: ray.get(counter.fail.remote())), ray.get(counter.add.remote())


@case
def wrong_calls():
    counter = Counter.remote()
    return (
        raised(lambda: counter.no_such_method),
        raised(lambda: counter.add(1)),
        raised(lambda: ray.get(counter.add.remote(1, 2, 3))),
        raised(lambda: Counter.remote(1, 2, 3)),
    )


@case
def constructor_fails():
    @ray.remote
    class Broken:
        def __init__(self):
            raise KeyError("init")

        def ping(self):
            return 1

    broken = Broken.remote()
    try:
        ray.get(broken.ping.remote())
    except ray.exceptions.RayActorError as error:
        return describe(error), error.actor_init_failed, "init" in str(error), "KeyError" in str(error)


@case
def names():
    one = Counter.options(name="one").remote(3)
    ray.get(one.read.remote())
    same = ray.get_actor("one")
    found = (
        ray.get(same.add.remote()),
        same == one,
        raised(Counter.options(name="one").remote),
        raised(ray.get_actor, "nobody"),
        raised(ray.get_actor, ""),
        raised(ray.get_actor, None),
        ray.util.list_named_actors(),
    )
    ray.kill(one)
    return (*found, until(lambda: "nothing" not in raised(ray.get_actor, "one")))


@case
def name_is_free_after_kill():
    for _ in range(3):
        actor = Counter.options(name="again").remote()
        ray.get(actor.read.remote())
        ray.kill(actor)
        until(lambda: "again" not in ray.util.list_named_actors())
    return "again" in ray.util.list_named_actors()


@case
def namespaces():
    other = Counter.options(name="spaced", namespace="elsewhere").remote(8)
    ray.get(other.read.remote())
    return (
        raised(ray.get_actor, "spaced"),
        ray.get(ray.get_actor("spaced", namespace="elsewhere").read.remote()),
        {"name": "spaced", "namespace": "elsewhere"} in ray.util.list_named_actors(all_namespaces=True),
        "spaced" in ray.util.list_named_actors(),
    )


@case
def get_if_exists():
    options = {"name": "shared", "get_if_exists": True}
    first = Counter.options(**options).remote(1)
    second = Counter.options(**options).remote(100)
    ray.get(first.add.remote())
    return ray.get(second.read.remote()), first == second, raised(lambda: Counter.options(get_if_exists=True).remote())


@case
def kill_fails_what_waits():
    @ray.remote
    class Sleeper:
        def sleep(self):
            time.sleep(30)

    sleeper = Sleeper.remote()
    ref = sleeper.sleep.remote()
    time.sleep(0.3)
    ray.kill(sleeper)
    return (
        raised(lambda: ray.get(ref, timeout=10)),
        raised(lambda: ray.get(sleeper.sleep.remote(), timeout=10)),
        raised(ray.kill, ref),
        raised(ray.kill, "x"),
        raised(ray.kill, sleeper),
    )


@case
def crash_without_restart():
    counter = Counter.remote()
    return raised(lambda: ray.get(counter.die.remote())), raised(lambda: ray.get(counter.read.remote()))


@case
def crash_with_restart():
    counter = Counter.options(max_restarts=1).remote(7)
    ray.get(counter.add.remote())
    before = ray.get(counter.pid.remote())
    first = raised(lambda: ray.get(counter.die.remote()))

    def back():
        try:
            return ray.get(counter.pid.remote()) != before
        except ray.exceptions.ActorUnavailableError:
            return False

    return first.split(" < ")[-3:], until(back), ray.get(counter.read.remote())


@case
def restart_and_retry():
    path = f"/tmp/parity_actor_{os.getpid()}"

    @ray.remote(max_restarts=1, max_task_retries=1)
    class Once:
        def work(self):
            if not os.path.exists(path):
                open(path, "w").close()
                os._exit(1)
            return "done", ray.get_runtime_context().was_current_actor_reconstructed

    try:
        return ray.get(Once.remote().work.remote())
    finally:
        os.unlink(path)


@case
def kill_and_restart():
    counter = Counter.options(max_restarts=1).remote(1)
    ray.get(counter.add.remote())
    ray.kill(counter, no_restart=False)

    def back():
        try:
            return ray.get(counter.read.remote()) == 1
        except ray.exceptions.RayActorError:
            return False

    return until(back)


@case
def attribute_hides_method():
    @ray.remote
    class Account:
        def __init__(self):
            self.balance = 10

        def balance(self):
            return self.balance

    return ray.get(Account.remote().balance.remote())


@case
def handles_travel():
    @ray.remote
    def use(counter, box):
        ray.get(counter.add.remote())
        return ray.get(box["handle"].add.remote())

    counter = Counter.remote()
    return ray.get(use.remote(counter, {"handle": counter})), ray.get(counter.read.remote())


@case
def bound_methods_travel():
    @ray.remote
    def call(method):
        return ray.get(method(4))

    counter = Counter.remote(1)
    return ray.get(call.remote(counter.add.remote))


@case
def actors_in_actors():
    @ray.remote
    class Parent:
        def __init__(self):
            self.children = [Counter.remote(index) for index in range(2)]

        def total(self):
            return sum(ray.get([child.add.remote() for child in self.children]))

    return ray.get(Parent.remote().total.remote())


@case
def dies_with_its_last_handle():
    @ray.remote
    def alive(pid):
        return os.path.exists(f"/proc/{pid}")

    counter = Counter.remote()
    pid = ray.get(counter.pid.remote())
    ref = counter.add.remote()
    del counter
    return ray.get(ref), until(lambda: not os.path.exists(f"/proc/{pid}"), 15)


@case
def detached_survives_its_handle():
    keeper = Counter.options(name="keeper", lifetime="detached").remote(2)
    ray.get(keeper.add.remote())
    del keeper
    time.sleep(0.5)
    again = ray.get_actor("keeper")
    value = ray.get(again.read.remote())
    ray.kill(again)
    return value, raised(lambda: Counter.options(lifetime="other").remote())


@case
def exit_actor():
    @ray.remote(max_restarts=5)
    class Leaver:
        def leave(self):
            ray.actor.exit_actor()

        def ping(self):
            return 1

    leaver = Leaver.remote()
    ray.get(leaver.ping.remote())
    first = raised(lambda: ray.get(leaver.leave.remote()))
    return first, raised(lambda: ray.get(leaver.ping.remote())), raised(ray.actor.exit_actor)


@case
def sys_exit_in_a_method():
    @ray.remote
    class Leaver:
        def leave(self):
            import sys

            sys.exit(0)

        def ping(self):
            return 1

    leaver = Leaver.remote()
    first = raised(lambda: ray.get(leaver.leave.remote()))
    return first, raised(lambda: ray.get(leaver.ping.remote()))


@case
def built_in_methods():
    counter = Counter.remote(4)
    return (
        ray.get(counter.__ray_ready__.remote()),
        ray.get(counter.__ray_call__.remote(lambda self, extra: self.value + extra, 3)),
        ray.get(counter.__ray_terminate__.remote()) if False else None,
    )


@case
def several_results():
    @ray.remote
    class Pair:
        @ray.method(num_returns=2)
        def both(self):
            return 1, 2

        def one(self):
            return 3, 4

    pair = Pair.remote()
    first, second = pair.both.remote()
    third, fourth = pair.one.options(num_returns=2).remote()
    return ray.get([first, second, third, fourth]), raised(ray.method, 5), raised(ray.method, no_such=1)


@case
def inheritance():
    class Base:
        def hello(self):
            return "base"

        @staticmethod
        def static(x):
            return x * 2

        @classmethod
        def kind(cls):
            return cls.__name__

    @ray.remote
    class Derived(Base):
        def hello(self):
            return "derived " + super().hello()

    derived = Derived.remote()
    return ray.get([derived.hello.remote(), derived.static.remote(4), derived.kind.remote()])


@case
def class_with_options():
    @ray.remote(num_cpus=1, max_restarts=1)
    class Optioned:
        def resources(self):
            return ray.get_runtime_context().get_assigned_resources()

    return (
        ray.get(Optioned.remote().resources.remote()),
        ray.get(Optioned.options(num_cpus=2).remote().resources.remote()),
        ray.get(Counter.remote().__ray_call__.remote(lambda _: ray.get_runtime_context().get_assigned_resources())),
    )


@case
def handle_looks():
    counter = Counter.remote()
    return (
        repr(counter).startswith("Actor(Counter, "),
        isinstance(counter, ray.actor.ActorHandle),
        len(counter._actor_id.binary()),
        counter in {counter: 1},
        "add" in dir(counter),
    )


@case
def arguments_by_reference():
    @ray.remote
    def slow():
        time.sleep(0.3)
        return 5

    counter = Counter.remote()
    late = counter.add.remote(slow.remote())
    after = counter.add.remote(1)
    return ray.get([late, after])


@case
def failed_argument():
    @ray.remote
    def broken():
        raise KeyError("k")

    counter = Counter.remote()
    return raised(lambda: ray.get(counter.add.remote(broken.remote()))), ray.get(counter.add.remote())


run(num_cpus=16)

"""Tasks: arguments, results, options, nesting, retries."""

import os
import time

import ray
from observe import case, raised, run


@ray.remote
def add(a, b=10, *more, scale=1, **named):
    return (a + b + sum(more)) * scale + sum(named.values())


@ray.remote
def fail():
    raise RuntimeError("no")


@case
def argument_forms():
    return ray.get(
        [add.remote(1), add.remote(1, 2), add.remote(1, 2, 3, 4), add.remote(a=1, b=2), add.remote(1, scale=2, x=5)]
    )


@case
def wrong_arguments():
    return (
        raised(add.remote),
        raised(lambda: ray.get(add.remote(1, a=2))),
        raised(add.options(num_cpus=1).remote),
    )


@case
def top_level_refs_are_values():
    return ray.get(add.remote(ray.put(1), b=add.remote(2, 3)))


@case
def nested_refs_are_refs():
    @ray.remote
    def look(box):
        return [isinstance(item, ray.ObjectRef) for item in box], ray.get(box)

    @ray.remote
    def total(box):
        return sum(box)

    refs = [ray.put(1), add.remote(1, 1)]
    return ray.get(look.remote(refs)), raised(lambda: ray.get(total.remote(refs)))


@case
def failed_argument():
    ran = []

    @ray.remote
    def use(value):
        ran.append(1)
        return value

    return raised(lambda: ray.get(use.remote(fail.remote()))), ran


@case
def several_results():
    @ray.remote(num_returns=3)
    def three():
        return 1, 2, 3

    @ray.remote(num_returns=2)
    def listed():
        return [1, 2]

    @ray.remote(num_returns=2)
    def wrong(count):
        return tuple(range(count))

    @ray.remote(num_returns=0)
    def nothing():
        return 5

    @ray.remote(num_returns=2)
    def broken():
        raise KeyError("k")

    one, two = wrong.remote(3)
    first, second = broken.remote()
    return (
        ray.get(list(three.remote())),
        type(three.remote()).__name__,
        ray.get(listed.remote()),
        raised(lambda: ray.get(one)),
        raised(lambda: ray.get(two)),
        nothing.remote(),
        raised(lambda: ray.get(first)),
        raised(lambda: ray.get(second)),
        len(three.options(num_returns=3).remote()),
    )


@case
def one_return_may_be_a_tuple():
    @ray.remote
    def pair():
        return 1, 2

    @ray.remote(num_returns=1)
    def box():
        return [1]

    return ray.get(pair.remote()), ray.get(box.remote())


@case
def options_do_not_change_the_function():
    @ray.remote(num_cpus=1)
    def who():
        return ray.get_runtime_context().get_task_name()

    changed = who.options(name="other")
    return ray.get(changed.remote()), ray.get(who.remote()), ray.get(who.options(name="third").remote())


@case
def closures():
    offset = 5

    def helper(x):
        return x + offset

    @ray.remote
    def use(x):
        return helper(x)

    return ray.get(use.remote(1)), ray.get(ray.remote(lambda x: x * offset).remote(2))


@case
def recursion():
    @ray.remote
    def fibonacci(n):
        return n if n < 2 else sum(ray.get([fibonacci.remote(n - 1), fibonacci.remote(n - 2)]))

    return ray.get(fibonacci.remote(7))


@case
def nested_tasks_do_not_deadlock():
    @ray.remote(num_cpus=4)
    def outer():
        return ray.get(add.options(num_cpus=4).remote(1, 2))

    return ray.get(outer.remote())


@case
def references_from_tasks():
    @ray.remote
    def make():
        return [add.remote(1, 1), ray.put(9)]

    return ray.get(ray.get(make.remote()))


@case
def wrapped_function():
    def plain(x):
        """Words."""
        return x + 1

    assert plain(1) == 2

    remote = ray.remote(plain)
    return (
        callable(remote.remote),
        callable(remote.options),
        callable(remote.bind),
        raised(remote),
    )


@case
def function_as_class_attribute():
    class Mail:
        @ray.remote
        def send(self, text):
            return f"{self.name} {text}"

        def go(self):
            return ray.get(self.send.remote(self, "hello"))

        name = "me"

    return Mail().go()


@case
def remote_with_options_forms():
    def f():
        return 1

    return ray.get(ray.remote(num_cpus=1)(f).remote()), ray.get(ray.remote(f).options().remote())


@case
def pickled_functions():
    @ray.remote
    def caller(function):
        return ray.get(function.remote(1, 1))

    return ray.get(caller.remote(add)), ray.get(ray.cloudpickle.loads(ray.cloudpickle.dumps(add)).remote(2, 2))


@case
def crash_and_retry(tmp="parity_crash"):
    path = f"/tmp/{tmp}_{os.getpid()}"

    @ray.remote(max_retries=2)
    def once():
        if not os.path.exists(path):
            open(path, "w").close()
            os._exit(1)
        return "done"

    @ray.remote(max_retries=0)
    def never():
        os._exit(1)

    try:
        return ray.get(once.remote()), raised(lambda: ray.get(never.remote()))
    finally:
        os.unlink(path)


@case
def retry_exceptions():
    folder = f"/tmp/parity_retry_{os.getpid()}"
    os.makedirs(folder, exist_ok=True)

    def flaky(name, kind, until):
        path = f"{folder}/{name}"
        with open(path, "a") as file:
            file.write("x")
        if os.path.getsize(path) < until:
            raise kind(name)
        return os.path.getsize(path)

    try:
        remote = ray.remote(flaky)
        return (
            ray.get(remote.options(max_retries=3, retry_exceptions=True).remote("a", ValueError, 3)),
            raised(lambda: ray.get(remote.options(max_retries=3).remote("b", ValueError, 2))),
            raised(lambda: ray.get(remote.options(max_retries=1, retry_exceptions=True).remote("c", ValueError, 5))),
            os.path.getsize(f"{folder}/c"),
        )
    finally:
        import shutil

        shutil.rmtree(folder)


@case
def retry_listed_exceptions():
    folder = f"/tmp/parity_listed_{os.getpid()}"
    os.makedirs(folder, exist_ok=True)

    @ray.remote(max_retries=3, retry_exceptions=[ConnectionError])
    def flaky(name, kind):
        path = f"{folder}/{name}"
        with open(path, "a") as file:
            file.write("x")
        if os.path.getsize(path) < 2:
            raise kind(name)
        return os.path.getsize(path)

    try:
        return (
            ray.get(flaky.remote("a", ConnectionResetError)),
            raised(lambda: ray.get(flaky.remote("b", ValueError))),
        )
    finally:
        import shutil

        shutil.rmtree(folder)


@case
def exits_count_as_crashes():
    @ray.remote(max_retries=0)
    def leave(code):
        import sys

        sys.exit(code)

    return raised(lambda: ray.get(leave.remote(1))), raised(lambda: ray.get(leave.remote(0)))


@case
def max_calls():
    @ray.remote(max_calls=1)
    def pid():
        return os.getpid()

    pids = []
    for _ in range(3):
        pids.append(ray.get(pid.remote()))
        time.sleep(0.05)
    return len(set(pids)), raised(pid.options, max_calls=2)


@case
def none_results():
    @ray.remote
    def nothing():
        pass

    return ray.get(nothing.remote())


@case
def many():
    return sum(ray.get([add.remote(index, 0) for index in range(500)]))


@case
def redefinition():
    found = []
    for number in range(3):

        @ray.remote
        def f(number=number):
            return number

        found.append(ray.get(f.remote()))
    return found


@case
def async_functions_are_refused():
    def make():
        @ray.remote
        async def f():
            return 1

        return f.remote()

    return raised(make)


run(num_cpus=4)

"""Programs whose observations must be the same in both modes. Each takes nothing and returns plain values."""

from __future__ import annotations

import threading
import time

import trygon
from trygon import exceptions


def seen(call):
    """What a call came to: its value, or the error as far as it is the same everywhere."""
    try:
        return call()
    except Exception as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        cause = getattr(error, "cause", None)
        return ["raised", names, type(cause).__name__, [repr(a) for a in getattr(cause, "args", ())]]


@trygon.remote
def add(x, y=1):
    return x + y


@trygon.remote
def fail(text):
    raise KeyError(text)


@trygon.remote
class Counter:
    def __init__(self, start=0):
        if start is None:
            raise ValueError("no start")
        self.value = start

    def add(self, n=1):
        self.value += n
        return self.value

    def fail(self):
        raise LookupError(self.value)

    @trygon.method(num_returns=2)
    def pair(self):
        return self.value, -self.value

    def leave(self):
        trygon.actor.exit_actor()

    def call(self, other, n):
        return trygon.get(other.add.remote(n))

    def me(self):
        return trygon.get_runtime_context().get_actor_name()


def values():
    refs = [add.remote(i, y=i) for i in range(20)]
    return trygon.get(refs), trygon.get(add.remote(1)), trygon.get([])


def arguments_and_results_are_copies():
    @trygon.remote
    def change(box):
        box.append(1)
        return box

    box = [0]
    ref = change.remote(box)
    box.append("later")
    first = trygon.get(ref)
    first.append("mine")
    return box, trygon.get(ref)


def arrays_are_read_only():
    import numpy

    @trygon.remote
    def look(array):
        return array.flags.writeable, array.sum(), array

    source = numpy.arange(50_000.0)
    ref = trygon.put(source)
    source[:] = 0
    small = trygon.get(look.remote(numpy.arange(3)))
    large = trygon.get(look.remote(ref))
    stored = trygon.get(ref)
    return [
        [small[0], int(small[1]), small[2].flags.writeable],
        [large[0], float(large[1]), large[2].flags.writeable],
        [stored.flags.writeable, float(stored[-1])],
    ]


def references_at_the_top_and_inside():
    @trygon.remote
    def look(top, inside, key=None):
        return [type(top).__name__, type(inside[0]).__name__, trygon.get(inside[0]), type(key).__name__]

    ref = add.remote(1)
    return trygon.get(look.remote(ref, [ref], key=ref))


def references_outlive_what_made_them():
    @trygon.remote
    def make():
        return [trygon.put([1, 2]), add.remote(5)]

    return trygon.get(trygon.get(make.remote()))


def several_results():
    @trygon.remote(num_returns=3)
    def three(n):
        return range(n)

    @trygon.remote(num_returns=0)
    def none():
        return 5

    return (
        trygon.get(three.remote(3)),
        seen(lambda: trygon.get(three.remote(2)[0])),
        none.remote(),
        trygon.get(add.options(num_returns=1).remote(1)),
    )


def errors():
    ref = fail.remote("why")
    return [
        seen(lambda: trygon.get(ref)),
        seen(lambda: trygon.get([add.remote(1), ref])),
        seen(lambda: trygon.get(add.remote(ref))),
        seen(lambda: trygon.get(add.remote(add.remote(ref), 1))),
        seen(lambda: trygon.get(add.remote("x"))),
    ]


def the_text_of_an_error():
    def inner():
        raise ValueError("deep")

    @trygon.remote
    def outer():
        inner()

    try:
        trygon.get(outer.remote())
    except ValueError as error:
        lines = str(error).split("\n")
        return [line.strip() for line in lines[1:]], error.function_name, error.type_name
    return "nothing was raised"


def causes_and_notes():
    @trygon.remote
    def chained():
        try:
            raise OSError(2, "gone")
        except OSError as error:
            wrapped = RuntimeError("wrapped")
            wrapped.add_note("a note")
            raise wrapped from error

    try:
        trygon.get(chained.remote())
    except RuntimeError as error:
        return type(error.__cause__).__name__, error.__cause__.errno, error.__notes__
    return "nothing was raised"


def what_cannot_be_sent():
    @trygon.remote
    def returns_a_lock():
        return threading.Lock()

    return [
        seen(lambda: add.remote(threading.Lock())),
        seen(lambda: trygon.put(threading.Lock())),
        seen(lambda: trygon.get(returns_a_lock.remote()))[:3],
    ]


def wrong_calls():
    return [
        seen(lambda: add.remote()),
        seen(lambda: add.remote(1, z=2)),
        seen(lambda: add(1)),
        seen(lambda: add.options(num_cpus=-1)),
        seen(lambda: add.options(nonsense=1)),
        seen(lambda: Counter.remote(1, 2)),
        seen(lambda: Counter.remote().add.remote(1, 2)),
        seen(lambda: Counter.remote().nothing),
        seen(lambda: trygon.get(5)),
        seen(lambda: trygon.get([5])),
        seen(lambda: trygon.get((add.remote(1),))),
        seen(lambda: trygon.put(add.remote(1))),
        seen(lambda: trygon.wait(add.remote(1))),
        seen(lambda: trygon.wait([add.remote(1)], num_returns=2)),
        seen(lambda: trygon.wait([(r := add.remote(1)), r])),
        seen(lambda: trygon.get(add.remote(1), timeout=-1)),
        seen(lambda: trygon.kill(5)),
        seen(lambda: trygon.get_actor("nobody")),
        seen(lambda: trygon.init()),
    ]


def waiting():
    @trygon.remote
    def slow(s):
        end = time.monotonic() + s
        while time.monotonic() < end:
            time.sleep(0.005)
        return s

    refs = [slow.remote(0.6), slow.remote(0), slow.remote(0.001)]
    ready, left = trygon.wait(refs, num_returns=2, timeout=10)
    first = sorted(trygon.get(ready)), len(left)
    late = slow.remote(30)
    began = time.monotonic()
    nothing = trygon.wait([late], timeout=0.1)
    error = seen(lambda: trygon.get(late, timeout=0.1))
    at_once = seen(lambda: trygon.get(slow.remote(30), timeout=0))
    quick = time.monotonic() - began < 5
    ended = trygon.wait(refs, num_returns=3)
    return first, [len(part) for part in nothing], error, at_once, quick, [len(part) for part in ended], trygon.wait([])


def nested_and_recursive():
    @trygon.remote
    def fibonacci(n):
        if n < 2:
            return n
        return sum(trygon.get([fibonacci.remote(n - 1), fibonacci.remote(n - 2)]))

    return trygon.get(fibonacci.remote(7))


def long_chains():
    ref = trygon.put(0)
    for _ in range(2000):
        ref = add.remote(ref)
    deep = [0]

    @trygon.remote
    def down(n):
        return 0 if n == 0 else 1 + trygon.get(down.remote(n - 1))

    deep.append(trygon.get(down.remote(60)))
    return trygon.get(ref), deep


def closures_are_copied():
    state = {"count": 0}

    @trygon.remote
    def change():
        state["count"] += 1
        return state["count"]

    return trygon.get([change.remote()]), state


def actors():
    counter = Counter.remote(5)
    refs = [counter.add.remote() for _ in range(50)]
    return (
        trygon.get(refs),
        trygon.get(counter.pair.remote()),
        seen(lambda: trygon.get(counter.fail.remote())),
        trygon.get(counter.add.options(num_returns=1).remote(10)),
        trygon.get(counter.__ray_ready__.remote()),
        trygon.get(counter.__ray_call__.remote(lambda self, n: self.value + n, 1000)),
        repr(counter).partition(",")[0],
    )


def handles_are_sent():
    @trygon.remote
    def use(handle, box, callback):
        first = trygon.get(handle.add.remote(10))
        return first, trygon.get(box["it"].add.remote(1)), trygon.get(callback(100))

    counter, other = Counter.remote(), Counter.remote(7)
    sent = trygon.get(use.remote(counter, {"it": counter}, counter.add.remote))
    return sent, trygon.get(counter.call.remote(other, 1)), trygon.get(counter.add.remote(0))


def names():
    counter = Counter.options(name="the counter").remote(3)
    same = Counter.options(name="the counter", get_if_exists=True).remote(99)
    found = trygon.get_actor("the counter")
    results = trygon.get([counter.add.remote(), same.add.remote(), found.add.remote(), counter.me.remote()])
    taken = seen(lambda: Counter.options(name="the counter").remote())
    listed = trygon.util.list_named_actors()
    elsewhere = Counter.options(name="the counter", namespace="elsewhere").remote(0)
    other = trygon.get(trygon.get_actor("the counter", namespace="elsewhere").add.remote())
    trygon.kill(counter)
    gone = seen(lambda: trygon.get_actor("the counter"))
    del elsewhere
    return results, taken[1], listed, other, gone, counter == same == found


def ends_of_actors():
    killed, left, failed = Counter.remote(), Counter.remote(), Counter.remote(None)
    trygon.get(killed.add.remote())
    trygon.kill(killed)
    init_error = None
    try:
        trygon.get(failed.add.remote())
    except exceptions.ActorDiedError as error:
        init_error = error.actor_init_failed, type(error.cause).__name__.partition("(")[0], "no start" in str(error)
    return [
        seen(lambda: trygon.get(killed.add.remote()))[1],
        seen(lambda: trygon.get(left.leave.remote()))[1],
        seen(lambda: trygon.get(left.add.remote()))[1],
        init_error,
        seen(lambda: trygon.actor.exit_actor())[1][0],
    ]


def an_actor_whose_handles_are_gone():
    Counter.options(name="short").remote()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            trygon.get_actor("short")
        except ValueError:
            return trygon.get(Counter.remote(1).add.remote())
        time.sleep(0.01)
    return "it lives"


def leaving_the_process():
    import sys

    @trygon.remote(max_retries=1)
    def leaves():
        sys.exit(3)

    return seen(lambda: trygon.get(leaves.remote()))[1]


def context():
    @trygon.remote
    def look():
        here = trygon.get_runtime_context()
        ids = here.get_task_id(), here.get_actor_id(), here.get_job_id(), here.get_node_id()
        return [bool(ids[0]), ids[1], ids[2], ids[3], here.get_task_name(), here.get_assigned_resources()]

    here = trygon.get_runtime_context()
    inside = trygon.get(look.options(name="a name").remote())
    return (
        inside[:2] + inside[4:],
        [inside[2] == here.get_job_id(), inside[3] == here.get_node_id()],
        here.get_task_id(),
        trygon.get(look.options(num_cpus=0.5).remote())[5],
        trygon.cluster_resources()["CPU"],
        len(trygon.nodes()),
    )


def references_are_values():
    a, b = add.remote(1), add.remote(2)
    again = trygon.get(trygon.put([a]))[0]
    return (
        a == again,
        hash(a) == hash(again),
        a != b,
        len({a, b, again}),
        isinstance(a, trygon.ObjectRef),
        len(a.hex()),
        repr(a) == f"ObjectRef({a.hex()})",
        len(a.task_id().binary()),
        a.is_nil(),
    )


def custom_serializers():
    class Odd:
        def __init__(self, value):
            self.value = value
            self.lock = threading.Lock()

    trygon.util.register_serializer(Odd, serializer=lambda odd: odd.value, deserializer=lambda value: Odd(value + 1))
    try:

        @trygon.remote
        def look(odd):
            return odd.value

        return trygon.get(look.remote(Odd(1))), trygon.get(trygon.put(Odd(5))).value
    finally:
        trygon.util.deregister_serializer(Odd)


def key_values_and_states():
    counter = Counter.options(name="listed").remote()
    trygon.get(counter.add.remote())
    return trygon.util.list_named_actors(), trygon.get_gpu_ids(), trygon.is_initialized()


ALL = [
    values,
    arguments_and_results_are_copies,
    arrays_are_read_only,
    references_at_the_top_and_inside,
    references_outlive_what_made_them,
    several_results,
    errors,
    the_text_of_an_error,
    causes_and_notes,
    what_cannot_be_sent,
    wrong_calls,
    waiting,
    nested_and_recursive,
    long_chains,
    closures_are_copied,
    actors,
    handles_are_sent,
    names,
    ends_of_actors,
    an_actor_whose_handles_are_gone,
    leaving_the_process,
    context,
    references_are_values,
    custom_serializers,
    key_values_and_states,
]

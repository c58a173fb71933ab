"""Tasks: arguments, results, options that act, nesting, recursion."""

import time

import pytest
import trygon


@trygon.remote
def add(a, b=1, *rest, **named):
    return a + b + sum(rest) + sum(named.values())


def test_arguments_of_every_kind(engine):
    assert trygon.get(add.remote(1)) == 2
    assert trygon.get(add.remote(1, 2, 3, x=4)) == 10
    assert trygon.get(add.remote(b=1, a=2)) == 3
    assert trygon.get(add.remote(add.remote(1), b=add.remote(2))) == 5
    assert trygon.get(add.remote(a=trygon.put(1), b=trygon.put(2))) == 3


@pytest.mark.parametrize(
    "value", [None, True, 1, -(2**80), 1.5, "text", b"bytes", (1, 2), [1, [2]], {"a": {1}}, 1j, ..., range(3)]
)
def test_values_come_back_as_they_were(engine, value):
    identity = trygon.remote(lambda x: x)
    got = trygon.get(identity.remote(value))
    assert got == value and type(got) is type(value)
    assert trygon.get(identity.remote([value])) == [value]


def test_many_tasks(engine, empty_table):
    refs = [add.remote(i) for i in range(5000)]
    assert trygon.get(refs) == [i + 1 for i in range(5000)]
    del refs


def test_references_inside_containers_stay_references(engine):
    @trygon.remote
    def kinds(direct, inside):
        return type(direct).__name__, type(inside[0]).__name__, trygon.get(inside[0])

    ref = trygon.put(7)
    assert trygon.get(kinds.remote(ref, [ref])) == ("int", "ObjectRef", 7)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_several_results(engine, count):
    @trygon.remote(num_returns=count)
    def many():
        return [i * i for i in range(count)] if count != 1 else 0

    refs = many.remote()
    if count == 0:
        assert refs is None
    elif count == 1:
        assert trygon.get(refs) == 0
    else:
        assert trygon.get(refs) == [i * i for i in range(count)]


def test_wrong_number_of_results(engine):
    @trygon.remote(num_returns=2)
    def three():
        return 1, 2, 3

    @trygon.remote(num_returns=2)
    def one():
        return 1

    with pytest.raises(ValueError, match="num_returns=2.*3 values"):
        trygon.get(three.remote())
    with pytest.raises(ValueError, match="num_returns=2.*int"):
        trygon.get(one.remote()[1])


def test_options_change_what_they_name(engine):
    two = add.options(name="two")
    assert two is add.options(name="two")
    assert trygon.get(two.remote(1)) == 2
    first, second = trygon.remote(lambda: (1, 2)).options(num_returns=2).remote()
    assert trygon.get([second, first]) == [2, 1]


def test_recursion_and_nesting(engine):
    @trygon.remote
    def fibonacci(n):
        if n < 2:
            return n
        return sum(trygon.get([fibonacci.remote(n - 1), fibonacci.remote(n - 2)]))

    assert trygon.get(fibonacci.remote(10), timeout=60) == 55


def test_nested_on_one_cpu(one_cpu):
    @trygon.remote
    def deep(n):
        return 0 if n == 0 else 1 + trygon.get(deep.remote(n - 1))

    assert trygon.get(deep.remote(10), timeout=60) == 10


def test_blocked_task_with_queued_children_on_one_cpu(one_cpu):
    @trygon.remote
    def leaf(i):
        return i

    @trygon.remote
    def parent(i):
        return sum(trygon.get([leaf.remote(i) for _ in range(5)]))

    assert trygon.get([parent.remote(i) for i in range(20)], timeout=60) == [5 * i for i in range(20)]


def test_a_task_that_waits_for_one_behind_it(one_cpu):
    @trygon.remote
    def later():
        return 42

    @trygon.remote
    def waits(box):
        return trygon.get(box[0])

    # The reference is made after the waiting task is submitted, and both want the only CPU.
    slow = trygon.remote(lambda: time.sleep(0.2)).remote()
    target = later.remote()
    assert trygon.get(waits.remote([target]), timeout=20) == 42
    trygon.get(slow)


def test_fractional_cpus_and_custom_resources(engine):
    @trygon.remote(num_cpus=0.5, resources={"widget": 1})
    def held():
        time.sleep(0.3)
        return trygon.get_runtime_context().get_assigned_resources()

    trygon.get([held.remote(), held.remote()])
    began = time.monotonic()
    results = trygon.get([held.remote() for _ in range(4)])
    assert 0.55 < time.monotonic() - began < 2
    assert results[0] == {"CPU": 0.5, "widget": 1.0}


def test_zero_cpus(engine):
    assert trygon.get(trygon.remote(num_cpus=0)(lambda: 3).remote()) == 3


def test_max_calls_ends_the_process(engine):
    @trygon.remote(max_calls=2)
    def pid():
        import os

        return os.getpid()

    pids = [trygon.get(pid.remote()) for _ in range(6)]
    assert len(set(pids)) >= 3
    assert max(pids.count(one) for one in pids) <= 2


def test_lambdas_closures_and_functions_of_modules(engine):
    import os.path

    factor = 3
    assert trygon.get(trygon.remote(lambda x: x * factor).remote(2)) == 6
    assert trygon.get(trygon.remote(os.path.basename).remote("/a/b")) == "b"
    assert trygon.get(trygon.remote(len).remote([1, 2])) == 2


def test_a_remote_function_as_attribute_does_not_bind(engine):
    class Holder:
        send = trygon.remote(lambda self, x: (self, x))

    assert trygon.get(Holder().send.remote(1, 2)) == (1, 2)


def test_cannot_be_called_directly():
    with pytest.raises(TypeError, match=r"add\.remote"):
        add(1)
    assert add.__wrapped__(1) == 2
    assert add.__name__ == "add"


def test_a_function_used_by_many_threads(engine):
    from concurrent.futures import ThreadPoolExecutor

    # GIL-1: threads that take the engine's lock with and without the GIL do not wait for one another.
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: trygon.get(add.remote(i)), range(400)))
    assert results == [i + 1 for i in range(400)]

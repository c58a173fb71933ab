"""Actors."""

import os
import time

import pytest
import trygon


class Plain:
    def greet(self):
        return "hello from the base"


@trygon.remote
class Counter(Plain):
    """Counts."""

    start = 10

    def __init__(self, value=0, *, step=1):
        self.value = value
        self.step = step

    def add(self, amount=None):
        self.value += self.step if amount is None else amount
        return self.value

    def read(self):
        return self.value

    def pid(self):
        return os.getpid()

    def fail(self):
        raise KeyError("inside")

    def die(self):
        os._exit(3)

    @trygon.method(num_returns=2)
    def pair(self):
        return self.value, self.step

    @staticmethod
    def double(x):
        return 2 * x

    @classmethod
    def begin(cls):
        return cls.start

    def call_me(self, callback):
        return trygon.get(callback(5))


def test_state_and_order(engine, empty_table):
    counter = Counter.remote(1, step=2)
    refs = [counter.add.remote() for _ in range(200)]
    assert trygon.get(refs) == [1 + 2 * i for i in range(1, 201)]
    assert trygon.get(counter.greet.remote()) == "hello from the base"
    assert trygon.get(counter.double.remote(4)) == 8
    assert trygon.get(counter.begin.remote()) == 10
    del counter, refs


def test_several_results_of_a_method(engine):
    counter = Counter.remote(4)
    value, step = counter.pair.remote()
    assert trygon.get([value, step]) == [4, 1]
    assert trygon.get(counter.pair.options(num_returns=1).remote()) == (4, 1)


def test_errors_do_not_end_it(engine):
    counter = Counter.remote()
    with pytest.raises(KeyError):
        trygon.get(counter.fail.remote())
    assert trygon.get(counter.add.remote()) == 1


def test_an_attribute_may_hide_a_method(engine):
    @trygon.remote
    class Account:
        def __init__(self):
            self.balance = 5

        def balance(self):
            return self.balance

    assert trygon.get(Account.remote().balance.remote()) == 5


def test_handles_travel(engine):
    counter = Counter.remote()

    @trygon.remote
    def use(box):
        return trygon.get(box["counter"].add.remote())

    assert trygon.get([use.remote({"counter": counter}) for _ in range(3)], timeout=20)[-1] <= 3
    assert trygon.get(counter.read.remote()) == 3
    same = trygon.get(trygon.put(counter))
    assert same == counter and hash(same) == hash(counter)
    assert trygon.get(same.read.remote()) == 3


def test_a_bound_method_is_a_callback(engine):
    counter, other = Counter.remote(), Counter.remote()
    assert trygon.get(other.call_me.remote(counter.add.remote), timeout=20) == 5
    assert trygon.get(counter.read.remote()) == 5


def test_named(engine):
    counter = Counter.options(name="central").remote(7)
    assert trygon.get(trygon.get_actor("central").read.remote()) == 7
    assert "central" in trygon.util.list_named_actors()
    with pytest.raises(trygon.exceptions.ActorAlreadyExistsError, match="central"):
        Counter.options(name="central").remote()
    with pytest.raises(ValueError):
        Counter.options(name="central").remote()
    again = Counter.options(name="central", get_if_exists=True).remote(99)
    assert again == counter and trygon.get(again.read.remote()) == 7

    @trygon.remote
    def from_elsewhere():
        return trygon.get(trygon.get_actor("central").add.remote(1))

    assert trygon.get(from_elsewhere.remote(), timeout=20) == 8
    other = Counter.options(name="central", namespace="elsewhere").remote(1)
    assert trygon.get(trygon.get_actor("central", "elsewhere").read.remote()) == 1
    del other


def test_names_that_are_not_there(engine):
    with pytest.raises(ValueError, match="no living actor named 'nobody'"):
        trygon.get_actor("nobody")
    for wrong in ("", None, 3):
        with pytest.raises(ValueError):
            trygon.get_actor(wrong)


def test_kill(engine):
    counter = Counter.remote()
    pid = trygon.get(counter.pid.remote())
    trygon.kill(counter)
    with pytest.raises(trygon.exceptions.ActorDiedError, match=r"trygon\.kill"):
        trygon.get(counter.read.remote(), timeout=10)
    assert not _alive(pid)
    with pytest.raises(ValueError, match="handle"):
        trygon.kill(trygon.put(1))


def _alive(pid):
    deadline = time.monotonic() + 1
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.01)
    return os.path.exists(f"/proc/{pid}")


def test_a_killed_name_is_free_again(engine):
    trygon.kill(Counter.options(name="short").remote())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            trygon.get_actor("short")
        except ValueError:
            break
        time.sleep(0.01)
    assert trygon.get(Counter.options(name="short").remote(3).read.remote()) == 3


def test_the_last_handle_ends_it_after_its_queue(engine):
    counter = Counter.remote()
    pid = trygon.get(counter.pid.remote())
    last = [counter.add.remote() for _ in range(50)][-1]
    del counter
    assert trygon.get(last, timeout=10) == 50
    deadline = time.monotonic() + 3
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}")


def test_a_temporary_handle(engine):
    assert trygon.get(Counter.remote(3).read.remote(), timeout=10) == 3


def test_a_handle_that_is_dropped_at_once(engine):
    ref = Counter.remote(3).read.remote()
    refs = [Counter.remote(i).add.remote() for i in range(5)]
    assert trygon.get(ref, timeout=10) == 3
    assert trygon.get(refs, timeout=10) == [i + 1 for i in range(5)]


def test_constructor_raises(engine):
    @trygon.remote
    class Broken:
        def __init__(self):
            raise RuntimeError("no good")

        def ping(self):
            return 1

    broken = Broken.remote()
    with pytest.raises(trygon.exceptions.ActorDiedError, match="no good") as caught:
        trygon.get(broken.ping.remote(), timeout=10)
    assert caught.value.actor_init_failed
    with pytest.raises(trygon.exceptions.RayActorError):
        trygon.get(broken.ping.remote(), timeout=10)


def test_restart(engine):
    @trygon.remote(max_restarts=1, max_task_retries=0)
    class Phoenix:
        def __init__(self, start):
            self.value = start

        def add(self):
            self.value += 1
            return self.value

        def die(self):
            os._exit(1)

        def again(self):
            return trygon.get_runtime_context().was_current_actor_reconstructed

    phoenix = Phoenix.remote(5)
    assert trygon.get([phoenix.add.remote(), phoenix.add.remote()]) == [6, 7]
    assert trygon.get(phoenix.again.remote()) is False
    with pytest.raises(trygon.exceptions.RayActorError):
        trygon.get(phoenix.die.remote(), timeout=10)
    assert _until_answer(phoenix.add) == 6
    assert trygon.get(phoenix.again.remote()) is True
    with pytest.raises(trygon.exceptions.RayActorError):
        trygon.get(phoenix.die.remote(), timeout=10)
    with pytest.raises(trygon.exceptions.ActorDiedError):
        trygon.get(phoenix.add.remote(), timeout=10)


def _until_answer(method):
    deadline = time.monotonic() + 10
    while True:
        try:
            return trygon.get(method.remote(), timeout=10)
        except trygon.exceptions.ActorUnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_method_retries(engine, tmp_path):
    @trygon.remote(max_restarts=-1, max_task_retries=3)
    class Flaky:
        def once(self, marker):
            if not os.path.exists(marker):
                open(marker, "w").close()
                os._exit(1)
            return "done"

    assert trygon.get(Flaky.remote().once.remote(str(tmp_path / "marker")), timeout=20) == "done"


def test_death_names_its_cause(engine):
    counter = Counter.remote()
    with pytest.raises(trygon.exceptions.ActorDiedError, match="code 3"):
        trygon.get(counter.die.remote(), timeout=10)


def test_exit_actor(engine):
    @trygon.remote(max_restarts=5)
    class Leaver:
        def leave(self):
            trygon.actor.exit_actor()

        def ping(self):
            return 1

    leaver = Leaver.remote()
    assert trygon.get(leaver.ping.remote()) == 1
    with pytest.raises(trygon.exceptions.ActorDiedError):
        trygon.get(leaver.leave.remote(), timeout=10)
    with pytest.raises(trygon.exceptions.ActorDiedError):
        trygon.get(leaver.ping.remote(), timeout=10)
    with pytest.raises(TypeError):
        trygon.actor.exit_actor()


def test_built_in_methods(engine):
    counter = Counter.remote(2)
    assert trygon.get(counter.__ray_ready__.remote()) is True
    assert trygon.get(counter.__ray_call__.remote(lambda self, x: self.value + x, 3)) == 5
    with pytest.raises(trygon.exceptions.ActorDiedError):
        trygon.get(counter.__ray_terminate__.remote(), timeout=10)


def test_many_actors_and_no_cpu_while_they_live(engine):
    counters = [Counter.remote(i) for i in range(12)]
    assert trygon.get([counter.read.remote() for counter in counters], timeout=30) == list(range(12))
    assert trygon.get(trygon.remote(lambda: 1).remote(), timeout=10) == 1


def test_held_resources(engine):
    first = Counter.options(num_cpus=1, resources={"widget": 2}).remote()
    trygon.get(first.read.remote())
    assert trygon.available_resources().get("widget", 0) == 0
    second = Counter.options(resources={"widget": 1}).remote()
    ready, _ = trygon.wait([second.read.remote()], timeout=0.3)
    assert not ready
    del first
    assert trygon.get(second.read.remote(), timeout=10) == 0


def test_references_as_arguments_of_the_constructor(engine):
    assert trygon.get(Counter.remote(trygon.put(8)).read.remote()) == 8
    assert trygon.get(Counter.remote(trygon.remote(lambda: 9).remote()).read.remote(), timeout=10) == 9


def test_actors_make_actors(engine):
    @trygon.remote
    class Parent:
        def __init__(self):
            self.child = Counter.remote(1)

        def ask(self):
            return trygon.get(self.child.add.remote())

        def give(self):
            return self.child

    parent = Parent.remote()
    assert trygon.get(parent.ask.remote(), timeout=20) == 2
    child = trygon.get(parent.give.remote())
    assert trygon.get(child.add.remote(), timeout=10) == 3


def test_current_actor(engine):
    @trygon.remote
    class Self:
        def me(self):
            return trygon.get_runtime_context().current_actor

        def ping(self):
            return "me"

    one = Self.remote()
    assert trygon.get(trygon.get(one.me.remote()).ping.remote()) == "me"


def test_wrong_use(engine):
    with pytest.raises(TypeError, match=r"Counter\.remote"):
        Counter()
    counter = Counter.remote()
    with pytest.raises(TypeError, match=r"\.add\.remote"):
        counter.add()
    with pytest.raises(AttributeError, match="Did you mean read"):
        counter.reed.remote()
    with pytest.raises(trygon.actor.ActorClassInheritanceException):

        class Sub(Counter):
            pass

    with pytest.raises(TypeError):
        trygon.method(lambda: 1, num_returns=2)
    with pytest.raises(ValueError, match="num_returns"):
        counter.add.options(num_return=2)


def test_an_actor_that_ended_long_ago_is_dead_for_those_who_still_have_its_handle(engine):
    @trygon.remote(num_cpus=0)
    class Short:
        def answer(self, value):
            return value

    first = Short.remote()
    bound = first.answer
    assert trygon.get(bound.remote(1)) == 1
    trygon.kill(first)
    # More than a process remembers.
    for _ in range(21):
        others = [Short.remote() for _ in range(50)]
        assert trygon.get([other.answer.remote(2) for other in others]) == [2] * 50
        for other in others:
            trygon.kill(other)
    for call in [bound, first.answer, bound]:
        with pytest.raises(trygon.exceptions.ActorDiedError) as caught:
            trygon.get(call.remote(3), timeout=10)
        assert first._actor_id.hex() in str(caught.value) and "restarts" not in str(caught.value)

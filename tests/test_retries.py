"""`retry_exceptions`: which errors of user code are tried again, how often, and what is said of it."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import trygon
from trygon.exceptions import RayTaskError, WorkerCrashedError


class Flaky(Exception):
    pass


class VeryFlaky(Flaky):
    pass


class Stubborn(Exception):
    """Its own text cannot be made."""

    def __str__(self):
        raise RuntimeError("no text")


def fail(path, kind, until=10**6):
    """Adds a mark to the file and raises until there are `until` of them."""
    with open(path, "a") as file:
        file.write("x")
    tries = os.path.getsize(path)
    if tries < until:
        raise kind(f"try {tries}")
    return tries


def tries_of(path):
    return os.path.getsize(path)


class TestTasks:
    @pytest.mark.parametrize(
        ("kind", "tries"),
        [(Flaky, 4), (VeryFlaky, 4), (ValueError, 4), (UnicodeError, 4), (KeyError, 1), (Exception, 1)],
    )
    def test_a_list_of_classes_and_their_subclasses(self, engine, tmp_path, kind, tries):
        work = trygon.remote(max_retries=3, retry_exceptions=[Flaky, ValueError])(fail)
        with pytest.raises(kind, match=f"try {tries}"):
            trygon.get(work.remote(tmp_path / "tries", kind), timeout=20)
        assert tries_of(tmp_path / "tries") == tries

    @pytest.mark.parametrize("option", [[Flaky], (Flaky,), True])
    def test_until_it_works(self, engine, tmp_path, option):
        work = trygon.remote(retry_exceptions=option)(fail)
        assert trygon.get(work.remote(tmp_path / "tries", VeryFlaky, 3), timeout=20) == 3

    @pytest.mark.parametrize("option", [False, []])
    def test_none(self, engine, tmp_path, option):
        work = trygon.remote(retry_exceptions=option)(fail)
        with pytest.raises(Flaky, match="try 1"):
            trygon.get(work.remote(tmp_path / "tries", Flaky), timeout=20)

    def test_without_limit(self, engine, tmp_path):
        work = trygon.remote(retry_exceptions=[Flaky], max_retries=-1)(fail)
        assert trygon.get(work.remote(tmp_path / "tries", Flaky, 50), timeout=20) == 50

    def test_no_retries_at_all(self, engine, tmp_path):
        work = trygon.remote(retry_exceptions=True, max_retries=0)(fail)
        with pytest.raises(Flaky, match="try 1"):
            trygon.get(work.remote(tmp_path / "tries", Flaky), timeout=20)

    def test_options_of_a_call(self, engine, tmp_path):
        work = trygon.remote(fail)
        once, twice = tmp_path / "once", tmp_path / "twice"
        with pytest.raises(Flaky):
            trygon.get(work.options(retry_exceptions=[ValueError]).remote(once, Flaky), timeout=20)
        with pytest.raises(Flaky):
            trygon.get(work.options(retry_exceptions=[Flaky], max_retries=1).remote(twice, Flaky), timeout=20)
        assert (tries_of(once), tries_of(twice)) == (1, 2)

    def test_deaths_and_errors_count_together(self, engine, tmp_path):
        @trygon.remote(max_retries=3, retry_exceptions=True)
        def mixed(path):
            with open(path, "a") as file:
                file.write("x")
            if os.path.getsize(path) % 2:
                os._exit(1)
            raise Flaky(os.path.getsize(path))

        with pytest.raises(Flaky, match="4"):
            trygon.get(mixed.remote(tmp_path / "tries"), timeout=20)
        assert tries_of(tmp_path / "tries") == 4

    def test_an_error_of_a_task_inside(self, engine, tmp_path):
        """What a nested `get` raises is an instance of the user's class too."""

        @trygon.remote(retry_exceptions=[Flaky], max_retries=2)
        def outer(path):
            return trygon.get(trygon.remote(fail).remote(path, Flaky, 3))

        assert trygon.get(outer.remote(tmp_path / "tries"), timeout=20) == 3

    def test_a_local_class(self, engine, tmp_path):
        class Local(Exception):
            pass

        work = trygon.remote(retry_exceptions=[Local])(fail)
        assert trygon.get(work.remote(tmp_path / "tries", Local, 2), timeout=20) == 2

    def test_an_exception_without_text(self, engine, tmp_path):
        work = trygon.remote(retry_exceptions=True, max_retries=1)(fail)
        with pytest.raises(RayTaskError):
            trygon.get(work.remote(tmp_path / "tries", Stubborn), timeout=20)
        assert tries_of(tmp_path / "tries") == 2

    def test_arguments_and_references_survive_the_retries(self, engine, tmp_path, empty_table):
        @trygon.remote(retry_exceptions=[Flaky])
        def add(path, array, refs):
            with open(path, "a") as file:
                file.write("x")
            if os.path.getsize(path) < 3:
                raise Flaky
            return len(array) + trygon.get(refs[0])

        big = trygon.put(b"x" * 1_000_000)
        assert trygon.get(add.remote(tmp_path / "tries", big, [trygon.put(5)]), timeout=20) == 1_000_005
        del big

    def test_several_results(self, engine, tmp_path):
        @trygon.remote(num_returns=2, retry_exceptions=[Flaky])
        def pair(path):
            return fail(path, Flaky, 2), 0

        assert trygon.get(pair.remote(tmp_path / "tries"), timeout=20) == [2, 0]

    def test_it_keeps_its_id_and_knows_its_attempt(self, engine, tmp_path):
        @trygon.remote(retry_exceptions=[Flaky])
        def ids(path):
            with open(path, "a") as file:
                file.write(trygon.get_runtime_context().get_task_id() + "\n")
            if len(Path(path).read_text().split()) < 3:
                raise Flaky

        trygon.get(ids.remote(tmp_path / "ids"), timeout=20)
        assert len(set((tmp_path / "ids").read_text().split())) == 1

    def test_many_at_once(self, engine):
        @trygon.remote(retry_exceptions=[Flaky], max_retries=-1)
        def unlucky(i):
            import random

            if random.random() < 0.5:
                raise Flaky
            return i

        assert trygon.get([unlucky.remote(i) for i in range(500)], timeout=60) == list(range(500))


@trygon.remote(max_task_retries=2)
class Actor:
    def __init__(self):
        self.calls = 0

    @trygon.method(retry_exceptions=True)
    def any(self, until):
        return self.step(until, Flaky)

    @trygon.method(retry_exceptions=[KeyError, Flaky], max_task_retries=4)
    def listed(self, until, kind):
        return self.step(until, kind)

    def plain(self, until, kind=Flaky):
        return self.step(until, kind)

    def step(self, until, kind):
        self.calls += 1
        if self.calls < until:
            raise kind(self.calls)
        return self.calls


class TestMethods:
    def test_any_error(self, engine):
        assert trygon.get(Actor.remote().any.remote(3), timeout=10) == 3
        with pytest.raises(Flaky, match="3"):
            trygon.get(Actor.remote().any.remote(9), timeout=10)

    def test_a_list_on_the_method(self, engine):
        assert trygon.get(Actor.remote().listed.remote(5, VeryFlaky), timeout=10) == 5
        with pytest.raises(KeyError, match="5"):
            trygon.get(Actor.remote().listed.remote(9, KeyError), timeout=10)
        with pytest.raises(ValueError, match="1"):
            trygon.get(Actor.remote().listed.remote(9, ValueError), timeout=10)

    def test_not_unless_asked(self, engine):
        with pytest.raises(Flaky, match="1"):
            trygon.get(Actor.remote().plain.remote(9), timeout=10)

    def test_options_of_a_call(self, engine):
        actor = Actor.remote()
        assert trygon.get(actor.plain.options(retry_exceptions=[Flaky]).remote(3), timeout=10) == 3
        actor = Actor.options(max_task_retries=0).remote()
        with pytest.raises(Flaky, match="1"):
            trygon.get(actor.plain.options(retry_exceptions=True).remote(3), timeout=10)

    def test_order_is_kept(self, one_cpu):
        """A call that is tried again goes before those made after it, as far as they have not been sent."""
        actor = Actor.remote()
        first = actor.listed.remote(4, Flaky)
        assert trygon.get(first, timeout=10) == 4
        assert trygon.get(actor.plain.remote(0), timeout=10) == 5

    def test_a_handle_that_was_sent(self, engine):
        @trygon.remote
        def use(actor):
            return trygon.get(actor.listed.remote(3, Flaky))

        assert trygon.get(use.remote(Actor.remote()), timeout=10) == 3

    @pytest.mark.parametrize("max_concurrency", [2])
    def test_a_threaded_actor(self, engine, max_concurrency):
        actor = Actor.options(max_concurrency=max_concurrency).remote()
        assert trygon.get(actor.any.remote(3), timeout=10) == 3

    def test_an_async_actor(self, engine):
        @trygon.remote(max_task_retries=3)
        class Async:
            def __init__(self):
                self.calls = 0

            @trygon.method(retry_exceptions=[Flaky])
            async def flaky(self, until):
                self.calls += 1
                if self.calls < until:
                    raise Flaky
                return self.calls

        assert trygon.get(Async.remote().flaky.remote(4), timeout=10) == 4


class TestOptions:
    @pytest.mark.parametrize("value", [5, "yes", None, ValueError])
    def test_wrong_types(self, value):
        for make in (
            lambda: trygon.remote(retry_exceptions=value)(fail),
            lambda: trygon.remote(fail).options(retry_exceptions=value),
            lambda: trygon.method(retry_exceptions=value),
        ):
            with pytest.raises(TypeError, match="retry_exceptions must be True, False or a list"):
                make()

    @pytest.mark.parametrize("value", [[5], [ValueError, "x"], [KeyboardInterrupt], [int]])
    def test_wrong_members(self, value):
        with pytest.raises(ValueError, match="subclasses of Exception"):
            trygon.remote(retry_exceptions=value)(fail)

    def test_a_class_that_cannot_be_sent(self, engine):
        import threading

        class Odd(Exception):
            lock = threading.Lock()

        with pytest.raises(TypeError, match="Odd"):
            trygon.remote(retry_exceptions=[Odd])(fail)

    def test_wrong_options_of_a_method(self, engine):
        actor = Actor.remote()
        with pytest.raises(ValueError, match="subclasses of Exception"):
            actor.plain.options(retry_exceptions=[5])


PROGRAM = """
import os, trygon
trygon.init(num_cpus=2)

@trygon.remote(max_retries=2, retry_exceptions=[ValueError])
def shaky(path):
    with open(path, "a") as file:
        file.write("x")
    raise ValueError("weak knees\\nsecond line")

@trygon.remote(max_retries=1)
def mortal():
    os._exit(3)

@trygon.remote
def outer(path):
    try:
        trygon.get(shaky.options(name="inner").remote(path))
    except ValueError:
        pass

for call in (shaky.remote({path!r}), mortal.remote(), outer.remote({path!r} + "2")):
    try:
        trygon.get(call)
    except Exception as error:
        print(type(error).__name__)
trygon.shutdown()
"""


def test_each_retry_is_logged_once_with_its_reason(tmp_path):
    program = textwrap.dedent(PROGRAM.format(path=str(tmp_path / "tries")))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "is tried again" in line]
    shaky = [line for line in lines if "shaky is tried again" in line]
    assert len(shaky) == 2, lines
    assert "after attempt 1: it raised ValueError: weak knees (1 retry is left after it)" in shaky[0]
    assert "after attempt 2: it raised ValueError: weak knees (this is the last retry)" in shaky[1]
    mortal = [line for line in lines if "mortal is tried again" in line]
    assert len(mortal) == 1 and "exited with code 3" in mortal[0], lines
    assert len([line for line in lines if "inner is tried again" in line]) == 2, lines
    assert len(lines) == 5, lines


def test_a_death_after_a_cancel_is_no_crash(engine, tmp_path):
    """A worker that dies by itself while its cancelled task runs: the task counts as cancelled."""

    @trygon.remote(max_retries=3)
    def dies(path):
        with open(path, "a") as file:
            file.write("x")
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            os._exit(1)

    task = dies.remote(tmp_path / "tries")
    while not (tmp_path / "tries").exists():
        time.sleep(0.005)
    time.sleep(0.05)
    trygon.cancel(task)
    with pytest.raises(trygon.exceptions.TaskCancelledError):
        trygon.get(task, timeout=10)
    assert tries_of(tmp_path / "tries") == 1
    assert not issubclass(trygon.exceptions.TaskCancelledError, WorkerCrashedError)

"""`cancel`: what waits is dropped, what runs is interrupted, and the process lives on."""

import os
import threading
import time
from pathlib import Path

import pytest
import trygon
from cancelling import SOON_S, ends_cancelled, process_id, sleep, wait_for
from trygon.exceptions import RayTaskError, TaskCancelledError


@trygon.remote
def spin(path):
    Path(path).touch()
    while True:
        pass


@trygon.remote
def blocked_get(path, refs):
    Path(path).touch()
    return trygon.get(refs[0])


@trygon.remote
def blocked_wait(path, refs):
    Path(path).touch()
    return trygon.wait(refs)


@trygon.remote
def blocked_lock(path):
    lock = threading.Lock()
    lock.acquire(timeout=threading.TIMEOUT_MAX)
    Path(path).touch()
    lock.acquire(timeout=threading.TIMEOUT_MAX)


class TestRunning:
    @pytest.mark.parametrize("what", ["sleep", "spin", "get", "wait", "lock", "get-in-thread"])
    def test_is_interrupted_at_once_and_the_process_lives_on(self, one_cpu, tmp_path, what):
        before = trygon.get(process_id.remote())
        never = trygon.remote(num_cpus=50)(lambda: None).remote()
        started = tmp_path / "started"

        @trygon.remote
        def get_beside_a_thread(path, refs):
            threading.Thread(target=lambda: trygon.wait(refs, timeout=3), daemon=True).start()
            time.sleep(0.1)
            Path(path).touch()
            trygon.get(refs[0])

        task = {
            "sleep": lambda: sleep.remote(started),
            "spin": lambda: spin.remote(started),
            "get": lambda: blocked_get.remote(started, [never]),
            "wait": lambda: blocked_wait.remote(started, [never]),
            "lock": lambda: blocked_lock.remote(started),
            "get-in-thread": lambda: get_beside_a_thread.remote(started, [never]),
        }[what]()
        wait_for(started)
        time.sleep(0.05)
        trygon.cancel(task)
        assert ends_cancelled(task) < SOON_S
        assert trygon.get(process_id.remote(), timeout=5) == before
        trygon.cancel(never)

    def test_latency(self, one_cpu, tmp_path):
        """Within 100 ms, median of many."""
        times = []
        for number in range(20):
            started = tmp_path / str(number)
            task = (sleep if number % 2 else spin).remote(started)
            wait_for(started)
            trygon.cancel(task)
            times.append(ends_cancelled(task))
        assert sorted(times)[10] < 0.1, times

    def test_one_that_swallows_the_interrupt_gives_its_result(self, engine, tmp_path):
        @trygon.remote
        def stubborn(path):
            try:
                Path(path).touch()
                time.sleep(60)
            except KeyboardInterrupt:
                return "went on", trygon.get_runtime_context().is_canceled()

        task = stubborn.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        trygon.cancel(task)
        assert trygon.get(task, timeout=5) == ("went on", True)

    def test_one_that_went_on_can_be_cancelled_again(self, engine, tmp_path):
        @trygon.remote
        def twice(first, second):
            try:
                Path(first).touch()
                time.sleep(60)
            except KeyboardInterrupt:
                Path(second).touch()
                time.sleep(60)

        task = twice.remote(tmp_path / "first", tmp_path / "second")
        for name in ("first", "second"):
            wait_for(tmp_path / name)
            trygon.cancel(task)
        ends_cancelled(task)

    def test_another_error_arrives_and_is_not_retried(self, engine, tmp_path):
        @trygon.remote(retry_exceptions=True, max_retries=5)
        def turns(path):
            try:
                with open(path, "a") as file:
                    file.write("x")
                time.sleep(60)
            except KeyboardInterrupt:
                raise ValueError("cleaned up") from None

        task = turns.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        time.sleep(0.05)
        trygon.cancel(task)
        with pytest.raises(ValueError, match="cleaned up"):
            trygon.get(task, timeout=5)
        time.sleep(0.2)
        assert os.path.getsize(tmp_path / "started") == 1

    def test_the_error_names_the_task(self, engine, tmp_path):
        task = sleep.options(name="night watch").remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        trygon.cancel(task)
        with pytest.raises(TaskCancelledError, match="night watch") as caught:
            trygon.get(task, timeout=5)
        assert caught.value.task_id == task.task_id().hex()
        # As Ray's: one that was interrupted is also an error of the task, and says where.
        assert isinstance(caught.value, RayTaskError)
        assert "time.sleep" in str(caught.value)

    def test_finally_and_context_managers_run(self, engine, tmp_path):
        @trygon.remote
        def careful(path):
            try:
                (path / "started").touch()
                time.sleep(60)
            finally:
                (path / "cleaned").touch()

        task = careful.remote(tmp_path)
        wait_for(tmp_path / "started")
        trygon.cancel(task)
        ends_cancelled(task)
        assert (tmp_path / "cleaned").exists()

    def test_several_results(self, engine, tmp_path):
        refs = sleep.options(num_returns=3).remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        trygon.cancel(refs[1])
        for ref in refs:
            ends_cancelled(ref)

    def test_those_that_wait_for_it_fail_with_it(self, engine, tmp_path):
        task = sleep.remote(tmp_path / "started")
        double = trygon.remote(lambda x: x * 2)
        dependent = double.remote(double.remote(task))
        wait_for(tmp_path / "started")
        trygon.cancel(task)
        ends_cancelled(dependent)


class TestTheRightOne:
    def test_an_interrupt_never_reaches_the_next_task(self, one_cpu):
        """Tasks about as long as a cancel takes: whichever wins, no other task sees anything of it."""

        @trygon.remote
        def brief(i):
            end = time.perf_counter() + 0.0005
            while time.perf_counter() < end:
                pass
            return i

        for _ in range(300):
            victim, bystander = brief.remote(-1), brief.remote(7)
            trygon.cancel(victim)
            try:
                assert trygon.get(victim, timeout=10) == -1
            except TaskCancelledError:
                pass
            assert trygon.get(bystander, timeout=10) == 7

    def test_a_storm_of_cancels_on_running_tasks(self, engine):
        """Every result is the value or the error of a cancelled task, and the engine counts right afterwards."""

        @trygon.remote(max_retries=0)
        def work(i):
            total = 0
            for number in range(3000):
                total += number
            return i

        refs = [work.remote(i) for i in range(4000)]
        for ref in refs[::2]:
            trygon.cancel(ref)
        for i, ref in enumerate(refs):
            try:
                assert trygon.get(ref, timeout=30) == i
            except TaskCancelledError:
                assert i % 2 == 0
        assert trygon.get(work.remote(5), timeout=10) == 5

    def test_one_that_comes_in_a_finalizer_comes_again(self, engine, tmp_path):
        """Python lets no exception out of `__del__`: the first interrupt is lost there."""

        @trygon.remote
        def finalizes(path):
            class Slow:
                def __del__(self):
                    path.touch()
                    end = time.monotonic() + 0.3
                    while time.monotonic() < end:
                        pass

            thing = Slow()
            del thing
            time.sleep(60)

        task = finalizes.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        trygon.cancel(task)
        assert ends_cancelled(task) < SOON_S

    def test_signal_handlers_of_the_user_stay(self, engine, tmp_path):
        @trygon.remote
        def with_handler(path):
            import signal

            seen = []
            signal.signal(signal.SIGINT, lambda *_: seen.append("SIGINT"))
            try:
                Path(path).touch()
                time.sleep(60)
            except KeyboardInterrupt:
                return seen

        task = with_handler.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        trygon.cancel(task)
        assert trygon.get(task, timeout=5) == []

    def test_a_task_that_has_ended_stays_as_it_is(self, engine):
        done = trygon.remote(lambda: 5).remote()
        assert trygon.get(done) == 5
        trygon.cancel(done)
        trygon.cancel(done, force=True)
        assert trygon.get(done) == 5

    def test_an_object_that_was_put(self, engine):
        ref = trygon.put(1)
        trygon.cancel(ref)
        assert trygon.get(ref) == 1


class TestWaiting:
    def test_a_hundred_thousand_within_a_second(self, one_cpu, tmp_path):
        blocker = sleep.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        never_run = trygon.remote(lambda path: Path(path).touch())
        refs = [never_run.remote(tmp_path / "ran") for _ in range(100_000)]
        began = time.monotonic()
        for ref in refs:
            trygon.cancel(ref)
        for ref in (refs[0], refs[50_000], refs[-1]):
            ends_cancelled(ref)
        took = time.monotonic() - began
        trygon.cancel(blocker)
        ends_cancelled(blocker)
        assert trygon.get(process_id.remote(), timeout=5) > 0
        assert not (tmp_path / "ran").exists()
        assert took < 1, took

    @pytest.mark.parametrize("order", ["forwards", "backwards", "every other"])
    def test_those_left_still_run(self, one_cpu, tmp_path, order):
        blocker = sleep.remote(tmp_path / "started", 0.3)
        wait_for(tmp_path / "started")
        echo = trygon.remote(lambda i: i)
        refs = [echo.remote(i) for i in range(2000)]
        chosen = {
            "forwards": range(1500),
            "backwards": range(1999, 500, -1),
            "every other": range(0, 2000, 2),
        }[order]
        for i in chosen:
            trygon.cancel(refs[i])
        chosen = set(chosen)
        for i, ref in enumerate(refs):
            if i in chosen:
                ends_cancelled(ref)
            else:
                assert trygon.get(ref, timeout=10) == i
        trygon.get(blocker, timeout=5)

    def test_for_an_argument(self, engine, tmp_path):
        argument = sleep.remote(tmp_path / "started", 0.4)
        waits = trygon.remote(lambda x: 1).remote(argument)
        trygon.cancel(waits)
        assert ends_cancelled(waits) < 0.3
        assert trygon.get(argument, timeout=5) is None

    def test_for_resources_that_do_not_exist(self, engine):
        ref = trygon.remote(num_cpus=1000)(lambda: 1).remote()
        time.sleep(0.1)
        trygon.cancel(ref)
        assert ends_cancelled(ref) < SOON_S

    def test_nothing_is_left_in_the_table(self, engine, empty_table, tmp_path):
        refs = [sleep.remote(tmp_path / str(i)) for i in range(50)]
        time.sleep(0.3)
        for ref in refs:
            trygon.cancel(ref)
        for ref in refs:
            ends_cancelled(ref)
        del refs, ref


@trygon.remote
class Nothing:
    pass


class TestArguments:
    @pytest.mark.parametrize("value", [1, None, "ref", [1]])
    def test_what_is_no_reference(self, engine, value):
        with pytest.raises(TypeError, match=r"cancel\(\) takes the ObjectRef"):
            trygon.cancel(value)

    def test_a_list_and_an_actor(self, engine):
        ref = trygon.put(1)
        with pytest.raises(TypeError, match="one by one"):
            trygon.cancel([ref])
        with pytest.raises(TypeError, match="kill"):
            trygon.cancel(Nothing.remote())
        with pytest.raises(TypeError, match="positional"):
            trygon.cancel(ref, True)
        with pytest.raises(TypeError, match="force"):
            trygon.cancel(ref, force=1)

    def test_unpacked(self, engine, tmp_path):
        refs = [sleep.remote(tmp_path / "started")]
        wait_for(tmp_path / "started")
        trygon.cancel(*refs)
        ends_cancelled(refs[0])

    def test_is_canceled_in_the_driver(self, engine):
        with pytest.raises(RuntimeError, match="driver"):
            trygon.get_runtime_context().is_canceled()

    def test_is_canceled_in_a_task_that_is_not(self, engine):
        assert trygon.get(trygon.remote(lambda: trygon.get_runtime_context().is_canceled()).remote()) is False

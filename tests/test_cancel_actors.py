"""`cancel` of calls of actors: plain, threaded and async ones."""

import asyncio
import time
from pathlib import Path

import pytest
import trygon
from cancelling import SOON_S, ends_cancelled, sleep, wait_for
from trygon.exceptions import TaskCancelledError


@trygon.remote
class Counter:
    def __init__(self):
        self.calls = 0

    def count(self):
        self.calls += 1
        return self.calls

    def nap(self, path, seconds):
        Path(path).touch()
        time.sleep(seconds)
        return "slept"

    def watch(self, path, seconds, raises=False):
        Path(path).touch()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if trygon.get_runtime_context().is_canceled():
                (Path(path).parent / "seen").touch()
                if raises:
                    raise ValueError("stopped early")
                return "seen"
            time.sleep(0.005)
        return "never"


class TestActors:
    def test_a_waiting_call_is_dropped(self, engine, tmp_path):
        actor = Counter.remote()
        nap = actor.nap.remote(tmp_path / "started", 0.5)
        wait_for(tmp_path / "started")
        calls = [actor.count.remote() for _ in range(10)]
        for call in calls[:9]:
            trygon.cancel(call)
        assert ends_cancelled(calls[0]) < 0.3
        assert trygon.get(calls[9], timeout=5) == 1
        assert trygon.get(nap) == "slept"

    def test_a_hundred_thousand_within_a_second(self, engine, tmp_path):
        actor = Counter.remote()
        nap = actor.nap.remote(tmp_path / "started", 4)
        wait_for(tmp_path / "started")
        calls = [actor.count.remote() for _ in range(100_000)]
        began = time.monotonic()
        for call in calls:
            trygon.cancel(call)
        for call in (calls[0], calls[5000], calls[-1]):
            ends_cancelled(call)
        took = time.monotonic() - began
        trygon.kill(actor)
        del nap
        assert took < 1, took

    def test_before_the_actor_exists(self, engine):
        actor = Counter.options(num_cpus=100).remote()
        calls = [actor.count.remote() for _ in range(5)]
        for call in calls:
            trygon.cancel(call)
        for call in calls:
            assert ends_cancelled(call) < SOON_S

    def test_one_that_waits_for_an_argument_holds_nobody_back(self, engine, tmp_path):
        actor = Counter.remote()
        late = sleep.remote(tmp_path / "late", 2)
        held = trygon.remote(lambda x: 0).remote(late)
        blocked = actor.nap.remote(tmp_path / "never", held)
        after = actor.count.remote()
        time.sleep(0.1)
        trygon.cancel(blocked)
        assert trygon.get(after, timeout=1) == 1
        ends_cancelled(blocked)
        assert not (tmp_path / "never").exists()
        trygon.cancel(late)

    @pytest.mark.parametrize("max_concurrency", [1, 3])
    def test_a_running_call_sees_the_flag_and_goes_on(self, engine, tmp_path, max_concurrency):
        actor = Counter.options(max_concurrency=max_concurrency).remote()
        call = actor.watch.remote(tmp_path / "started", 10)
        wait_for(tmp_path / "started")
        trygon.cancel(call)
        assert ends_cancelled(call) < SOON_S
        assert (tmp_path / "seen").exists()
        other = actor.watch.remote(tmp_path / "again", 0.05)
        assert trygon.get(other, timeout=5) == "never"

    def test_one_that_does_not_look_ends_by_itself(self, engine, tmp_path):
        actor = Counter.remote()
        call = actor.nap.remote(tmp_path / "started", 0.4)
        wait_for(tmp_path / "started")
        trygon.cancel(call)
        assert ends_cancelled(call) > 0.2
        assert trygon.get(actor.count.remote(), timeout=5) == 1

    def test_its_own_error_arrives(self, engine, tmp_path):
        actor = Counter.remote()
        call = actor.watch.remote(tmp_path / "started", 10, raises=True)
        wait_for(tmp_path / "started")
        trygon.cancel(call)
        with pytest.raises(ValueError, match="stopped early"):
            trygon.get(call, timeout=5)

    def test_force_is_refused(self, engine):
        actor = Counter.remote()
        call = actor.count.remote()
        with pytest.raises(ValueError, match="force=True"):
            trygon.cancel(call, force=True)
        assert trygon.get(call) == 1

    def test_a_queue_of_a_threaded_actor(self, engine, tmp_path):
        actor = Counter.options(max_concurrency=2).remote()
        naps = [actor.nap.remote(tmp_path / str(i), 0.6) for i in range(2)]
        for i in range(2):
            wait_for(tmp_path / str(i))
        call = actor.nap.remote(tmp_path / "never", 1)
        time.sleep(0.05)
        trygon.cancel(call)
        assert ends_cancelled(call) < 0.4
        assert trygon.get(naps, timeout=5) == ["slept", "slept"]
        assert trygon.get(actor.count.remote(), timeout=5) == 1
        assert not (tmp_path / "never").exists()

    def test_children_of_a_call(self, engine, tmp_path):
        @trygon.remote
        class Parent:
            def run(self, path):
                ref = sleep.remote(path / "child")
                try:
                    trygon.get(ref)
                except TaskCancelledError:
                    (path / "told").touch()
                    raise

        actor = Parent.options(max_concurrency=2).remote()
        call = actor.run.remote(tmp_path)
        wait_for(tmp_path / "child")
        trygon.cancel(call)
        ends_cancelled(call)
        assert (tmp_path / "told").exists()


@trygon.remote
class Loop:
    async def nap(self, path, seconds):
        Path(path).touch()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            (Path(path).parent / f"cancelled-{Path(path).name}").touch()
            raise
        return "slept"

    async def stubborn(self, path):
        Path(path).touch()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "swallowed"

    async def flag(self, path):
        Path(path).touch()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError(trygon.get_runtime_context().is_canceled()) from None

    async def value(self, x):
        return x


class TestAsyncActors:
    def test_its_task_is_cancelled(self, engine, tmp_path):
        actor = Loop.remote()
        other = actor.nap.remote(tmp_path / "other", 0.5)
        call = actor.nap.remote(tmp_path / "started", 60)
        wait_for(tmp_path / "started")
        trygon.cancel(call)
        assert ends_cancelled(call) < SOON_S
        assert (tmp_path / "cancelled-started").exists()
        assert trygon.get(other, timeout=5) == "slept"
        assert trygon.get(actor.value.remote(3), timeout=5) == 3

    def test_swallowed(self, engine, tmp_path):
        actor = Loop.remote()
        call = actor.stubborn.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        trygon.cancel(call)
        assert ends_cancelled(call) < SOON_S

    def test_is_canceled(self, engine, tmp_path):
        actor = Loop.remote()
        call = actor.flag.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        trygon.cancel(call)
        with pytest.raises(ValueError, match="True"):
            trygon.get(call, timeout=5)

    def test_one_that_waits_for_its_turn(self, engine, tmp_path):
        actor = Loop.options(max_concurrency=1).remote()
        first = actor.nap.remote(tmp_path / "first", 0.5)
        second = actor.nap.remote(tmp_path / "second", 1)
        third = actor.value.remote(3)
        wait_for(tmp_path / "first")
        time.sleep(0.05)
        trygon.cancel(second)
        assert ends_cancelled(second) < 0.3
        assert trygon.get([first, third], timeout=5) == ["slept", 3]
        assert not (tmp_path / "second").exists()

    def test_at_once(self, engine, tmp_path):
        """Cancelled as soon as they are sent: not one is lost, whether it had begun or not."""
        actor = Loop.remote()
        trygon.get(actor.value.remote(0))
        for number in range(100):
            call = actor.nap.remote(tmp_path / str(number), 60)
            trygon.cancel(call)
            ends_cancelled(call)
        assert trygon.get(actor.value.remote(1), timeout=5) == 1

    def test_a_hundred_thousand(self, engine, tmp_path):
        actor = Loop.options(max_concurrency=2).remote()
        naps = [actor.nap.remote(tmp_path / str(i), 60) for i in range(2)]
        for i in range(2):
            wait_for(tmp_path / str(i))
        calls = [actor.value.remote(i) for i in range(20_000)]
        began = time.monotonic()
        for call in calls + naps:
            trygon.cancel(call)
        for call in (calls[0], calls[-1], *naps):
            ends_cancelled(call)
        assert time.monotonic() - began < 2
        assert trygon.get(actor.value.remote(1), timeout=10) == 1

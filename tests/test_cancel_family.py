"""`cancel` with force, of children, and of what other processes own."""

import os
import time
from pathlib import Path

import pytest
import trygon
from cancelling import FOR_EVER_S, SOON_S, ends_cancelled, process_id, sleep, wait_for
from trygon.exceptions import TaskCancelledError, WorkerCrashedError


class TestForce:
    def test_ends_the_process_with_its_children(self, engine, tmp_path):
        @trygon.remote
        def stubborn(path):
            import subprocess

            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            (path / "pids").write_text(f"{os.getpid()} {child.pid}")
            (path / "started").touch()
            while True:
                try:
                    time.sleep(60)
                except KeyboardInterrupt:
                    pass

        task = stubborn.remote(tmp_path)
        wait_for(tmp_path / "started")
        began = time.monotonic()
        trygon.cancel(task, force=True)
        with pytest.raises((TaskCancelledError, WorkerCrashedError)) as caught:
            trygon.get(task, timeout=5)
        assert isinstance(caught.value, TaskCancelledError)
        assert time.monotonic() - began < 1
        for pid in (tmp_path / "pids").read_text().split():
            deadline = time.monotonic() + 3
            while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not Path(f"/proc/{pid}").exists()
        time.sleep(0.2)
        assert trygon.get(process_id.remote(), timeout=10) > 0

    def test_is_not_retried(self, engine, tmp_path):
        @trygon.remote(max_retries=-1)
        def once(path):
            with open(path, "a") as file:
                file.write("x")
            time.sleep(60)

        task = once.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        time.sleep(0.05)
        trygon.cancel(task, force=True)
        ends_cancelled(task)
        time.sleep(0.3)
        assert os.path.getsize(tmp_path / "started") == 1

    def test_a_waiting_task_is_only_dropped(self, one_cpu, tmp_path):
        blocker = sleep.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        waits = process_id.remote()
        trygon.cancel(waits, force=True)
        ends_cancelled(waits)
        trygon.cancel(blocker, force=True)
        ends_cancelled(blocker)

    def test_what_else_was_sent_to_the_process_runs_elsewhere(self, one_cpu, tmp_path):
        blocker = sleep.remote(tmp_path / "started")
        others = [process_id.remote() for _ in range(20)]
        wait_for(tmp_path / "started")
        trygon.cancel(blocker, force=True)
        assert all(pid > 0 for pid in trygon.get(others, timeout=10))


@trygon.remote
def tree(path, depth):
    """Two children at each level; the leaves sleep."""
    if depth == 0:
        (path / f"leaf-{os.getpid()}").touch()
        time.sleep(FOR_EVER_S)
    try:
        trygon.get([tree.remote(path, depth - 1) for _ in range(2)])
    finally:
        (path / f"left-{time.monotonic_ns()}").touch()


class TestChildren:
    @pytest.mark.parametrize("force", [False, True])
    def test_are_cancelled_to_any_depth(self, engine, tmp_path, force):
        task = tree.remote(tmp_path, 2)
        deadline = time.monotonic() + 10
        while len(list(tmp_path.glob("leaf-*"))) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        leaves = [int(path.name.split("-")[1]) for path in tmp_path.glob("leaf-*")]
        assert len(leaves) == 4
        trygon.cancel(task, force=force)
        ends_cancelled(task)
        # All four CPUs are free again: nothing sleeps any more.
        meet = trygon.remote(lambda: time.sleep(0.2))
        trygon.get([meet.remote() for _ in range(4)], timeout=10)
        deadline = time.monotonic() + 3
        while trygon.available_resources().get("CPU") != 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert trygon.available_resources()["CPU"] == 4

    def test_live_on_when_asked_to(self, engine, tmp_path):
        @trygon.remote
        def child(path):
            time.sleep(0.4)
            (path / "finished").touch()

        @trygon.remote
        def parent(path):
            ref = child.remote(path)
            (path / "started").touch()
            trygon.get(ref)

        task = parent.remote(tmp_path)
        wait_for(tmp_path / "started")
        trygon.cancel(task, recursive=False)
        assert ends_cancelled(task) < 0.3
        wait_for(tmp_path / "finished")

    def test_of_earlier_tasks_are_let_be(self, one_cpu, tmp_path):
        """One process runs both parents: only the children of the cancelled one are cancelled."""

        @trygon.remote(num_cpus=0)
        def child(seconds):
            time.sleep(seconds)
            return seconds

        @trygon.remote
        def first():
            return [child.remote(0.5)]

        @trygon.remote
        def second(path):
            ref = child.remote(60)
            (path / "started").touch()
            trygon.get(ref)

        [early] = trygon.get(first.remote())
        task = second.remote(tmp_path)
        wait_for(tmp_path / "started")
        trygon.cancel(task)
        ends_cancelled(task)
        assert trygon.get(early, timeout=5) == 0.5


class TestOtherOwners:
    def test_a_borrowed_reference(self, engine, tmp_path):
        @trygon.remote
        class Owner:
            def submit(self, path):
                self.ref = [sleep.remote(path)]
                return self.ref

        owner = Owner.remote()
        [ref] = trygon.get(owner.submit.remote(tmp_path / "started"))
        wait_for(tmp_path / "started")
        trygon.cancel(ref)
        assert ends_cancelled(ref) < SOON_S

    def test_from_inside_a_task(self, engine, tmp_path):
        @trygon.remote
        def stop(refs, force):
            trygon.cancel(refs[0], force=force)

        for force in (False, True):
            task = sleep.remote(tmp_path / str(force))
            wait_for(tmp_path / str(force))
            trygon.get(stop.remote([task], force))
            assert ends_cancelled(task) < SOON_S

    def test_a_forced_actor_call_of_another_owner(self, engine, tmp_path):
        @trygon.remote
        class Sleeper:
            def nap(self, path):
                Path(path).touch()
                time.sleep(0.3)
                return 1

        @trygon.remote
        def stop(refs):
            try:
                trygon.cancel(refs[0], force=True)
            except ValueError as error:
                return str(error)

        actor = Sleeper.remote()
        call = actor.nap.remote(tmp_path / "started")
        wait_for(tmp_path / "started")
        assert "force=True" in trygon.get(stop.remote([call]), timeout=5)
        assert trygon.get(call, timeout=5) == 1

    def test_a_reference_whose_owner_died(self, engine, tmp_path):
        @trygon.remote
        class Owner:
            def submit(self, path):
                self.ref = [sleep.remote(path)]
                return self.ref

        owner = Owner.remote()
        [ref] = trygon.get(owner.submit.remote(tmp_path / "started"))
        wait_for(tmp_path / "started")
        trygon.kill(owner)
        time.sleep(0.2)
        trygon.cancel(ref)
        trygon.cancel(ref, force=True)


@trygon.remote
def numbers(path, count):
    yield from range(count)
    Path(path).touch()
    time.sleep(FOR_EVER_S)


def left_of(stream):
    """What is left of a stream: its values, then the error of a cancelled task, then its end."""
    values = []
    with pytest.raises(TaskCancelledError):
        for ref in stream:
            values.append(trygon.get(ref, timeout=5))
    assert list(stream) == []
    return values


class TestGenerators:
    @pytest.mark.parametrize("force", [False, True])
    def test_one_that_runs(self, engine, tmp_path, force):
        stream = numbers.remote(tmp_path / "started", 3)
        wait_for(tmp_path / "started")
        trygon.cancel(stream, force=force)
        assert left_of(stream) == [0, 1, 2]

    def test_one_that_waits_to_be_read(self, one_cpu, tmp_path):
        stream = numbers.options(_generator_backpressure_num_objects=2).remote(tmp_path / "never", 10**6)
        assert trygon.get(next(stream), timeout=5) == 0
        before = trygon.get(process_id.options(num_cpus=0).remote(), timeout=5)
        time.sleep(0.1)
        trygon.cancel(stream)
        # Reading goes on while the interrupt is on its way.
        assert len(left_of(stream)) < 10**6 - 1
        assert before > 0 and trygon.get(process_id.remote(), timeout=5) > 0
        assert not (tmp_path / "never").exists()

    def test_one_that_has_not_begun(self, one_cpu, tmp_path):
        blocker = sleep.remote(tmp_path / "blocks")
        wait_for(tmp_path / "blocks")
        stream = numbers.remote(tmp_path / "never", 3)
        trygon.cancel(stream)
        assert left_of(stream) == []
        trygon.cancel(blocker)
        ends_cancelled(blocker)

    def test_of_an_actor(self, engine, tmp_path):
        @trygon.remote
        class Source:
            def plain(self, path):
                yield 0
                Path(path).touch()
                while not trygon.get_runtime_context().is_canceled():
                    time.sleep(0.01)

            def one(self):
                return 1

        @trygon.remote
        class Loop:
            async def items(self, path):
                import asyncio

                yield 0
                Path(path).touch()
                await asyncio.sleep(FOR_EVER_S)

            async def one(self):
                return 1

        source, loop = Source.remote(), Loop.remote()
        for actor, stream, name in (
            (source, source.plain.remote(tmp_path / "plain"), "plain"),
            (loop, loop.items.remote(tmp_path / "loop"), "loop"),
        ):
            wait_for(tmp_path / name)
            trygon.cancel(stream)
            assert left_of(stream) == [0]
            assert trygon.get(actor.one.remote(), timeout=5) == 1

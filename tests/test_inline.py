"""The inline mode: the same programs in both modes, and what only this one does."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path

import leaks
import pytest
import same_concurrency
import same_programs
import trygon
from terminal import Terminal
from trygon.exceptions import RaySystemError, TaskCancelledError


@pytest.fixture
def inline():
    with trygon.init(mode="inline", num_cpus=4) as context:
        yield context


@pytest.mark.parametrize("program", same_programs.ALL + same_concurrency.ALL, ids=lambda program: program.__name__)
def test_same_in_both_modes(program):
    with trygon.init(num_cpus=4):
        expected = program()
    gc.collect()
    with trygon.init(num_cpus=4, mode="inline"):
        observed = program()
    assert observed == expected


def test_it_starts_in_about_a_millisecond(inline):
    taken_s = []
    for _ in range(20):
        trygon.shutdown()
        began = time.thread_time()
        trygon.init(mode="inline")
        taken_s.append(time.thread_time() - began)
    assert min(taken_s) < 0.002


def test_neither_processes_nor_threads(inline):
    add = trygon.remote(lambda x: x + 1)
    processes, threads = leaks.engine_processes(), threading.active_count()
    for i in range(50):
        assert trygon.get(add.remote(i)) == i + 1
    assert leaks.engine_processes() == processes
    # One sees to it that what nobody waits for runs; it goes when there is nothing.
    assert threading.active_count() <= threads + 1


def test_a_waiting_thread_runs_it_itself_in_order(inline):
    ran = []

    class Log:
        def __reduce__(self):
            return _the_log, ()

    global _log
    _log = ran
    log = Log()

    @trygon.remote
    def note(log, name):
        log.append((name, threading.get_ident()))
        return name

    first, second = note.remote(log, 1), note.remote(log, 2)
    third = note.remote(log, 3)
    assert trygon.get([third]) == [3] and [name for name, _ in ran][0] == 3
    assert trygon.get([first, second]) == [1, 2]
    assert {ident for _, ident in ran if ident == threading.get_ident()}


_log: list = []


def _the_log():
    return _log


def test_what_nobody_waits_for_runs_too(inline, tmp_path):
    trygon.remote(lambda path: Path(path).write_text("done")).remote(str(tmp_path / "file"))
    file = tmp_path / "file"
    deadline = time.monotonic() + 5
    # It is there, and empty, before it is written.
    while not (file.exists() and file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert file.read_text() == "done"


def test_objects_go_with_their_references(inline):
    stats = sys.modules["trygon._native"].object_stats
    refs = [trygon.put([i]) for i in range(100)] + [trygon.remote(lambda: 1).remote() for _ in range(20)]
    trygon.get(refs)
    assert stats()["owned"] == 120
    del refs
    gc.collect()
    assert stats()["owned"] == 0


def test_retries_of_user_errors(inline, tmp_path):
    @trygon.remote(max_retries=3, retry_exceptions=True)
    def flaky(path):
        tries = int(Path(path).read_text()) + 1 if Path(path).exists() else 1
        Path(path).write_text(str(tries))
        if tries < 3:
            raise ConnectionError(tries)
        return tries, trygon._native.context()["attempt"]

    assert trygon.get(flaky.remote(str(tmp_path / "a"))) == (3, 2)
    with pytest.raises(ConnectionError):
        trygon.get(flaky.options(retry_exceptions=False).remote(str(tmp_path / "b")))


def test_an_actor_that_waits_for_itself_is_told(inline):
    @trygon.remote
    class Self:
        def outer(self):
            me = trygon.get_runtime_context().current_actor
            return trygon.get(me.inner.remote())

        def inner(self):
            return 1

    with pytest.raises(RaySystemError, match="for ever"):
        trygon.get(Self.remote().outer.remote())


def test_restarts(inline):
    @trygon.remote(max_restarts=1)
    class Phoenix:
        def __init__(self, start):
            self.value = start

        def add(self):
            self.value += 1
            return self.value, trygon.get_runtime_context().was_current_actor_reconstructed

        def die(self):
            sys.exit(3)

    phoenix = Phoenix.remote([5][0])
    assert trygon.get(phoenix.add.remote()) == (6, False)
    with pytest.raises(trygon.exceptions.ActorUnavailableError):
        trygon.get(phoenix.die.remote())
    assert trygon.get(phoenix.add.remote()) == (6, True)
    with pytest.raises(trygon.exceptions.ActorDiedError):
        trygon.get(phoenix.die.remote())


def test_ctrl_c_in_a_task_reaches_the_program(inline):
    @trygon.remote
    def endless():
        while True:
            time.sleep(0.01)

    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    ref = endless.remote()
    with pytest.raises(KeyboardInterrupt):
        trygon.get(ref)
    timer.join()
    with pytest.raises(TaskCancelledError):
        trygon.get(ref)
    assert trygon.get(trygon.remote(lambda: 1).remote()) == 1


def test_placement_groups_wait_for_one_another(inline):
    groups = pytest.importorskip("trygon.util.placement_group")
    first = groups.placement_group([{"CPU": 3}], name="first")
    second = groups.placement_group([{"CPU": 2}])
    assert trygon.get(first.ready(), timeout=5) == first and first.wait(5)
    assert not second.wait(0.05)
    assert groups.get_placement_group("first") == first
    groups.remove_placement_group(first)
    assert second.wait(5)
    assert groups.placement_group_table(second)["state"] == "CREATED"

    strategies = pytest.importorskip("trygon.util.scheduling_strategies")
    strategy = strategies.PlacementGroupSchedulingStrategy(second, placement_group_capture_child_tasks=True)

    @trygon.remote(num_cpus=1)
    def where(depth):
        here = trygon.get_runtime_context().get_placement_group_id()
        return [here] + (trygon.get(where.remote(depth - 1)) if depth else [])

    assert trygon.get(where.options(scheduling_strategy=strategy).remote(1)) == [second.id.hex()] * 2
    assert trygon.get(where.remote(0)) == [None]


def test_the_engines_queue_of_completions(inline):
    from trygon import _native

    queue = _native.CompletionQueue()
    add = trygon.remote(lambda x: x + 1)
    refs = [add.remote(i) for i in range(5)]
    for number, ref in enumerate(refs):
        queue.add(ref, number)
    seen = []
    while len(seen) < 5:
        come = queue.wait(10)
        assert come
        seen += [(number, trygon.get(ref)) for ref, number in come]
    assert sorted(seen) == [(i, i + 1) for i in range(5)]
    queue.close()


def test_modes_follow_one_another():
    add = trygon.remote(lambda x: x + 1)
    for mode in ("inline", None, "inline"):
        with trygon.init(num_cpus=1, mode=mode) as context:
            assert trygon.get(add.remote(1)) == 2
            assert context["daemon_pid"] == 0 if mode else context["daemon_pid"] > 0
            ref = add.remote(5)
        with pytest.raises(trygon.exceptions.ObjectLostError):
            trygon.get(ref)
    assert not trygon.is_initialized()


def test_wrong_modes_are_refused():
    with pytest.raises(ValueError, match='"inline"'):
        trygon.init(mode="local")
    with pytest.raises(RuntimeError, match='mode="inline"'):
        trygon.init(local_mode=True)


def test_inside_of_a_task_init_and_shutdown_do_nothing(inline):
    @trygon.remote
    def nested():
        trygon.shutdown()
        with pytest.raises(RuntimeError):
            trygon.init()
        return trygon.is_initialized()

    assert trygon.get(nested.remote()) is True


_began, _gate = threading.Event(), threading.Event()


def held():
    _began.set()
    _gate.wait(20)


def test_shutdown_ends_what_waits():
    trygon.init(mode="inline", num_cpus=1)
    future = trygon.remote(held).remote().future()
    assert _began.wait(10)
    waits = trygon.remote(time.sleep).remote(0).future()
    try:
        trygon.shutdown()
        with pytest.raises(RaySystemError):
            waits.result(5)
        with pytest.raises(RaySystemError):
            future.result(5)
    finally:
        _gate.set()


_PROGRAM = """
import trygon
trygon.init(mode="inline")

def inner(x):
    y = x * 2
    BREAK
    return y + 1

@trygon.remote
def f(x):
    return inner(x)

@trygon.remote
class A:
    def m(self, x):
        return trygon.get(f.remote(x))

def main():
    here = "driver"
    print("result", trygon.get(A.remote().m.remote(20)))
"""


def test_generators_are_lazy(inline):
    made = []
    _made.clear()

    @trygon.remote
    def endless():
        number = 0
        while True:
            sys.modules["test_inline"]._made.append(number)
            yield number
            number += 1

    generator = endless.remote()
    assert [trygon.get(next(generator)) for _ in range(3)] == [0, 1, 2]
    time.sleep(0.2)
    assert sys.modules["test_inline"]._made == [0, 1, 2]
    del generator, made
    assert trygon.get(trygon.remote(lambda: 1).remote()) == 1


_made: list[int] = []


def test_breakpoint_stops_in_the_terminal_with_every_frame(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(_PROGRAM.replace("BREAK", "breakpoint()") + "main()\n")
    with Terminal(str(path)) as terminal:
        terminal.until("(Pdb) ")
        terminal.type("p x, y\n")
        assert "(20, 40)" in terminal.until("(Pdb) ")
        terminal.type("w\n")
        shown = terminal.until("(Pdb) ")
        assert "inner()" in shown and "f()" in shown and "m()" in shown and "main()" in shown
        terminal.type("y = 100\n")
        terminal.until("(Pdb) ")
        terminal.type("c\n")
        shown, code = terminal.end()
        assert "result 101" in shown and code == 0


def test_under_pdb_breakpoints_in_tasks_are_hit(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(_PROGRAM.replace("BREAK", "pass") + "main()\n")
    driver = tmp_path / "debug.py"
    driver.write_text(
        f"import runpy, sys\nsys.argv = ['pdb', {str(path)!r}]\nrunpy.run_module('pdb', run_name='__main__')\n"
    )
    line = path.read_text().split("\n").index("    return y + 1") + 1
    with Terminal(str(driver)) as terminal:
        terminal.until("(Pdb) ")
        terminal.type(f"b {path}:{line}\n")
        terminal.until("(Pdb) ")
        terminal.type("c\n")
        terminal.until("(Pdb) ")
        terminal.type("p 'y is', y\n")
        assert "('y is', 40)" in terminal.until("(Pdb) ")
        terminal.type("c\n")
        assert "result 41" in terminal.until("(Pdb) ")


def test_quit_in_the_debugger_ends_the_program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(_PROGRAM.replace("BREAK", "breakpoint()") + "main()\n")
    with Terminal(str(path)) as terminal:
        terminal.until("(Pdb) ")
        terminal.type("q\n")
        shown, code = terminal.end()
        assert "BdbQuit" in shown and "result 4" not in shown and code == 1


def test_a_call_that_has_not_begun_never_does(inline, tmp_path):
    @trygon.remote
    def touch(path, wait_for=None):
        Path(path).write_text("ran")

    ref, late = touch.remote(str(tmp_path / "a")), touch.remote(str(tmp_path / "b"))
    child = touch.remote(str(tmp_path / "c"), ref)
    trygon.cancel(ref)
    for one in (ref, child):
        with pytest.raises(TaskCancelledError, match="touch"):
            trygon.get(one)
    trygon.get(late)
    trygon.cancel(late)
    trygon.get(late)
    assert os.listdir(tmp_path) == ["b"]


def test_what_cannot_be_interrupted_is_not_waited_for(inline):
    ref = trygon.remote(time.sleep).remote(1.5)
    assert trygon.wait([ref], timeout=0.1)[0] == []
    began = time.monotonic()
    trygon.cancel(ref)
    with pytest.raises(TaskCancelledError):
        trygon.get(ref)
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("how", ["loop", "get", "nested"])
def test_a_running_task_is_interrupted(inline, how):
    ended = threading.Event()
    _events.clear()
    _events.append(ended)

    @trygon.remote(num_cpus=0)
    class Never:
        async def wait(self):
            import asyncio

            await asyncio.sleep(1000)

    @trygon.remote
    def busy(how, actor):
        try:
            if how == "loop":
                while True:
                    time.sleep(0.001)
            if how == "get":
                trygon.get(actor.wait.remote())
            trygon.get(busy.remote("loop", actor))
        finally:
            same_programs_event().set()

    actor = Never.remote()
    ref = busy.remote(how, actor)
    assert trygon.wait([ref], timeout=0.3)[0] == []
    began = time.monotonic()
    trygon.cancel(ref)
    with pytest.raises(TaskCancelledError, match="busy"):
        trygon.get(ref, timeout=10)
    assert time.monotonic() - began < 0.5
    assert ended.wait(5)
    assert trygon.get(trygon.remote(lambda: 7).remote(), timeout=10) == 7


_events: list[threading.Event] = []


def same_programs_event():
    return sys.modules["test_inline"]._events[0]


def test_cancelled_calls_of_actors(inline):
    @trygon.remote(max_concurrency=2)
    class Threads:
        def until_cancelled(self):
            while not trygon.get_runtime_context().is_canceled():
                time.sleep(0.005)
            return "seen"

    @trygon.remote
    class Loop:
        async def wait(self):
            import asyncio

            await asyncio.sleep(1000)

        async def works(self):
            return "yes"

    threads, loop = Threads.remote(), Loop.remote()
    refs = [threads.until_cancelled.remote(), threads.until_cancelled.remote(), loop.wait.remote()]
    queued = threads.until_cancelled.remote()
    assert trygon.wait(refs, timeout=0.2)[0] == []
    for ref in [queued, *refs]:
        with pytest.raises(ValueError, match="force"):
            trygon.cancel(ref, force=True)
        trygon.cancel(ref)
        with pytest.raises(TaskCancelledError):
            trygon.get(ref, timeout=10)
    assert trygon.get(loop.works.remote()) == "yes"


def test_many_interruptions_leave_the_engine_whole(inline):
    @trygon.remote
    def child(x):
        return x

    @trygon.remote
    def busy():
        total = 0
        while True:
            total += trygon.get(child.remote(1))

    for _ in range(60):
        ref = busy.remote()
        trygon.wait([ref], timeout=0.002)
        trygon.cancel(ref)
        with pytest.raises(TaskCancelledError):
            trygon.get(ref, timeout=10)
    assert trygon.get([child.remote(i) for i in range(10)], timeout=10) == list(range(10))
    from trygon._core import inline as mode

    deadline = time.monotonic() + 5
    while mode.current().active() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert mode.current().active() == 0 and not mode.current()._starting

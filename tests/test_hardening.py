"""What hostile or careless programs do."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import trygon

_PACKAGE = str(Path(trygon.__file__).resolve().parent.parent)


def run_program(text, limit_s=60):
    """A program of its own: a crash of the driver is a failed test and not the end of the test run."""
    environment = {**os.environ, "PYTHONPATH": _PACKAGE}
    program = [sys.executable, "-c", "import trygon, os, sys, gc, time\n" + textwrap.dedent(text)]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=limit_s, check=False)


@pytest.mark.parametrize("ending", ["return 'child'", "raise ValueError('child')", "sys.exit(4)", "os._exit(0)"])
def test_a_forked_child_that_leaves_the_task_takes_no_work(engine, ending):
    scope = {"os": os, "sys": sys}
    exec(  # noqa: S102
        "def fork():\n pid = os.fork()\n if pid == 0:\n  " + ending + "\n os.waitpid(pid, 0)\n return 'parent'\n", scope
    )
    forking = trygon.remote(max_retries=0)(scope["fork"])
    for _ in range(5):
        assert trygon.get(forking.remote(), timeout=10) == "parent"
    assert trygon.get([trygon.remote(abs).remote(i) for i in range(100)], timeout=10) == list(range(100))


def test_a_call_outlives_the_handle_it_was_made_with(engine):
    @trygon.remote(num_cpus=0)
    class Actor:
        def one(self):
            return 1

    assert [trygon.get(Actor.remote().one.remote(), timeout=10) for _ in range(20)] == [1] * 20


def test_dropping_a_long_chain_of_nested_objects():
    done = run_program("""
        trygon.init(num_cpus=1)
        ref = trygon.put(1)
        for _ in range(300_000):
            ref = trygon.put([ref])
        del ref
        print("alive")
    """)
    assert done.returncode == 0 and "alive" in done.stdout, done.stderr[-500:]


def test_a_failure_runs_down_a_long_chain_of_tasks():
    done = run_program("""
        trygon.init(num_cpus=1)
        @trygon.remote
        def first():
            time.sleep(1)
            raise ValueError("first")
        @trygon.remote
        def then(value):
            return value
        ref = first.remote()
        for _ in range(100_000):
            ref = then.remote(ref)
        try:
            trygon.get(ref, timeout=30)
        except ValueError:
            print("failed as it should")
    """)
    assert done.returncode == 0 and "failed as it should" in done.stdout, done.stderr[-500:]


def test_a_forked_child_of_the_driver_can_exit(engine):
    done = run_program(
        """
        trygon.init(num_cpus=1)
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        print(trygon.get(trygon.remote(abs).remote(-3), timeout=10))
    """,
        limit_s=20,
    )
    assert done.returncode == 0 and done.stdout.strip() == "3", done.stderr[-500:]


def test_an_error_with_a_huge_message_arrives(engine):
    @trygon.remote(max_retries=0)
    def fail():
        raise ValueError("x" * 40_000_000)

    with pytest.raises(ValueError):
        trygon.get(fail.remote(), timeout=20)


def test_many_inline_arguments_and_results_of_more_than_a_frame(engine):
    @trygon.remote(max_retries=0)
    def total(*parts):
        return sum(map(len, parts))

    @trygon.remote(num_returns=1000, max_retries=0)
    def parts():
        return [bytes(99_000)] * 1000

    assert trygon.get(total.remote(*[bytes(99_000) for _ in range(1000)]), timeout=20) == 99_000_000
    assert sum(map(len, trygon.get(parts.remote(), timeout=20))) == 99_000_000
    gc.collect()


def test_a_driver_that_ignores_its_children(engine):
    done = run_program("""
        import signal
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        trygon.init(num_cpus=2)
        @trygon.remote(num_cpus=0)
        class Actor:
            def one(self):
                return 1
        actors = [Actor.remote() for _ in range(30)]
        print(sum(trygon.get([actor.one.remote() for actor in actors], timeout=20)))
    """)
    assert done.stdout.strip() == "30", done.stderr[-500:]


def test_references_dropped_by_other_threads_while_the_engine_ends():
    def drop(references, is_over):
        while references and not is_over.is_set():
            references.pop()
            time.sleep(0.0001)

    for _ in range(8):
        trygon.init(num_cpus=1)
        kept = [[trygon.put(i) for i in range(5000)] for _ in range(2)]
        is_over = threading.Event()
        threads = [threading.Thread(target=drop, args=(references, is_over)) for references in kept]
        for thread in threads:
            thread.start()
        trygon.shutdown()
        is_over.set()
        for thread in threads:
            thread.join()

"""Programs of their own: the first use from many threads, and memory that comes free while somebody waits for it."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import trygon


def run(code):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_use_comes_from_many_threads():
    out = run("""
        from concurrent.futures import ThreadPoolExecutor
        import trygon

        @trygon.remote
        def double(x):
            return x + x

        with ThreadPoolExecutor(8) as pool:
            print(sum(pool.map(lambda x: trygon.get(double.remote(x)), range(100))))
    """)
    assert out.split()[-1] == "9900"


def test_a_put_that_waits_goes_on_when_memory_comes_free():
    out = run("""
        import threading, time
        import trygon

        trygon.init(num_cpus=1, object_store_memory=100_000_000)
        held = trygon.put(b"a" * 70_000_000)
        freed_s = []

        def free():
            global held
            time.sleep(0.5)
            held = None
            freed_s.append(time.monotonic())

        thread = threading.Thread(target=free)
        thread.start()
        second = trygon.put(b"b" * 80_000_000)
        done_s = time.monotonic()
        thread.join()
        print(done_s - freed_s[0])
    """)
    # Segments that were merely idle went back after three seconds.
    assert 0 < float(out.split()[-1]) < 2


@trygon.remote
def late_fetch(trials):
    """Calls a function that no worker knows yet, and is frozen before anybody can ask it for the code."""
    results = []
    for trial in range(trials):
        known = trygon.remote(lambda: 0)
        trygon.get([known.remote() for _ in range(4)])
        fresh = trygon.remote(lambda trial=trial: trial)
        subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -CONT {os.getpid()}"])
        ref = fresh.remote()
        time.sleep(0.0002 * trial)
        os.kill(os.getpid(), signal.SIGSTOP)
        results.append(trygon.get(ref, timeout=20))
    return results


def test_code_whose_owner_is_slow_to_answer_is_waited_for(engine):
    assert trygon.get(late_fetch.remote(6), timeout=60) == list(range(6))


@trygon.remote
def leaf(pid_only):
    time.sleep(0.002)
    return os.getpid()


@trygon.remote
def caller_of_leaf(count):
    return len(set(trygon.get([leaf.remote(True) for _ in range(count)])))


def test_a_process_that_loads_its_own_export_still_hands_it_out():
    """Each worker exports `leaf`, then runs `leaf` for others: its copy of the code has to stay."""
    for _ in range(5):
        with trygon.init(num_cpus=6):
            trygon.get([caller_of_leaf.remote(1) for _ in range(6)], timeout=30)
            assert all(trygon.get([caller_of_leaf.remote(20) for _ in range(6)], timeout=30))

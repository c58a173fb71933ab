"""Programs of their own: the first use from many threads, and memory that comes free while somebody waits for it."""

import os
import subprocess
import sys
import textwrap


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

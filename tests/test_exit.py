"""Everything is gone two seconds after the driver: by its end, by Ctrl-C, by `kill -9`."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import leaks
import pytest

DRIVER = """
import os, sys, time
sys.path[:] = {path!r}
import trygon
trygon.init(num_cpus=3)

@trygon.remote
def busy(seconds=60):
    import subprocess
    subprocess.Popen(["sleep", str(seconds)])
    subprocess.Popen(["setsid", "sleep", str(seconds)])
    print("pid", os.getpid(), flush=True)
    time.sleep(seconds)

@trygon.remote
class Actor:
    def pid(self): return os.getpid()

actor = Actor.remote()
trygon.get(actor.pid.remote())
big = trygon.put(b"x" * 10_000_000)
refs = [busy.remote() for _ in range(2)]
time.sleep(0.5)
print("ready", flush=True)
{end}
"""


def start(end):
    code = DRIVER.format(path=sys.path, end=textwrap.dedent(end))
    driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in driver.stdout:
        if line.startswith("ready"):
            return driver, descendants(driver.pid)
    raise AssertionError(driver.stderr.read())


def descendants(pid):
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = leaks._read(f"/proc/{entry}/stat")
            if stat:
                parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        below = [child for child, parent in parents.items() if parent == one]
        found += below
        todo += below
    return found


def finish(driver, pids, limit_s=2.0):
    began = time.monotonic()
    left = leaks.wait_gone(pids, limit_s)
    took = time.monotonic() - began
    driver.kill()
    driver.communicate()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, [leaks._read(f"/proc/{pid}/cmdline") for pid in left]
    assert took < limit_s
    return driver.returncode


def test_the_program_is_as_expected():
    driver, pids = start("time.sleep(60)")
    names = [leaks._read(f"/proc/{pid}/cmdline").replace("\0", " ") for pid in pids]
    driver.send_signal(signal.SIGKILL)
    finish(driver, pids)
    assert sum("sleep" in name for name in names) == 4, names


def test_kill_9():
    driver, pids = start("time.sleep(60)")
    driver.send_signal(signal.SIGKILL)
    finish(driver, pids)


def test_normal_end():
    driver, pids = start("")
    assert finish(driver, [*pids, driver.pid]) == 0


def test_exception():
    driver, pids = start("raise SystemExit(4)")
    assert finish(driver, [*pids, driver.pid]) == 4


def test_os_exit():
    driver, pids = start("os._exit(3)")
    assert finish(driver, [*pids, driver.pid]) == 3


@pytest.mark.parametrize("wait", ["trygon.get(refs)", "trygon.wait(refs)", "time.sleep(60)"])
def test_ctrl_c(wait):
    driver, pids = start(
        f"try:\n    {wait}\nexcept KeyboardInterrupt:\n    print('interrupted', flush=True)\n    raise"
    )
    time.sleep(0.2)  # It has said that it is ready; now let it wait.
    began = time.monotonic()
    driver.send_signal(signal.SIGINT)
    out, err = driver.communicate(timeout=10)
    assert time.monotonic() - began < 2
    assert "interrupted" in out and "KeyboardInterrupt" in err
    finish(driver, pids)


def test_sigterm():
    driver, pids = start("time.sleep(60)")
    driver.terminate()
    finish(driver, pids)


def test_kill_9_of_the_daemon():
    driver, pids = start(
        """
        try:
            trygon.get(refs)
        except trygon.exceptions.RayError as error:
            print(type(error).__name__, error, flush=True)
        try:
            trygon.get(busy.remote(0), timeout=5)
        except trygon.exceptions.RayError as error:
            print(type(error).__name__, error, flush=True)
        """
    )
    daemon = next(pid for pid in pids if leaks._read(f"/proc/{pid}/cmdline").partition("\0")[0].endswith("trygon"))
    os.kill(daemon, signal.SIGKILL)
    left = leaks.wait_gone(pids, 3.0)
    out, err = driver.communicate(timeout=10)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert driver.returncode == 0, err
    assert len([line for line in out.splitlines() if "Error" in line]) == 2, out
    assert not left, [leaks._read(f"/proc/{pid}/cmdline") for pid in left]


def test_the_whole_group_of_ctrl_c():
    """As a terminal does it: the signal goes to every process of the group."""
    code = DRIVER.format(path=sys.path, end="trygon.get(refs)")
    driver = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in driver.stdout:
        if line.startswith("ready"):
            break
    pids = descendants(driver.pid)
    os.killpg(driver.pid, signal.SIGINT)
    _, err = driver.communicate(timeout=10)
    assert err.count("Traceback") == 1 and "KeyboardInterrupt" in err, err
    finish(driver, pids)


def test_a_forked_child_does_not_keep_the_engine():
    driver, pids = start("""
        # Not before the processes of the engine were counted: the child is none of them.
        time.sleep(1)
        if os.fork() == 0:
            time.sleep(8)
            os._exit(0)
        os._exit(0)
    """)
    left = leaks.wait_gone(pids, 4.0)
    driver.kill()
    driver.stdout.close()
    driver.stderr.close()
    driver.wait()
    assert not left, left

"""Nothing outlives whoever started it, however it hides: sessions of its own, lost parents, many deaths at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import trygon

HIDES = ("session", "double_fork", "family")


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def lives(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def children_of(pid: int) -> list[int]:
    folders = Path(f"/proc/{pid}/task").iterdir()
    return [int(word) for folder in folders for word in (folder / "children").read_text().split()]


def left_after(pids: list[int], seconds: float) -> list[int]:
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if lives(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def hide(how: str) -> list[int]:
    """Starts processes that leave the worker's group, and its care."""
    if how == "session":
        return [subprocess.Popen(["sleep", "300"], start_new_session=True).pid]
    receive, send = os.pipe()
    if os.fork() == 0:
        os.setsid()
        for _ in range(1 if how == "double_fork" else 4):
            pid = os.fork()
            if pid == 0:
                if how == "family":
                    # Each has a child of its own, in a session of its own.
                    own = subprocess.Popen(["sleep", "300"], start_new_session=True)
                    os.write(send, f"{own.pid} ".encode())
                time.sleep(300)
                os._exit(0)
            os.write(send, f"{pid} ".encode())
        time.sleep(0.3)
        os._exit(0)
    os.close(send)
    os.wait()
    return [int(word) for word in os.read(receive, 1000).split()]


@trygon.remote(max_retries=0)
def start(how: str) -> tuple[int, list[int]]:
    return os.getpid(), hide(how)


@pytest.mark.parametrize("how", HIDES)
def test_what_a_worker_left_ends_with_it(engine, how):
    worker, hidden = trygon.get(start.remote(how), timeout=20)
    assert hidden and all(lives(pid) for pid in hidden)
    os.kill(worker, signal.SIGKILL)
    assert not left_after(hidden, 2)
    # No zombie stays, either.
    assert not left_zombies(hidden)


def left_zombies(pids: list[int]) -> list[int]:
    deadline = time.monotonic() + 2
    while (left := [pid for pid in pids if _stat(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def test_what_a_living_worker_started_is_left_alone(engine):
    worker, hidden = trygon.get(start.remote("session"), timeout=20)

    @trygon.remote
    class Other:
        def die(self):
            os._exit(1)

    other = Other.remote()
    with pytest.raises(trygon.exceptions.ActorDiedError):
        trygon.get(other.die.remote(), timeout=20)
    if lives(worker):
        assert all(lives(pid) for pid in hidden)


@pytest.mark.parametrize("also", ["worker", "worker and zygote", "worker, zygote and driver"])
def test_the_daemon_and_others_die_at_one_moment(also):
    """Not even an emptied environment hides a process from the guard."""
    code = textwrap.dedent("""
        import os, subprocess, sys, time
        import trygon
        trygon.init(num_cpus=1, log_to_driver=False)
        @trygon.remote
        def start():
            hidden = subprocess.Popen(["sleep", "300"], start_new_session=True, env={})
            return os.getpid(), hidden.pid
        print(*trygon.get(start.remote()), flush=True)
        time.sleep(60)
    """)
    driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        worker, hidden = (int(word) for word in driver.stdout.readline().split())
        daemon = parent_of(worker)
        zygotes = [pid for pid in children_of(daemon) if pid != worker]
        victims = [daemon, worker]
        if "zygote" in also:
            victims += zygotes
        if "driver" in also:
            victims.append(driver.pid)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert not left_after([hidden, daemon, worker, *zygotes], 2)
    finally:
        driver.kill()
        driver.communicate()


def family_of(worker: int) -> tuple[int, int]:
    """The daemon and the guard above a worker, once that is the daemon's: its zygote forks it at two removes."""
    deadline = time.monotonic() + 5
    while True:
        daemon = parent_of(worker)
        guard = parent_of(daemon)
        name = Path(f"/proc/{guard}/comm").read_text().strip()
        if name == "trygon-guard":
            return daemon, guard
        assert time.monotonic() < deadline, name
        time.sleep(0.01)


def test_the_daemon_does_not_outlive_its_guard():
    code = (
        "import os, time, trygon; trygon.init(num_cpus=1, log_to_driver=False);"
        "print(trygon.get(trygon.remote(os.getpid).remote()), flush=True); time.sleep(60)"
    )
    driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        worker = int(driver.stdout.readline())
        daemon, guard = family_of(worker)
        os.kill(guard, signal.SIGKILL)
        assert not left_after([guard, daemon, worker], 2)
    finally:
        driver.kill()
        driver.communicate()


def test_a_zygote_that_dies_again_and_again_is_replaced(engine):
    """Killed while it forks, forty times: every task has its result in the end."""

    @trygon.remote(max_calls=1)
    def work(index):
        return index, os.getpid()

    @trygon.remote
    def daemon_of():
        return os.getppid()

    daemon = trygon.get(daemon_of.remote(), timeout=20)
    refs = [work.remote(index) for index in range(120)]
    killed = 0
    for _ in range(40):
        for pid in children_of(daemon):
            comm = Path(f"/proc/{pid}/comm")
            try:
                if not comm.read_text().startswith("trygon-worker"):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            except OSError:
                pass
        time.sleep(0.02)
    assert killed >= 5
    results = trygon.get(refs, timeout=60)
    assert [index for index, _ in results] == list(range(120))

"""What dies, and what becomes of the tasks (OWN-8)."""

import os
import signal
import sys
import time

import pytest
import trygon
from trygon.exceptions import WorkerCrashedError


@trygon.remote(max_retries=0)
def end(how):
    if how == "exit":
        os._exit(7)
    elif how == "sys.exit":
        sys.exit(3)
    elif how == "segfault":
        import ctypes

        ctypes.string_at(0)
    else:
        os.kill(os.getpid(), how)
        time.sleep(10)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("exit", "exited with code 7"),
        ("sys.exit", r"sys\.exit\(3\)"),
        ("segfault", r"signal 11 \(SIGSEGV\)"),
        (signal.SIGKILL, r"signal 9 \(SIGKILL\)"),
        (signal.SIGTERM, r"signal 15 \(SIGTERM\)"),
    ],
)
def test_the_one_cause_is_named(engine, how, text):
    began = time.monotonic()
    with pytest.raises(WorkerCrashedError, match=text):
        trygon.get(end.remote(how), timeout=10)
    assert time.monotonic() - began < 2


def test_retries_after_death(engine, tmp_path):
    @trygon.remote
    def third_time(path):
        with open(path, "a") as file:
            file.write("x")
        if os.path.getsize(path) < 3:
            os._exit(1)
        return os.path.getsize(path)

    assert trygon.get(third_time.remote(str(tmp_path / "count")), timeout=20) == 3


def test_no_more_than_max_retries(engine, tmp_path):
    @trygon.remote(max_retries=2)
    def always(path):
        with open(path, "a") as file:
            file.write("x")
        os._exit(1)

    with pytest.raises(WorkerCrashedError, match="tried 3 times"):
        trygon.get(always.remote(str(tmp_path / "count")), timeout=20)
    assert os.path.getsize(tmp_path / "count") == 3


def test_pipelined_calls_survive_their_worker(one_cpu, tmp_path):
    """100 calls, the process ends in number 60: everything else gives its result, once."""

    @trygon.remote(max_retries=0)
    def work(i):
        if i == 60:
            os._exit(9)
        with open(tmp_path / str(i), "a") as file:
            file.write("x")
        return i

    refs = [work.remote(i) for i in range(100)]
    results, errors = [], []
    for ref in refs:
        try:
            results.append(trygon.get(ref, timeout=20))
        except WorkerCrashedError as error:
            errors.append(error)
    assert results == [i for i in range(100) if i != 60]
    assert len(errors) == 1 and "code 9" in str(errors[0])
    assert all((tmp_path / str(i)).read_text() == "x" for i in range(100) if i != 60)


def test_sys_exit_with_retry(engine, tmp_path):
    @trygon.remote
    def leaves_first(path):
        if not os.path.exists(path):
            open(path, "w").close()
            sys.exit(0)
        return "second"

    assert trygon.get(leaves_first.remote(str(tmp_path / "mark")), timeout=20) == "second"


def test_objects_of_a_dead_worker_fail_with_owner_died(engine):
    @trygon.remote
    class Keeper:
        def make(self):
            self.ref = trygon.put(list(range(10)))
            self.big = trygon.put(b"x" * 1_000_000)
            return [self.ref, self.big]

        def pid(self):
            return os.getpid()

    keeper = Keeper.remote()
    small, big = trygon.get(keeper.make.remote())
    assert trygon.get(small)[-1] == 9
    os.kill(trygon.get(keeper.pid.remote()), signal.SIGKILL)
    time.sleep(0.3)
    for ref in (big,):
        with pytest.raises(trygon.exceptions.OwnerDiedError):
            trygon.get(ref, timeout=5)


def test_work_goes_on_after_many_deaths(engine):
    for _ in range(10):
        with pytest.raises(WorkerCrashedError):
            trygon.get(end.remote("exit"), timeout=10)
    assert trygon.get([trygon.remote(lambda i: i).remote(i) for i in range(20)], timeout=20) == list(range(20))
    # There is no such entry while all of it is in use.
    assert trygon.available_resources().get("CPU", 0) <= 4


def test_death_while_the_driver_waits_for_many(engine):
    refs = [trygon.remote(time.sleep).remote(0.2) for _ in range(4)] + [end.remote("exit")]
    ready, rest = trygon.wait(refs, num_returns=5, timeout=10)
    assert len(ready) == 5 and not rest

"""Tasks in tasks, actors in tasks: blocking, depth, and who owns what."""

import os
import time

import pytest
import trygon


@trygon.remote
def tree(depth, width):
    if depth == 0:
        return 1
    return sum(trygon.get([tree.remote(depth - 1, width) for _ in range(width)]))


def test_tree_on_few_cpus(one_cpu):
    assert trygon.get(tree.remote(4, 3), timeout=60) == 81


def test_processes_are_bounded_by_depth(one_cpu):
    @trygon.remote
    def count():
        import subprocess

        return int(subprocess.run(["pgrep", "-c", "-f", "-s", "0", "."], capture_output=True, text=True).stdout or 0)

    assert trygon.get(tree.remote(3, 8), timeout=60) == 512
    from trygon._core.state import query

    workers = query("workers")
    assert len(workers) <= 12, workers


def test_waiting_inside_a_task(engine):
    @trygon.remote
    def first_of(n):
        refs = [tree.remote(0, 0) for _ in range(n)]
        ready, rest = trygon.wait(refs, num_returns=n // 2)
        return len(ready), len(rest) + sum(trygon.get(rest))

    assert trygon.get(first_of.remote(10), timeout=20) == (5, 10)


def test_timeouts_inside_a_task(engine):
    @trygon.remote
    def impatient():
        slow = trygon.remote(time.sleep).remote(2)
        with pytest.raises(trygon.exceptions.GetTimeoutError):
            trygon.get(slow, timeout=0.05)
        return True

    assert trygon.get(impatient.remote(), timeout=20)


def test_two_actors_call_each_other(engine):
    @trygon.remote
    class Player:
        def play(self, other, rounds):
            return 0 if rounds == 0 else 1 + trygon.get(other.answer.remote(rounds))

        def answer(self, rounds):
            return rounds

    one, two = Player.remote(), Player.remote()
    assert trygon.get(one.play.remote(two, 5), timeout=20) == 6


def test_children_of_a_dead_parent_end(engine, tmp_path):
    @trygon.remote(max_retries=0)
    def child():
        time.sleep(20)

    @trygon.remote(max_retries=0)
    def parent():
        child.remote()
        time.sleep(0.3)
        os._exit(1)

    with pytest.raises(trygon.exceptions.WorkerCrashedError):
        trygon.get(parent.remote(), timeout=10)
    deadline = time.monotonic() + 5
    while trygon.available_resources().get("CPU") != 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert trygon.available_resources().get("CPU") == 4


def test_a_task_in_a_thread_of_a_task(engine):
    @trygon.remote
    def threaded():
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(lambda i: trygon.get(tree.remote(0, i)), range(20)))

    assert trygon.get(threaded.remote(), timeout=20) == 20


def test_a_fork_inside_a_task(engine):
    @trygon.remote
    def forks():
        child = os.fork()
        if child == 0:
            os._exit(5)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert trygon.get([forks.remote() for _ in range(8)], timeout=20) == [5] * 8
    assert trygon.get(tree.remote(2, 2), timeout=20) == 4


def test_multiprocessing_inside_a_task(engine):
    @trygon.remote
    def pool():
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(2) as workers:
            return workers.map(abs, [-1, -2, -3])

    assert trygon.get(pool.remote(), timeout=30) == [1, 2, 3]

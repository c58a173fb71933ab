"""`wait`."""

import time

import pytest
import trygon


@trygon.remote
def after(seconds):
    time.sleep(seconds)
    return seconds


def test_first_ready_and_order(engine):
    refs = [after.remote(0.6), after.remote(0), after.remote(0)]
    ready, rest = trygon.wait(refs, num_returns=2)
    assert ready == refs[1:] and rest == refs[:1]
    ready, rest = trygon.wait(refs, num_returns=3)
    assert ready == refs and rest == []


def test_at_most_num_returns(engine):
    refs = [trygon.put(i) for i in range(4)]
    assert trygon.wait(refs) == (refs[:1], refs[1:])
    assert trygon.wait(refs, num_returns=3) == (refs[:3], refs[3:])


def test_timeout(engine):
    slow = after.remote(0.5)
    done = trygon.put(1)
    began = time.monotonic()
    assert trygon.wait([slow, done], num_returns=2, timeout=0.1) == ([done], [slow])
    assert time.monotonic() - began < 0.4
    assert trygon.wait([slow], timeout=0) == ([], [slow])
    assert trygon.wait([]) == ([], [])
    assert trygon.wait([slow], fetch_local=False) == ([slow], [])


def test_failed_tasks_are_ready(engine):
    @trygon.remote
    def bad():
        raise ValueError

    ref = bad.remote()
    assert trygon.wait([ref], timeout=10) == ([ref], [])


def test_wrong_use(engine):
    ref, other = trygon.put(1), trygon.put(2)
    for wrong in (ref, (ref,), {ref}):
        with pytest.raises(TypeError, match="list"):
            trygon.wait(wrong)
    with pytest.raises(TypeError):
        trygon.wait([ref, 1])
    with pytest.raises(ValueError, match="duplicates"):
        trygon.wait([ref, ref])
    for count in (0, -1, 3):
        with pytest.raises(ValueError, match="num_returns"):
            trygon.wait([ref, other], num_returns=count)
    with pytest.raises(TypeError):
        trygon.wait([ref], num_returns=1.0)
    with pytest.raises(ValueError, match="timeout"):
        trygon.wait([ref], timeout=-1)


def test_loop_until_empty(engine, empty_table):
    left = [after.remote(0.001 * (i % 5)) for i in range(300)]
    seen = 0
    while left:
        ready, left = trygon.wait(left)
        seen += len(ready)
    assert seen == 300
    del ready

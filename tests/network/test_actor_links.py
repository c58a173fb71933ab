"""Calls on an actor that cannot be reached because a link between two machines is cut, while both reach the head."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from network import fabric
from network.machines import Machines

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")

CALLS = """
import sys
from trygon.exceptions import ActorUnavailableError, GetTimeoutError
@trygon.remote(num_cpus=0, max_restarts=1, max_task_retries=RETRIES)
class Notes:
    def __init__(self): self.calls = []
    def note(self, what, sleep_s=0.0):
        self.calls.append(what)
        time.sleep(sleep_s)
        return what
    def noted(self): return self.calls, os.getpid()
def said(call, limit_s=30):
    began = time.monotonic()
    try:
        outcome = trygon.get(call, timeout=limit_s)
    except Exception as error:
        outcome = type(error).__name__
    took = time.monotonic() - began
    print(f"{took:.1f}", file=sys.stderr)
    return outcome
trygon.init()
notes = Notes.options(resources={"c": 1}).remote()
before, pid = trygon.get(notes.noted.remote())
print("ready", flush=True)
input()
"""


@pytest.fixture
def machines() -> Iterator[Machines]:
    with Machines(["a", "b", "c"]) as machines:
        yield machines


def run(machines: Machines, retries: int, body: str) -> subprocess.Popen[str]:
    """A driver on `b` with an actor on `c`, which waits for a line before it goes on; the head is on `a`."""
    program = machines["b"].program(CALLS.replace("RETRIES", str(retries)) + body, stdin=-1)
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    return program


def go_on(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()


@pytest.mark.parametrize("retries", [0, -1], ids=["at_most_once", "at_least_once"])
def test_calls_over_a_link_that_is_cut(machines: Machines, retries: int) -> None:
    """The call in flight: unavailable, or made again when the link is whole; a new one waits for the link."""
    body = (
        "running = notes.note.remote('running', 1.0)\ntime.sleep(0.3)\nprint('runs', flush=True)\ninput()\n"
        "print(said(running, 40 if RETRIES == 0 else 1), flush=True)\nnew = notes.note.remote('new')\n"
        "print(said(new, 1), flush=True)\ninput()\n"
        "print(said(running), said(new))\nprint(*trygon.get(notes.noted.remote()), pid)"
    ).replace("RETRIES", str(retries))
    program = run(machines, retries, body)
    try:
        check(machines, program, retries)
    finally:
        for name in "abc":
            print(name, machines[name].log())
        program.kill()
        program.communicate()


def check(machines: Machines, program: subprocess.Popen[str], retries: int) -> None:
    assert program.stdout is not None
    go_on(program)
    assert program.stdout.readline() == "runs\n"
    machines.network.cut("b", "c")
    go_on(program)
    in_flight = "ActorUnavailableError" if retries == 0 else "GetTimeoutError"
    assert program.stdout.readline() == f"{in_flight}\n"
    assert program.stdout.readline() == "GetTimeoutError\n"
    machines.network.heal()
    go_on(program)
    output, errors = program.communicate(timeout=60)
    answers, noted = output.splitlines()
    print(errors, noted)
    if retries == 0:
        assert answers == "ActorUnavailableError new", errors
        assert noted.startswith("['running', 'new'] ")
    else:
        assert answers == "running new", errors
    *_, now, then = noted.split()
    assert now == then, "the actor was not restarted: it never died"


KEEPER = """
import gc
@trygon.remote(num_cpus=0, max_restarts=1, max_task_retries=0)
class Keeper:
    def keep(self, references): self.references = references
    def total(self): return sum(int(array.sum()) for array in trygon.get(self.references))
    def begin(self): time.sleep(1.0)
def kept(keeper, value):
    references = [trygon.put(numpy.full(300_000, value)), double.remote(value), shared]
    trygon.get(keeper.keep.remote(references), timeout=30)
    del references
    gc.collect()
    time.sleep(1.0)
    return trygon.get(keeper.total.remote(), timeout=30)
@trygon.remote
def double(value): return numpy.full(1, 2 * value)
import numpy
trygon.init()
keeper = Keeper.options(resources={"c": 1}).remote()
shared = trygon.put(numpy.full(100_000, 10))
print(kept(keeper, 1), flush=True)
running = keeper.begin.remote()
time.sleep(0.3)
print("runs", flush=True)
input()
try:
    print(trygon.get(running, timeout=40), flush=True)
except trygon.exceptions.ActorUnavailableError:
    print("unavailable", flush=True)
input()
print(kept(keeper, 2), flush=True)
print(kept(keeper, 3), flush=True)
"""


def test_what_is_kept_after_a_link_was_whole_again_is_not_freed(machines: Machines) -> None:
    """A connection that broke is not a death: what the actor is lent later counts as borrowed (OWN-4)."""
    program = machines["b"].program(KEEPER, stdin=-1)
    assert program.stdout is not None
    try:
        assert program.stdout.readline() == "1300002\n"
        assert program.stdout.readline() == "runs\n"
        machines.network.cut("b", "c")
        go_on(program)
        assert program.stdout.readline() == "unavailable\n"
        machines.network.heal()
        go_on(program)
        output, errors = program.communicate(timeout=90)
        assert output == "1600004\n1900006\n", errors
    finally:
        program.kill()
        program.communicate()

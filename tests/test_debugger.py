"""`breakpoint()` in tasks and actors, from a real terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import Terminal

_TASK = """
import os, sys, time
import trygon
trygon.init(num_cpus=2)

def print(*values, flush=False):
    # In one piece: lines of workers are shown by another thread.
    sys.stdout.write(" ".join(map(str, values)) + "\\n")
    sys.stdout.flush()

def inner(x):
    y = x * 2
    breakpoint()
    return y + 1

@trygon.remote
def f(x):
    print("printed before", x)
    value = inner(x)
    print("printed after", value)
    return value
"""


def program(tmp_path: Path, text: str) -> str:
    path = tmp_path / "program.py"
    path.write_text(text)
    return str(path)


def test_stop_look_change_go_on(tmp_path):
    path = program(tmp_path, _TASK + 'print("result", trygon.get(f.remote(20)))\n')
    with Terminal(path) as terminal:
        shown = terminal.until("(Pdb) ")
        assert "printed before 20" in shown
        assert "f stopped at" in shown and "return y + 1" in shown
        terminal.type("p x, y\n")
        assert "(20, 40)" in terminal.until("(Pdb) ")
        terminal.type("w\n")
        frames = terminal.until("(Pdb) ")
        assert "f()" in frames and "inner()" in frames
        assert "worker_main" not in frames and "zygote" not in frames
        terminal.type("y = 100\n")
        terminal.until("(Pdb) ")
        terminal.type("c\n")
        shown, code = terminal.end()
        assert "goes on ---" in shown and "result 101" in shown and "printed after 101" in shown
        assert code == 0


def test_stepping_ends_with_the_task(tmp_path):
    path = program(tmp_path, _TASK + 'print("result", trygon.get([f.remote(1)]), trygon.get(f.remote(2)))\n')
    with Terminal(path) as terminal:
        for _ in range(2):
            terminal.until("(Pdb) ")
            terminal.type("r\n")
            assert "->" in terminal.until("(Pdb) ")
            for _ in range(5):
                terminal.type("n\n")
                if "goes on ---" in _until_either(terminal, "(Pdb) ", "goes on ---"):
                    break
        assert "result [3] 5" in terminal.end()[0]


def _until_either(terminal: Terminal, one: str, other: str) -> str:
    deadline = time.monotonic() + 15
    while one not in terminal.seen and other not in terminal.seen:
        assert time.monotonic() < deadline
        terminal._read(0.1)
    return terminal.until(one if one in terminal.seen else other)


def test_two_take_turns(tmp_path):
    path = program(tmp_path, _TASK + 'print("results", sorted(trygon.get([f.remote(1), f.remote(2)])))\n')
    with Terminal(path) as terminal:
        for _ in range(2):
            shown = terminal.until("(Pdb) ")
            assert shown.count("c goes on, Ctrl-D leaves it") == 1
            terminal.type("p 'mine', y\n")
            assert "('mine', " in terminal.until("(Pdb) ")
            terminal.type("c\n")
        assert "results [3, 5]" in terminal.end()[0]


def test_ctrl_d_leaves_the_task(tmp_path):
    path = program(tmp_path, _TASK + 'print("result", trygon.get(f.remote(3)))\n')
    with Terminal(path) as terminal:
        terminal.until("(Pdb) ")
        terminal.type("\x04")
        shown, code = terminal.end()
        assert "result 7" in shown and code == 0


def test_ctrl_c_ends_the_wait(tmp_path):
    text = """
try:
    trygon.get(f.remote(3))
except KeyboardInterrupt:
    print("interrupted")
print("result", trygon.get(trygon.put(5)))
"""
    with Terminal(program(tmp_path, _TASK + text)) as terminal:
        terminal.until("(Pdb) ")
        terminal.type("\x03")
        shown, code = terminal.end()
        assert "interrupted" in shown and "result 5" in shown and code == 0


def test_quit_fails_the_task(tmp_path):
    text = """
try:
    trygon.get(f.options(max_retries=0).remote(3))
except trygon.exceptions.RayTaskError as error:
    print("failed with", error.type_name)
"""
    with Terminal(program(tmp_path, _TASK + text)) as terminal:
        terminal.until("(Pdb) ")
        terminal.type("q\n")
        assert "failed with bdb.BdbQuit" in terminal.end()[0]


def test_breakpoints_set_in_the_debugger(tmp_path):
    text = """
@trygon.remote
def loop():
    total = 0
    breakpoint()
    for i in range(3):
        total += i
    return total
print("result", trygon.get(loop.remote()))
"""
    path = program(tmp_path, _TASK + text)
    line = Path(path).read_text().split("\n").index("        total += i") + 1
    with Terminal(path) as terminal:
        terminal.until("(Pdb) ")
        terminal.type(f"b {path}:{line}\n")
        assert "Breakpoint 1" in terminal.until("(Pdb) ")
        for i in range(3):
            terminal.type("c\n")
            terminal.until("(Pdb) ")
            terminal.type("p 'at', i\n")
            assert f"('at', {i})" in terminal.until("(Pdb) ")
        terminal.type("c\n")
        assert "result 3" in terminal.end()[0]


def test_in_an_actor_and_by_rays_names(tmp_path):
    text = """
@trygon.remote
class A:
    def __init__(self):
        self.value = 5
    def m(self):
        from trygon.util import pdb
        pdb.set_trace()
        return self.value
    def n(self):
        from trygon.util import rpdb
        rpdb.set_trace()
        return self.value
a = A.remote()
print("result", trygon.get(a.m.remote()), trygon.wait([a.n.remote()])[0] != [], trygon.get(a.n.remote()))
"""
    with Terminal(program(tmp_path, _TASK + text)) as terminal:
        for value in (6, 7, 8):
            terminal.until("(Pdb) ")
            terminal.type(f"self.value = {value}\n")
            terminal.until("(Pdb) ")
            terminal.type("c\n")
        assert "result 6 True 8" in terminal.end()[0]


def test_a_driver_that_is_busy_is_not_disturbed(tmp_path):
    text = """
ref = f.remote(1)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    time.sleep(0.01)
print("worked on")
print(f"result {trygon.get(ref)}")
"""
    with Terminal(program(tmp_path, _TASK + text)) as terminal:
        shown = terminal.until("(Pdb) ")
        assert shown.index("f stopped at") < shown.index("worked on") < shown.index("c goes on, Ctrl-D")
        terminal.type("c\n")
        assert "result 3" in terminal.end()[0]


def test_output_waits_for_the_prompt(tmp_path):
    text = """
@trygon.remote
def chatty():
    time.sleep(0.5)
    print("from the other")
ref = chatty.remote()
print(f"result {trygon.get(f.remote(3))} {trygon.get(ref)}")
"""
    with Terminal(program(tmp_path, _TASK + text)) as terminal:
        terminal.until("(Pdb) ")
        time.sleep(1.5)
        terminal._read(0.1)
        assert "from the other" not in terminal.seen
        terminal.type("c\n")
        assert "from the other" in terminal.end()[0]


def test_a_stopped_task_can_be_cancelled(tmp_path):
    text = """
import threading
ref = f.remote(1)
threading.Timer(2.0, trygon.cancel, [ref]).start()
try:
    trygon.get(ref)
except trygon.exceptions.TaskCancelledError:
    print("cancelled")
print("next", trygon.get(trygon.remote(lambda: 7).remote()))
"""
    with Terminal(program(tmp_path, _TASK + text)) as terminal:
        terminal.until("(Pdb) ")
        time.sleep(2.5)
        terminal.type("p 1\n")
        shown, code = terminal.end()
        assert "cancelled" in shown and "next 7" in shown and code == 0


def test_post_mortem(tmp_path):
    text = """
@trygon.remote
def bad(x):
    y = x + 1
    raise ValueError("wrong")
try:
    trygon.get(bad.remote(1))
except ValueError as error:
    print("raised", error.cause)
"""
    with Terminal(program(tmp_path, _TASK + text), TRYGON_DEBUG_POST_MORTEM="1") as terminal:
        assert "which raised ValueError" in terminal.until("(Pdb) ")
        terminal.type("p 'y is', y\n")
        assert "('y is', 2)" in terminal.until("(Pdb) ")
        terminal.type("q\n")
        assert "raised wrong" in terminal.end()[0]


def _run(path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = {} if os.environ.get("TRYGON_TEST_INSTALLED") else {"PYTHONPATH": sys.path[0] + "/../python"}
    paths = {name: str(Path(__file__).resolve().parent.parent / "python") for name in paths}
    return subprocess.run(
        [sys.executable, path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        env={**os.environ, **paths, **environment},
    )


def test_without_a_terminal_it_is_passed_over(tmp_path):
    done = _run(program(tmp_path, _TASK + 'print(f"result {trygon.get(f.remote(20))}")\n'))
    assert done.returncode == 0 and "result 41" in done.stdout
    assert "was passed over" in done.stderr and 'mode="inline"' in done.stderr


@pytest.mark.parametrize(("value", "expected"), [("0", "result 41"), ("os.getpid", "result 41")])
def test_pythonbreakpoint_decides(tmp_path, value, expected):
    done = _run(program(tmp_path, _TASK + 'print(f"result {trygon.get(f.remote(20))}")\n'), PYTHONBREAKPOINT=value)
    assert expected in done.stdout and "passed over" not in done.stderr


def test_a_stopped_task_leaves_nothing_when_the_program_is_killed(tmp_path):
    path = program(tmp_path, _TASK + 'print("driver", os.getpid(), flush=True)\ntrygon.get(f.remote(1))\n')
    with Terminal(path, TMPDIR=str(tmp_path)) as terminal:
        terminal.until("driver ")
        pid = int(terminal.until("\n"))
        shown = terminal.until("(Pdb) ")
        worker = int(shown.partition("(pid ")[2].partition(")")[0])
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while os.path.exists(f"/proc/{worker}") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not os.path.exists(f"/proc/{worker}")
    assert [name for name in os.listdir(tmp_path) if "debug" in name] == []

"""A real Jupyter kernel: cells, redefinitions, output, interrupts, restarts. Skipped where no kernel is installed."""

from __future__ import annotations

import os
import queue
import sys
import time
from pathlib import Path

import leaks
import pytest

pytest.importorskip("ipykernel")
jupyter_client = pytest.importorskip("jupyter_client")

_PACKAGE = Path(__file__).resolve().parent.parent / "python"


class Answer:
    """What one cell showed."""

    def __init__(self) -> None:
        self.stdout = self.stderr = ""
        self.data: dict[str, str] = {}
        self.error = ""


class Kernel:
    """A running kernel and its one client."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "IPYTHONDIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder), "NO_COLOR": "1"}
        if not os.environ.get("TRYGON_TEST_INSTALLED"):
            environment["PYTHONPATH"] = str(_PACKAGE)
        self.manager = jupyter_client.KernelManager(
            kernel_name="python3",
            connection_file=str(folder / "connection.json"),
            transport="ipc",
            ip=str(folder / "i"),
        )
        self.manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager.start_kernel(env=environment)
        self.connect()

    def connect(self) -> None:
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def send(self, code: str) -> str:
        return self.client.execute(code)

    def answer(self, message_id: str, limit_s: float = 30) -> Answer:
        """What the cell showed until it was done. Output of other cells must not come."""
        answer = Answer()
        deadline = time.monotonic() + limit_s
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != message_id:
                assert kind not in ("stream", "error", "execute_result"), f"output in another cell: {content}"
                continue
            if kind == "stream":
                setattr(answer, content["name"], getattr(answer, content["name"]) + content["text"])
            elif kind == "execute_result":
                answer.data = content["data"]
            elif kind == "error":
                answer.error = content["ename"]
            elif kind == "status" and content["execution_state"] == "idle":
                return answer

    def run(self, code: str, limit_s: float = 30) -> Answer:
        return self.answer(self.send(code), limit_s)

    def late_output(self, message_id: str, limit_s: float) -> str:
        """What a cell shows after it is done."""
        text = ""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=0.1)
            except queue.Empty:
                continue
            if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == message_id:
                text += message["content"]["text"]
        return text

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)


@pytest.fixture(autouse=True)
def no_leaks():
    """The kernel's processes come and go while it lives; what is left is looked at when it has ended."""
    yield


@pytest.fixture(scope="module")
def one_kernel(tmp_path_factory):
    before = leaks.engine_processes()
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    try:
        assert not kernel.run("import trygon, time, os\ntrygon.init(num_cpus=2)").error
        yield kernel
    finally:
        kernel.end()
    deadline = time.monotonic() + 5
    while (left := leaks.engine_processes() - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


@pytest.fixture
def kernel(one_kernel):
    return one_kernel


def test_functions_and_classes_of_cells(kernel):
    kernel.run("offset = 10\n@trygon.remote\ndef f(x):\n    return x + offset")
    kernel.run(
        "class Point:\n    def __init__(self, x): self.x = x\n"
        "@trygon.remote\nclass Keeper:\n    def keep(self, p):\n        self.p = p\n        return p"
    )
    answer = kernel.run(
        "p = Point(3); trygon.get(f.remote(1)), type(trygon.get(Keeper.remote().keep.remote(p))) is Point"
    )
    assert answer.data["text/plain"] == "(11, True)"


def test_redefinitions_are_used(kernel):
    for number in range(5):
        kernel.run(f"@trygon.remote\ndef g():\n    return {number}")
        assert kernel.run("trygon.get(g.remote())").data["text/plain"] == str(number)
    kernel.run("@trygon.remote\nclass C:\n    def m(self): return 'old'")
    kernel.run("old = C.remote(); trygon.get(old.m.remote())")
    kernel.run("@trygon.remote\nclass C:\n    def m(self): return 'new'")
    answer = kernel.run("trygon.get([old.m.remote(), C.remote().m.remote()])")
    assert answer.data["text/plain"] == "['old', 'new']"


def test_a_value_that_changes_between_cells(kernel):
    kernel.run("limit = 1\n@trygon.remote\ndef h():\n    return limit")
    assert kernel.run("trygon.get(h.remote())").data["text/plain"] == "1"
    # As everywhere: the function was sent with what it knew; running its cell again sends it anew.
    kernel.run("limit = 2\n@trygon.remote\ndef h():\n    return limit")
    assert kernel.run("trygon.get(h.remote())").data["text/plain"] == "2"


def test_output_is_shown_in_the_cell_that_waits_for_it(kernel):
    kernel.run(
        "import sys\n@trygon.remote\n"
        "def says(x):\n    print('out', x)\n    print('err', x, file=sys.stderr)\n    return x"
    )
    for number in range(5):
        answer = kernel.run(f"trygon.get(says.remote({number}))")
        assert f"out {number}" in answer.stdout and f"err {number}" in answer.stderr
        assert "out" not in answer.stderr


def test_output_that_comes_while_a_cell_runs_is_shown_at_once(kernel):
    kernel.run(
        "@trygon.remote\ndef slowly():\n    for i in range(3):\n        print('step', i)\n        time.sleep(0.3)"
    )
    message_id = kernel.send("trygon.get(slowly.remote())")
    began = time.monotonic()
    first = None
    while first is None or "step" not in first["content"].get("text", ""):
        first = kernel.client.get_iopub_msg(timeout=10)
    assert first["parent_header"]["msg_id"] == message_id
    assert time.monotonic() - began < 0.6
    assert "step 2" in kernel.answer(message_id).stdout


def test_errors_show_the_users_frames(kernel):
    kernel.run("@trygon.remote\ndef bad():\n    return 1 / 0")
    answer = kernel.run("trygon.get(bad.remote())")
    assert "ZeroDivisionError" in answer.error


def test_interrupt_and_go_on(kernel):
    message_id = kernel.send("trygon.get(trygon.remote(time.sleep).remote(8))")
    time.sleep(0.7)
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    assert kernel.answer(message_id).error == "KeyboardInterrupt"
    assert time.monotonic() - began < 1
    assert kernel.run("trygon.get(trygon.put(5))").data["text/plain"] == "5"


def test_await_in_a_cell(kernel):
    kernel.run("@trygon.remote\ndef one(x):\n    return x + 1")
    assert kernel.run("await one.remote(1)").data["text/plain"] == "2"
    answer = kernel.run("import asyncio\nawait asyncio.gather(*[one.remote(i) for i in range(3)])")
    assert answer.data["text/plain"] == "[1, 2, 3]"


def test_the_context_shows_itself(kernel):
    answer = kernel.run("trygon.init(ignore_reinit_error=True)")
    assert "Trygon" in answer.data["text/plain"] and "<" in answer.data["text/html"]


def test_breakpoint_in_a_task_is_passed_over(kernel):
    kernel.run("@trygon.remote\ndef stops():\n    breakpoint()\n    return 'went on'")
    answer = kernel.run("trygon.get(stops.remote())")
    assert answer.data["text/plain"] == "'went on'"


def test_many_redefinitions_are_warned_of_once(kernel):
    answer = kernel.run(
        "for number in range(104):\n"
        "    @trygon.remote\n"
        "    def again():\n        return number\n"
        "    assert trygon.get(again.remote()) == number"
    )
    assert answer.error == "" and answer.stderr.count("defined more than 100 times") == 1


def test_inline_mode_in_a_kernel(tmp_path):
    kernel = Kernel(tmp_path)
    try:
        kernel.run(
            "import trygon\ntrygon.init(mode='inline')\n@trygon.remote\ndef f(x):\n    print('says', x)\n    return x"
        )
        answer = kernel.run("trygon.get(f.remote(1)), await f.remote(2)")
        assert answer.data["text/plain"] == "(1, 2)" and "says 1" in answer.stdout
    finally:
        kernel.end()


def test_a_restart_leaves_no_process(tmp_path):
    kernel = Kernel(tmp_path)
    try:
        start = "import trygon, os\nc = trygon.init(num_cpus=2)\n@trygon.remote\ndef f():\n    return os.getpid()\n"
        answer = kernel.run(start + "[c['daemon_pid'], trygon.get(f.remote())]")
        pids = [int(pid) for pid in answer.data["text/plain"].strip("[]").split(",")]
        kernel.client.stop_channels()
        kernel.manager.restart_kernel(now=True)
        assert leaks.wait_gone(pids, 5) == []
        kernel.connect()
        assert kernel.run(start + "isinstance(trygon.get(f.remote()), int)").data["text/plain"] == "True"
    finally:
        kernel.end()

"""One engine process as the harness sees it: start it, ask it for a row, give up on it, end it and all it started."""

import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness import processes
from harness.environment import Environment

CHILD_SCRIPT = Path(__file__).with_name("child.py")


class RowFailed(Exception):
    """The row did not yield a figure; the text is the reason shown in the table."""


@dataclass
class Engine:
    """A child process running in an engine's environment. `end` must be called; nothing outlives it."""

    environment: Environment
    log_path: Path
    tag: str = field(default_factory=lambda: secrets.token_hex(8))
    process: subprocess.Popen | None = None
    scratch: str = ""
    peak_processes: int = 0
    # What comes before the command, and the variables of its environment, where it does not run on this machine itself.
    prefix: list[str] = field(default_factory=list)
    variables: dict[str, str] | None = None

    @property
    def name(self) -> str:
        """trygon, ray or pool."""
        return self.environment.name

    def launch(self, num_cpus: int | None, limit_s: float) -> "Engine":
        """Starts the child and, unless num_cpus is None, the engine in it."""
        # Short, because Ray makes Unix sockets below it and their names are limited to 107 bytes.
        self.scratch = tempfile.mkdtemp(prefix="tb-", dir="/tmp")
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "RAY_"))}
        variables = (self.variables or variables) | {
            processes.TAG_NAME: self.tag,
            "RAY_TMPDIR": self.scratch,
            # Ray would otherwise try to report its use over the network.
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, str(self.environment.python), str(CHILD_SCRIPT), self.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=variables,
                cwd=self.scratch,
                start_new_session=True,
            )
        if num_cpus is not None:
            self.ask({"op": "init", "num_cpus": num_cpus}, limit_s)
        return self

    def alive(self) -> bool:
        """Whether the child can be asked."""
        return self.process is not None and self.process.poll() is None

    def pids(self) -> list[int]:
        """The living processes of this engine, its driver included."""
        return processes.processes_of(self.process.pid, self.tag)

    def ask(self, request: dict, limit_s: float, count_processes: bool = False) -> dict:
        """Sends one request and waits for the answer; RowFailed on error, death or after limit_s seconds."""
        try:
            self.process.stdin.write((json.dumps(request) + "\n").encode())
            self.process.stdin.flush()
        except OSError as error:
            raise RowFailed(f"the engine's process is gone ({self.exit_text()})") from error
        line = self.read_line(limit_s, self.note_peak if count_processes else None)
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise RowFailed("the engine's process gave an answer that is not JSON") from error
        if "error" in answer:
            raise RowFailed(answer["error"])
        return answer

    def note_peak(self) -> None:
        """Remembers the largest number of processes seen."""
        self.peak_processes = max(self.peak_processes, len(self.pids()))

    def read_line(self, limit_s: float, meanwhile: Callable[[], None] | None) -> bytes:
        """One line of the child's answers, calling `meanwhile` every 50 ms if given."""
        stream = self.process.stdout.fileno()
        deadline = time.monotonic() + limit_s
        data = b""
        while not data.endswith(b"\n"):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                self.dump_stacks()
                raise RowFailed(f"timed out after {limit_s:.0f} s")
            if meanwhile:
                meanwhile()
            if not select.select([stream], [], [], min(left_s, 0.05) if meanwhile else left_s)[0]:
                continue
            chunk = os.read(stream, 65536)
            if not chunk:
                raise RowFailed(f"the engine's process died ({self.exit_text()})")
            data += chunk
        return data

    def dump_stacks(self) -> None:
        """Writes the child's Python stacks to the log, for whoever looks into the hang."""
        if self.alive():
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(0.2)

    def exit_text(self) -> str:
        """How the child ended."""
        try:
            code = self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "still running"
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def end(self, patience_s: float = 10.0) -> int:
        """Asks the engine to stop, then kills what is left; returns the number of processes left two seconds later."""
        if self.process is None:
            return 0
        try:
            self.process.stdin.write(b'{"op": "quit"}\n')
            self.process.stdin.close()
            self.process.wait(timeout=patience_s)
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline and self.pids():
                time.sleep(0.05)
        except (OSError, subprocess.TimeoutExpired):
            pass
        left = processes.end_all(self.process.pid, self.tag)
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
        return left

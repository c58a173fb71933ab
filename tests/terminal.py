"""A program in a pseudo-terminal: what it shows, and what a person would type."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent / "python"


class Terminal:
    """Runs a Python program whose standard streams are a terminal."""

    def __init__(self, program: str, **environment: str) -> None:
        self.seen = ""
        self._pid, self._descriptor = pty.fork()
        if self._pid == 0:
            os.environ.update({"NO_COLOR": "1", "TERM": "dumb", "PYTHON_BASIC_REPL": "1", **environment})
            if not os.environ.get("TRYGON_TEST_INSTALLED"):
                os.environ["PYTHONPATH"] = str(_PACKAGE)
            os.execv(sys.executable, [sys.executable, program])

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self._descriptor)

    def until(self, text: str, limit_s: float = 20) -> str:
        """What was shown up to and with `text`."""
        deadline = time.monotonic() + limit_s
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} did not come; there was: {self.seen!r}"
            if not self._read(0.1):
                raise AssertionError(f"the program ended without {text!r}; there was: {self.seen!r}")
        shown, _, self.seen = self.seen.partition(text)
        return shown + text

    def type(self, text: str) -> None:
        """As if it were typed."""
        os.write(self._descriptor, text.encode())

    def end(self, limit_s: float = 20) -> tuple[str, int]:
        """What was shown last, and the exit code."""
        deadline = time.monotonic() + limit_s
        while self._read(0.1):
            assert time.monotonic() < deadline, f"the program goes on; there was: {self.seen!r}"
        _, status = os.waitpid(self._pid, 0)
        return self.seen, os.waitstatus_to_exitcode(status)

    def _read(self, wait_s: float) -> bool:
        """False when the program has closed the terminal."""
        readable, _, _ = select.select([self._descriptor], [], [], wait_s)
        if readable:
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:
                return False
            self.seen += data.decode(errors="replace").replace("\r\n", "\n")
            return bool(data)
        return True

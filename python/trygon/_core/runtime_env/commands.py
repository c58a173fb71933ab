"""Commands that prepare an environment: with a time limit, ended with whoever wanted them, and reported when they take
long.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from typing import NoReturn

_FIRST_REPORT_S = 5.0
_NEXT_REPORT_S = 30.0
_LAST_LINES = 50
_VERY_LONG_S = 1e9


class SetupError(Exception):
    """An environment cannot be made; the text is for people."""


class Commands:
    """Runs commands for one environment."""

    def __init__(self, control_fd: int, timeout_s: float, report: Callable[[str], None]) -> None:
        self._control = control_fd
        self._timeout_s = timeout_s
        self._began = time.monotonic()
        self._report = report
        self._next_report_s = _FIRST_REPORT_S

    def run(self, what: str, command: list[str]) -> str:
        """Runs a command to its end and returns what it printed. SetupError with its last lines when it fails."""
        import subprocess

        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "__PYVENV"))}
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise SetupError(f"{what} failed: {command[0]} cannot be run: {error.strerror}") from error
        try:
            output = self._follow(process, what)
        finally:
            _end(process)
        text = output.decode("utf-8", "replace")
        if process.returncode != 0:
            lines = "\n".join(text.rstrip().splitlines()[-_LAST_LINES:])
            raise SetupError(f"{what} failed with code {process.returncode}: {' '.join(command)}\n{lines}")
        return text

    def look_up(self, key: str) -> bytes | None:
        """What the cluster knows under a key of the environments; None when there is no such key."""
        from trygon import _native

        what = "fetching the job's code from the cluster's head"
        rest_s = self._began + self._timeout_s - time.monotonic() if self._timeout_s >= 0 else _VERY_LONG_S
        try:
            answer = _native.zygote_look_up(self._control, key.encode(), max(rest_s, 0.0))
        except TimeoutError as error:
            raise SetupError(
                f"{what} was given up: it does not answer, and setup_timeout_seconds={self._timeout_s:g} have passed"
            ) from error
        if answer is None:
            _leave()
        self._look_at_the_clock(what)
        existed, value = answer
        return value if existed else None

    def wait(self, seconds: float, what: str = "waiting for another process that makes the same environment") -> None:
        """Lets time pass. Gives up like a command when there is no more of it."""
        import select

        poller = select.poll()
        poller.register(self._control, 0)
        if poller.poll(seconds * 1000):
            _leave()
        self._look_at_the_clock(what)

    def _follow(self, process: subprocess.Popen[bytes], what: str) -> bytes:
        import select

        assert process.stdout is not None
        pipe = process.stdout.fileno()
        poller = select.poll()
        poller.register(pipe, select.POLLIN)
        # Asks for nothing, so that only the other side's end is told.
        poller.register(self._control, 0)
        output = bytearray()
        while True:
            for descriptor, _ in poller.poll(500):
                if descriptor == self._control:
                    _end(process)
                    _leave()
                chunk = os.read(pipe, 65536)
                if not chunk:
                    process.wait()
                    return bytes(output)
                output += chunk
            self._look_at_the_clock(what)

    def _look_at_the_clock(self, what: str) -> None:
        passed_s = time.monotonic() - self._began
        if 0 <= self._timeout_s < passed_s:
            raise SetupError(
                f"{what} was given up: the preparation took longer than setup_timeout_seconds={self._timeout_s:g}"
            )
        if passed_s >= self._next_report_s:
            self._report(f"A runtime environment is being made: {what} ({passed_s:.0f} s so far)")
            self._next_report_s += _NEXT_REPORT_S


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of a command and of what it started."""
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _leave() -> NoReturn:
    """The daemon is gone: there is nobody to prepare anything for."""
    os._exit(1)

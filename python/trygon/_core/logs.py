"""Printing in the driver what workers print: tagged, and the same line of several workers within five seconds only
once.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from trygon import _native
from trygon._core.debugger import OFFER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Begins what a progress bar in a worker says; see `progress`.
PROGRESS_MARK = "\x01trygon:bar:"
WINDOW_S = 5.0
_POLL_S = 0.2
_MOST_REMEMBERED = 5000
_COLOURS = ("\x1b[36m", "\x1b[33m")
_RESET = "\x1b[0m"


class _Repeats:
    """A line that was printed, and how often other workers have printed it since."""

    __slots__ = ("count", "first_s", "is_stderr", "name", "pid")

    def __init__(self, name: str, pid: int, is_stderr: bool, first_s: float) -> None:
        self.name, self.pid, self.is_stderr, self.first_s, self.count = name, pid, is_stderr, first_s, 0


class Deduplicator:
    """Decides which lines are printed now, and which are only counted. Knows no stream and no clock."""

    def __init__(self, enabled: bool = True) -> None:
        self._enabled = enabled
        self._seen: dict[tuple[str, bool], _Repeats] = {}

    def take(self, name: str, pid: int, is_stderr: bool, line: str, now_s: float) -> bool:
        """Whether to print this line now. Lines that one worker repeats are always printed: only other workers' echoes
        are counted.
        """
        if not self._enabled or not line.strip():
            return True
        key = (line, is_stderr)
        known = self._seen.get(key)
        if known is None:
            if len(self._seen) < _MOST_REMEMBERED:
                self._seen[key] = _Repeats(name, pid, is_stderr, now_s)
            return True
        if known.pid == pid:
            return True
        known.count += 1
        known.name = name
        return False

    def expired(self, now_s: float) -> list[tuple[str, int, bool, str]]:
        """What has to be said about lines whose window is over, as `(name, pid, is_stderr, line)`."""
        over = [key for key, known in self._seen.items() if now_s - known.first_s >= WINDOW_S]
        said = []
        for key in over:
            known = self._seen.pop(key)
            if known.count:
                times = "once more" if known.count == 1 else f"{known.count} times more"
                said.append((known.name, known.pid, known.is_stderr, f"{key[0]} [printed {times} by other workers]"))
        return said


class _Printer:
    def __init__(self) -> None:
        self._deduplicator = Deduplicator(os.environ.get("TRYGON_DEDUP_LOGS", "1") not in ("0", "false", "False"))
        self._ending = threading.Event()
        # Guards the order of lines between the thread and `flush`.
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="trygon-output", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set() and _native.is_initialized():
            _native.wait_for_log_lines(_POLL_S)
            self.drain()
            debugger = sys.modules.get("trygon._core.debugger.driver")
            if debugger is not None:
                debugger.poke()

    def drain(self) -> None:
        """Prints what has arrived. Taking and printing are one step, so that lines keep their order."""
        with self._lock:
            self._print(_native.take_log_lines(), time.monotonic())

    def _print(self, batches: list[Any], now_s: float) -> None:
        for pid, name, is_stderr, lines, dropped in batches:
            if any(PROGRESS_MARK in line for line in lines):
                from trygon._core import progress

                lines = progress.take(lines, pid)
            chosen = []
            for line in lines:
                if line.startswith(OFFER):
                    from trygon._core.debugger.driver import offer

                    chosen.append(offer(pid, line[len(OFFER) :]))
                elif self._deduplicator.take(name, pid, is_stderr, line, now_s):
                    chosen.append(line)
            if dropped:
                chosen.append(f"[{dropped} more lines were dropped: too many at once]")
            _write(name, pid, is_stderr, chosen)
        for name, pid, is_stderr, line in self._deduplicator.expired(now_s):
            _write(name, pid, is_stderr, [line])

    def held(self) -> Any:
        """Nothing is printed inside of this context."""
        return self._lock

    def end(self, last_lines: list[Any]) -> None:
        self._ending.set()
        self._thread.join(1.0)
        with self._lock:
            self._print(last_lines, time.monotonic())
            self._print([], float("inf"))
            progress = sys.modules.get("trygon._core.progress")
            if progress is not None:
                progress.end()


def _write(name: str, pid: int, is_stderr: bool, lines: list[str]) -> None:
    stream = sys.stderr if is_stderr else sys.stdout
    if stream is None or not lines:
        return
    prefix = f"({name} pid={pid})" if name else f"(pid={pid})"
    if "TRYGON_LOGGING_CONFIG" in os.environ:
        # The lines of a LoggingConfig tell where they come from, and are for programs to read.
        prefix = ""
    try:
        if prefix and stream.isatty() and not os.environ.get("NO_COLOR"):
            prefix = f"{_COLOURS[is_stderr]}{prefix}{_RESET}"
        text = "".join(f"{prefix} {line}\n" if prefix else f"{line}\n" for line in lines)
        progress = sys.modules.get("trygon._core.progress")
        if progress is None:
            stream.write(text)
            stream.flush()
        else:
            progress.write_above_bars(stream, text)
    except (OSError, ValueError):
        pass  # The stream is closed; there is nowhere to complain.


_printer: _Printer | None = None


def start() -> None:
    """Begins to print."""
    global _printer
    _printer = _Printer()
    shell = _shell()
    if shell is not None:
        # What tasks of a cell have printed belongs to it, not to the next one.
        shell.events.register("post_run_cell", _after_cell)


def settle() -> None:
    """Prints what workers had printed before this was called: the daemon's answer comes after their lines."""
    if _printer is not None and _native.is_initialized():
        try:
            _native.query_state("available_resources")
        except Exception:
            return  # The daemon is gone; the next call of the program says so.
        _printer.drain()


def _shell() -> Any:
    """The notebook or interactive shell that this process is, if it is one."""
    interactive = sys.modules.get("IPython")
    return None if interactive is None else interactive.get_ipython()


def _after_cell(*_: object) -> None:
    settle()


def held() -> Any:
    """A context in which nothing is printed; what comes meanwhile is printed afterwards."""
    from contextlib import nullcontext

    return nullcontext() if _printer is None else _printer.held()


def flush() -> None:
    """Prints what has arrived so far."""
    if _printer is not None:
        _printer.drain()


def end(last_lines: list[Any]) -> None:
    """Prints what came last and ends the printing thread."""
    global _printer
    if _printer is not None:
        _printer.end(last_lines)
        _printer = None
        shell = _shell()
        if shell is not None:
            try:
                shell.events.unregister("post_run_cell", _after_cell)
            except ValueError:
                pass  # The shell was made anew since.

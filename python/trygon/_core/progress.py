"""Progress bars of all processes, drawn by the driver: below everything else that is printed, one line each.

A bar in a worker says how far it is with marked lines of its output, which are taken out here. Where standard error is
no terminal, a bar is a plain line now and then.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time

from trygon._core.logs import PROGRESS_MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

_DRAW_S = 0.1
_PLAIN_LINE_S = 10.0
_BAR_WIDTH = 20
# What a bar says of itself (`progress_bar.py`).
_KEYS = {"bar", "closed", "count", "desc", "position", "total", "unit"}


class _Bar:
    """One bar, as its process last described it."""

    __slots__ = ("began_s", "position", "said_at_s", "state")

    def __init__(self, now_s: float, position: int) -> None:
        self.state: dict[str, Any] = {}
        self.began_s, self.said_at_s, self.position = now_s, now_s, position

    def line(self, now_s: float, width: int) -> str:
        """What is drawn, at most `width` characters."""
        state, elapsed_s = self.state, max(now_s - self.began_s, 1e-9)
        count, total, unit = state["count"], state["total"], state["unit"]
        label = f"{state['desc']}: " if state["desc"] else ""
        rate = f"{_clock(elapsed_s)}, {count / elapsed_s:.4g} {unit}/s"
        if not total:
            return f"{label}{_figure(count)} {unit} [{rate}]"[:width]
        share = min(max(count / total, 0.0), 1.0)
        filled = int(share * _BAR_WIDTH)
        bar = "█" * filled + " " * (_BAR_WIDTH - filled)
        return f"{label}{share:4.0%} |{bar}| {_figure(count)}/{_figure(total)} [{rate}]"[:width]


def _figure(count: float) -> str:
    return str(int(count)) if count == int(count) else f"{count:.2f}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


class BarManager:
    """All bars of a driver."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        # Re-entrant: a finalizer may close a bar while another is drawn.
        self._lock = threading.RLock()
        self._bars: dict[tuple[int, str], _Bar] = {}
        self._drawn = 0
        self._drawn_at_s = 0.0

    def _output(self) -> TextIO | None:
        return sys.stderr if self._stream is None else self._stream

    def _is_terminal(self) -> bool:
        output = self._output()
        try:
            return output is not None and output.isatty()
        except ValueError:
            return False

    def update(self, pid: int, state: dict[str, Any]) -> None:
        """Takes what a bar says about itself; draws it at most ten times a second."""
        with self._lock:
            now_s = time.monotonic()
            key = (pid, state["bar"])
            bar = self._bars.get(key)
            if bar is None:
                if state["closed"] and not state["count"]:
                    return
                bar = self._bars[key] = _Bar(now_s, state["position"])
            bar.state = state
            if not self._is_terminal():
                self._say_plainly(bar, now_s)
            elif state["closed"]:
                self._erase()
                self._write(bar.line(now_s, _width()) + "\n")
            if state["closed"]:
                del self._bars[key]
            if self._is_terminal() and (state["closed"] or now_s - self._drawn_at_s >= _DRAW_S):
                self._draw(now_s)

    def _say_plainly(self, bar: _Bar, now_s: float) -> None:
        if bar.state["closed"] or now_s - bar.said_at_s >= _PLAIN_LINE_S:
            bar.said_at_s = now_s
            self._write(bar.line(now_s, 200) + "\n")

    def write_above(self, stream: TextIO, text: str) -> None:
        """Prints text where the bars are, and the bars again below it."""
        with self._lock:
            self._erase()
            stream.write(text)
            stream.flush()
            if self._bars and self._is_terminal():
                self._draw(time.monotonic())

    def end(self) -> None:
        """Forgets the bars of processes that are gone."""
        with self._lock:
            self._erase()
            self._bars.clear()

    def _erase(self) -> None:
        if self._drawn:
            self._write("\x1b[1A\x1b[2K" * self._drawn)
            self._drawn = 0

    def _draw(self, now_s: float) -> None:
        self._erase()
        self._drawn_at_s = now_s
        bars = sorted(self._bars.values(), key=lambda bar: bar.position)
        width, height = _width(), max(1, shutil.get_terminal_size().lines - 2)
        self._drawn = min(len(bars), height)
        self._write("".join(f"{bar.line(now_s, width)}\n" for bar in bars[:height]))

    def _write(self, text: str) -> None:
        output = self._output()
        if output is None:
            return
        try:
            output.write(text)
            output.flush()
        except (OSError, ValueError):
            pass  # The stream is closed; there is nowhere to complain.


def _width() -> int:
    return max(20, shutil.get_terminal_size().columns - 1)


_manager: BarManager | None = None
_manager_lock = threading.Lock()


def instance() -> BarManager:
    """The bars of this process."""
    global _manager
    with _manager_lock:
        if _manager is None:
            _manager = BarManager()
    return _manager


def _described(text: str) -> dict[str, Any] | None:
    """What a bar says of itself; None for what no bar says, which would otherwise be found out when it is drawn."""
    try:
        state = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(state, dict) or not state.keys() >= _KEYS:
        return None
    numbers = [state["count"], state["position"], state["total"] or 0]
    if not all(isinstance(number, (int, float)) and abs(number) < 1e18 for number in numbers):
        return None
    texts = [state["bar"], state["unit"], state["desc"] or ""]
    return state if all(isinstance(text, str) for text in texts) else None


def take(lines: list[str], pid: int) -> list[str]:
    """Hands marked lines to the bars; returns the others."""
    others = []
    for line in lines:
        text, mark, state = line.partition(PROGRESS_MARK)
        if mark:
            described = _described(state)
            if described is None:
                others.append(line)  # Somebody else's line.
                continue
            instance().update(pid, described)
        if text or not mark:
            others.append(text)
    return others


def write_above_bars(stream: TextIO, text: str) -> None:
    """Prints text so that it does not run into the bars."""
    if _manager is None or not text:
        stream.write(text)
        stream.flush()
    else:
        _manager.write_above(stream, text)


def end() -> None:
    """Removes the bars."""
    if _manager is not None:
        _manager.end()


def say(state: dict[str, Any]) -> None:
    """A bar of this process tells where it is."""
    from trygon import _native
    from trygon._core.completions import is_inline

    if not is_inline() and _native.is_initialized() and _native.context()["mode"] == "worker":
        stream = sys.__stdout__
        if stream is not None:
            stream.write(f"{PROGRESS_MARK}{json.dumps(state)}\n")
            stream.flush()
    else:
        instance().update(os.getpid(), state)

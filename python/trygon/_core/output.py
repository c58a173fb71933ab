"""What a worker prints, line by line and tagged with what printed it.

Before the first output after the name of what runs has changed, a line `\\x01trygon:name:<NAME>` is written to the
stream; the daemon
takes it out again. It is written only then, so that silent tasks cost nothing.
"""

from __future__ import annotations

import io
import os
import sys
import threading

_MARKER = b"\x01trygon:name:"
_MOST_PENDING_BYTES = 8192

# What runs now. One assignment per change; read only when something is printed.
_current = b""


def set_name(name: str) -> None:
    """Says what runs from here on."""
    global _current
    _current = name.encode("utf-8", "replace").replace(b"\n", b" ")


class LineStream(io.BufferedIOBase):
    """Collects bytes and writes whole lines, several in one `write`. Each thread has its own line."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # Unfinished lines by thread, each with the name of what printed it.
        self._pending: dict[int, tuple[bytes, bytes]] = {}
        self._written_name = b""
        self._at_line_start = True
        self._pid = os.getpid()
        # Guards the fields above; re-entrant because a signal handler may print.
        self._lock = threading.RLock()

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Takes bytes; whole lines go out at once."""
        chunk = bytes(data)
        thread = threading.get_ident()
        with self._lock:
            name, line = self._pending.pop(thread, (_current, b""))
            if line and name != _current:
                self._send(name, line + b"\n")
                line = b""
            line = line + chunk
            end = line.rfind(b"\n") + 1 if len(line) <= _MOST_PENDING_BYTES or b"\n" in chunk else len(line)
            if end:
                self._send(_current, line[:end])
            if end < len(line):
                self._pending[thread] = (_current, line[end:])
        return len(chunk)

    def flush(self) -> None:
        """Writes what is there, also half a line."""
        with self._lock:
            for thread in list(self._pending):
                name, line = self._pending.pop(thread)
                self._send(name, line)

    def _send(self, name: bytes, data: bytes) -> None:
        # A child that user code forked shares the pipe but not what is remembered here: it leaves the marks alone.
        if name != self._written_name and os.getpid() == self._pid:
            start = b"" if self._at_line_start else b"\n"
            data = start + _MARKER + name + b"\n" + data
            self._written_name = name
        self._at_line_start = data.endswith(b"\n")
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except InterruptedError:
                continue
            except OSError:
                return  # The daemon is gone, and with it whoever would read this.

    def fileno(self) -> int:
        """The descriptor below: subprocesses print to it directly."""
        return self._descriptor

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """Never: it is a pipe."""
        return False


def install() -> None:
    """Puts tagged streams in the place of `sys.stdout` and `sys.stderr`."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = io.TextIOWrapper(
            LineStream(descriptor), encoding="utf-8", errors="backslashreplace", write_through=True
        )  # type: ignore[type-var]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)

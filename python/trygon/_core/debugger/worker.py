"""The worker's side: pdb over a private socket."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
from pdb import Pdb

from trygon._core.debugger import OFFER, TERMINAL_VARIABLE, frames
from trygon._core.errors import is_runtime_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any


class Session:
    """A connection to the driver's terminal, as the file that pdb reads and writes."""

    encoding = "utf-8"

    def __init__(self, connection: socket.socket) -> None:
        self._connection: socket.socket | None = connection
        self._partial = ""
        self.was_interrupted = False

    @staticmethod
    def open(what: str, where: str) -> Session:
        """Offers a session to the driver and waits until it takes it."""
        # Only this user can enter the folder.
        folder = tempfile.mkdtemp(prefix="trygon-debug-")
        path = os.path.join(folder, "socket")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                listener.bind(path)
                listener.listen(1)
                offer = json.dumps({"path": path, "what": what, "where": where})
                print(OFFER + offer, file=sys.__stdout__, flush=True)
                while True:
                    connection, _ = listener.accept()
                    if frames.peer_is_same_user(connection):
                        return Session(connection)
                    connection.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def is_open(self) -> bool:
        """Whether somebody is there."""
        return self._connection is not None

    def write(self, text: str) -> int:
        """Whole lines go out at once; what may be a prompt is kept until a line is asked for."""
        lines, newline, self._partial = (self._partial + text).rpartition("\n")
        if newline:
            self._send(frames.OUTPUT, lines + newline)
        return len(text)

    def flush(self) -> None:
        """Nothing to do."""

    def isatty(self) -> bool:
        """The terminal is elsewhere."""
        return False

    def readline(self) -> str:
        """A line that the user types. When the user has left, the program goes on."""
        prompt, self._partial = self._partial, ""
        self._send(frames.PROMPT, prompt)
        try:
            answer = frames.receive(self._connection) if self._connection is not None else None
        except KeyboardInterrupt:
            # The task was cancelled. pdb would take this for a key that somebody has pressed.
            self.was_interrupted = True
            answer = None
        if answer is None or answer[0] != frames.LINE:
            self.close()
            return "continue\n"
        return answer[1]

    def close(self) -> None:
        """Gives the terminal back."""
        if self._connection is not None:
            if self._partial:
                self._send(frames.OUTPUT, self._partial)
                self._partial = ""
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _send(self, kind: bytes, text: str) -> None:
        if self._connection is None:
            return
        try:
            frames.send(self._connection, kind, text)
        except OSError:
            self._connection.close()
            self._connection = None


class TaskPdb(Pdb):
    """pdb that sees the task's own frames only, and ends with the task."""

    def __init__(self, session: Session) -> None:
        # A worker's SIGINT is not the terminal's.
        super().__init__(stdin=session, stdout=session, nosigint=True, skip=["trygon.*"])  # type: ignore[arg-type]
        self._session = session

    def set_trace(self, frame: Any = None, **more: Any) -> None:
        """Stops in `frame`."""
        self.reset()
        outermost = frame
        while frame is not None and not is_runtime_file(frame.f_code.co_filename):
            frame.f_trace = self.trace_dispatch
            outermost = frame
            frame = frame.f_back
        self.botframe = outermost
        self.set_step()
        sys.settrace(self.trace_dispatch)

    def interaction(self, *args: Any, **more: Any) -> None:
        """The prompt; goes on in the task as an interruption if the task was cancelled meanwhile."""
        super().interaction(*args, **more)
        if self._session.was_interrupted:
            self._session.was_interrupted = False
            sys.settrace(None)
            raise KeyboardInterrupt("this task was cancelled")

    def set_continue(self) -> None:
        """Goes on; the terminal is given back if nothing can stop the task again."""
        if not self._session.is_open:
            self.clear_all_breaks()
        super().set_continue()
        if not self.breaks:
            self._session.close()

    def set_quit(self) -> None:
        """Ends the task with BdbQuit."""
        super().set_quit()
        self._session.close()

    def dispatch_return(self, frame: FrameType, arg: Any) -> Any:
        """What is above the task's first frame is not the user's."""
        traced = super().dispatch_return(frame, arg)
        if frame is self.botframe:
            sys.settrace(None)
            self._session.close()
            return None
        return traced


def stop(frame: FrameType) -> None:
    """`breakpoint()`: a session at `frame`, if the program has a terminal."""
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if not _has_terminal(f"breakpoint() at {where}"):
        return
    TaskPdb(Session.open(_task_name(), where)).set_trace(frame)


def post_mortem(error: BaseException) -> None:
    """A session where `error` was raised."""
    traceback = error.__traceback__
    while traceback is not None and is_runtime_file(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    if traceback is None or not _has_terminal(f"The failure of {_task_name()}"):
        return
    last: TracebackType = traceback
    while last.tb_next is not None:
        last = last.tb_next
    session = Session.open(
        f"{_task_name()}, which raised {type(error).__name__}", f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
    )
    session.write(f"{type(error).__name__}: {error}\n")
    debugger = TaskPdb(session)
    debugger.reset()
    debugger.botframe = traceback.tb_frame
    try:
        debugger.interaction(None, traceback)  # type: ignore[arg-type, unused-ignore]
    finally:
        session.close()


def _task_name() -> str:
    from trygon import _native

    return str(_native.context().get("task_name") or "an actor")


def _has_terminal(what: str) -> bool:
    if os.environ.get(TERMINAL_VARIABLE):
        return True
    print(
        f"{what} was passed over: the program has no terminal that tasks can use. Start it from one with"
        ' log_to_driver on, run it with trygon.init(mode="inline"), or name another debugger in PYTHONBREAKPOINT.',
        file=sys.stderr,
    )
    return False

"""A connection between two members: frames with a head of 16 bytes, and raw bytes for what is large.

Blocking, with a time-out on every wait; a long one is made in slices, and between them somebody else may look whether
it still makes sense. Knows sockets, not groups.
"""

from __future__ import annotations

import math
import os
import select
import socket
import struct
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from trygon.util.collective.errors import CollectiveError, CollectiveTimeoutError
from trygon.util.collective.peers import LOOK_EVERY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    Result = TypeVar("Result")

# Kind, nothing, bytes of the description, number of the call, bytes of the data.
HEAD = struct.Struct("<BBHIQ")
CALL, DONE, ERROR, SYNC, GO, SEND, WELCOME = range(1, 8)
_KINDS = frozenset(range(1, 8))
# A frame's data: larger things travel as raw bytes or through shared memory.
MOST_DATA_BYTES = 1 << 30
_BUFFER_BYTES = 160 << 10
_SOCKET_BUFFER_BYTES = 4 << 20


class Frame(NamedTuple):
    """What was read. `data` is valid until the next read on the same link."""

    kind: int
    number: int
    description: bytes
    data: memoryview


class Link:
    """One connection, to the member `rank`."""

    def __init__(
        self, connection: socket.socket, rank: int, who: str, timeout_s: float, look: Callable[[], None]
    ) -> None:
        self.rank = rank
        self.who = who
        # The identity of the door that the other side came through, if it was that one's.
        self.door = ""
        self._socket = connection
        # Called from time to time during a wait; raises what ends it.
        self.look = look
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        # While raw bytes are under way a frame would be taken for a part of them.
        self.is_raw = False
        self.set_timeout(timeout_s)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def is_local(self) -> bool:
        """Whether descriptors can be passed over it."""
        return self._socket.family == socket.AF_UNIX

    def fileno(self) -> int:
        """For `poll`."""
        return self._socket.fileno()

    def set_timeout(self, timeout_s: float) -> None:
        """How long each wait on this link may last."""
        self._timeout_s = timeout_s
        self._slices = slices_of(timeout_s)
        self._be_patient()

    def _be_patient(self) -> None:
        self._socket.settimeout(self._timeout_s / self._slices)

    def _wait_for(self, step: Callable[[], Result]) -> Result:
        """What `step` returns, which waits for one slice; TimeoutError after the last one."""
        for _ in range(self._slices - 1):
            try:
                return step()
            except TimeoutError:
                self.look()
        return step()

    def _send_all(self, data: memoryview) -> None:
        sent = 0
        while sent < len(data):
            sent += self._wait_for(partial(self._socket.send, data[sent:]))

    def send(self, kind: int, number: int, description: bytes = b"", data: memoryview | bytes = b"") -> None:
        """Sends a frame."""
        head = HEAD.pack(kind, 0, len(description), number, len(data))
        try:
            sent = self._wait_for(lambda: self._socket.sendmsg([head, description, data]))
            total = len(head) + len(description) + len(data)
            if sent < total:
                self._send_all(memoryview(head + description + bytes(data))[sent:])
        except OSError as error:
            raise self._told() or self._lost(error) from None

    def receive(self) -> Frame:
        """The next frame; waits for it."""
        while self._end - self._start < HEAD.size:
            self._fill()
        kind, _, description_bytes, number, data_bytes = HEAD.unpack_from(self._buffer, self._start)
        if kind not in _KINDS or data_bytes > MOST_DATA_BYTES:
            raise CollectiveError(f"{self.who} sent something that is not understood; all must run the same version.")
        whole = HEAD.size + description_bytes + data_bytes
        if whole > len(self._buffer) - self._start:
            self._make_room(whole)
        while self._end - self._start < whole:
            self._fill()
        middle = self._start + HEAD.size + description_bytes
        description = bytes(self._view[self._start + HEAD.size : middle])
        data = self._view[middle : self._start + whole]
        self._start += whole
        if self._start == self._end:
            self._start = self._end = 0
        return Frame(kind, number, description, data)

    def has_bytes(self) -> bool:
        """Whether something was read that no frame has used yet: `poll` does not see that."""
        return self._end > self._start

    def is_readable(self) -> bool:
        """Whether something has come that was not read."""
        return self.has_bytes() or bool(select.select([self._socket], [], [], 0)[0])

    def ending(self) -> CollectiveError | None:
        """What the other side said before it closed, or that it did; None while it is there."""
        waiter = select.poll()
        waiter.register(self._socket.fileno(), select.POLLRDHUP)
        return (self._told() or self._lost(None)) if waiter.poll(0) else None

    def is_closed(self) -> bool:
        """Whether the other side has closed it, as far as can be seen without waiting."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"" if self.is_readable() else False
        except OSError:
            return True

    def _make_room(self, whole_bytes: int) -> None:
        rest = bytes(self._view[self._start : self._end])
        if whole_bytes > len(self._buffer):
            self._buffer = bytearray(whole_bytes)
            self._view = memoryview(self._buffer)
        self._buffer[: len(rest)] = rest
        self._start, self._end = 0, len(rest)

    def _fill(self) -> None:
        if self._end == len(self._buffer):
            self._make_room(0)
        try:
            count = self._wait_for(lambda: self._socket.recv_into(self._view[self._end :]))
        except OSError as error:
            raise self._lost(error) from None
        if count == 0:
            raise self._lost(None)
        self._end += count

    def send_raw(self, data: memoryview) -> None:
        """Sends bytes that the other side knows to expect."""
        self.is_raw = True
        try:
            self._send_all(data)
        except OSError as error:
            raise self._told() or self._lost(error) from None
        self.is_raw = False

    def receive_raw(self, data: memoryview) -> None:
        """Fills `data`."""
        filled = self._take_buffered(data)
        try:
            while filled < len(data):
                count = self._wait_for(partial(self._socket.recv_into, data[filled:]))
                if count == 0:
                    raise self._lost(None)
                filled += count
        except OSError as error:
            raise self._lost(error) from None

    def _take_buffered(self, data: memoryview) -> int:
        count = min(len(data), self._end - self._start)
        data[:count] = self._view[self._start : self._start + count]
        self._start += count
        if self._start == self._end:
            self._start = self._end = 0
        return count

    def give_up(self, reason: str) -> None:
        """Tells the other side why, if that is possible at once, and closes."""
        try:
            if not self.is_raw and reason:
                self._socket.settimeout(0)
                self.send(ERROR, 0, b"", reason.encode())
        except (OSError, CollectiveError):
            pass
        self._socket.close()
        self._view = memoryview(b"")
        self._buffer = bytearray()

    def _told(self) -> CollectiveError | None:
        """What the other side said before it closed; a send that fails has not seen it."""
        try:
            self._socket.settimeout(0)
            while (frame := self.receive()).kind != ERROR:
                pass
        except (CollectiveError, OSError):
            return None
        return CollectiveError(bytes(frame.data).decode(errors="replace"))

    def _lost(self, error: OSError | None) -> CollectiveError:
        if isinstance(error, TimeoutError):
            return CollectiveTimeoutError(f"{self.who} did not answer within {self._timeout_s:g} s")
        return CollectiveError(f"{self.who} ended, or left the group")

    def pass_descriptor(self, descriptor: int | None, number: int) -> None:
        """Sends WELCOME, with a descriptor if there is one."""
        head = HEAD.pack(WELCOME, 0, 0, number, 0)
        try:
            if descriptor is None:
                self._send_all(memoryview(head))
            else:
                self._wait_for(lambda: socket.send_fds(self._socket, [head], [descriptor]))
        except OSError as error:
            raise self._told() or self._lost(error) from None

    def take_descriptor(self) -> int | None:
        """Waits for WELCOME, or ERROR; the descriptor belongs to the caller."""
        try:
            head, descriptors, _, _ = self._wait_for(lambda: socket.recv_fds(self._socket, HEAD.size, 1))
        except OSError as error:
            raise self._lost(error) from None
        if not head:
            raise self._lost(None)
        if head[0] == ERROR:
            self._buffer[: len(head)] = head
            self._end = len(head)
            raise CollectiveError(bytes(self.receive().data).decode(errors="replace"))
        if len(head) != HEAD.size or head[0] != WELCOME:
            raise CollectiveError(f"{self.who} sent something that is not understood; all must run the same version.")
        return descriptors[0] if descriptors else None


def slices_of(timeout_s: float) -> int:
    """In how many parts a wait is made, so that somebody can look in between."""
    return max(1, math.ceil(timeout_s / LOOK_EVERY_S))


def exchange(outward: Link, out: memoryview, inward: Link, into: memoryview, timeout_s: float) -> None:
    """Sends `out` on one link while `into` is filled from another, so that a ring of members cannot block."""
    sent, filled = 0, inward._take_buffered(into)
    source, sink = inward._socket, outward._socket
    outward.is_raw = True
    source.settimeout(0)
    sink.settimeout(0)
    waiter = select.poll()
    link = outward
    try:
        while sent < len(out) or filled < len(into):
            wanted: dict[int, int] = {}
            if sent < len(out):
                wanted[sink.fileno()] = select.POLLOUT
            if filled < len(into):
                wanted[source.fileno()] = wanted.get(source.fileno(), 0) | select.POLLIN
            for descriptor, events in wanted.items():
                waiter.register(descriptor, events)
            ready = dict(poll_patiently(waiter, timeout_s, inward.look))
            for descriptor in wanted:
                waiter.unregister(descriptor)
            if not ready:
                raise (inward if filled < len(into) else outward)._lost(TimeoutError())
            link = inward
            if filled < len(into) and ready.get(source.fileno(), 0) & ~select.POLLOUT:
                filled += _receive_some(inward, into[filled:])
            link = outward
            if sent < len(out) and ready.get(sink.fileno(), 0) & ~select.POLLIN:
                try:
                    sent += sink.send(out[sent:])
                except BlockingIOError:
                    pass
    except CollectiveError:
        raise
    except OSError as error:
        raise link._lost(error) from None
    inward._be_patient()
    outward._be_patient()
    outward.is_raw = False


def poll_patiently(waiter: select.poll, timeout_s: float, look: Callable[[], None]) -> list[tuple[int, int]]:
    """What is ready; nothing after the time-out."""
    slices = slices_of(timeout_s)
    for number in range(slices):
        ready = waiter.poll(timeout_s / slices * 1000)
        if ready:
            return ready
        if number + 1 < slices:
            look()
    return []


def _receive_some(link: Link, into: memoryview) -> int:
    try:
        count = link._socket.recv_into(into)
    except BlockingIOError:
        return 0
    if count == 0:
        raise link._lost(None)
    return count


class descriptor_closer:
    """Closes a descriptor, if there is one, at the end of a block."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

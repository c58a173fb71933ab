"""What driver and worker say to each other: a kind, a length, text."""

from __future__ import annotations

import socket
import struct

OUTPUT, PROMPT, LINE, DETACH = b"o", b"p", b"l", b"d"
_HEADER = struct.Struct("<cI")
_LONGEST_BYTES = 64 * 2**20


def send(connection: socket.socket, kind: bytes, text: str = "") -> None:
    """Sends one frame."""
    data = text.encode("utf-8", "surrogateescape")
    connection.sendall(_HEADER.pack(kind, len(data)) + data)


def receive(connection: socket.socket) -> tuple[bytes, str] | None:
    """The next frame; None when the other side is gone."""
    header = _exactly(connection, _HEADER.size)
    if header is None:
        return None
    kind, size_bytes = _HEADER.unpack(header)
    if size_bytes > _LONGEST_BYTES:
        return None
    data = _exactly(connection, size_bytes)
    return None if data is None else (kind, data.decode("utf-8", "surrogateescape"))


def _exactly(connection: socket.socket, size_bytes: int) -> bytes | None:
    parts = []
    while size_bytes:
        try:
            part = connection.recv(min(size_bytes, 1 << 16))
        except OSError:
            return None
        if not part:
            return None
        parts.append(part)
        size_bytes -= len(part)
    return b"".join(parts)


def peer_is_same_user(connection: socket.socket) -> bool:
    """Whether the process at the other end belongs to this one's user."""
    import os

    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return bool(uid == os.getuid())

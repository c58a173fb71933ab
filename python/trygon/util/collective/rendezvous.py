"""How two members find each other: each has a door and says where in the engine's key-value store; of two members the
one with the higher rank comes to the other's. Both prove that they read the store before anything else is believed.

Between machines a door is a TCP port; on one machine a Unix socket whose name is removed at once, and that is reached
through its process's entry in `/proc`, which only the same user can enter: whoever is killed leaves nothing behind.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import select
import shutil
import socket
import struct
import tempfile
import threading
import time
from functools import partial
from typing import Any

from trygon.util.collective.errors import CollectiveError, CollectiveTimeoutError
from trygon.util.collective.link import Link
from trygon.util.collective.peers import LOOK_EVERY_S, Peers

_NONCE_BYTES = 32
_PROOF_BYTES = 32
# Rank, members, process id, what the link is for.
_JOIN = struct.Struct("<III16s")
_ANSWER = struct.Struct("<BIH")
_HANDSHAKE_LIMIT_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.0005, 0.05


class Store:
    """The part of the engine's key-value store that groups use."""

    def __init__(self) -> None:
        from trygon import _native

        context = _native.context()
        self._key_value = _native.key_value
        self._namespace = f"collective/{context['job_id']}"
        self.node_id = str(context["node_id"])
        self.node_address = str(context["node_address"])

    def get(self, key: str) -> dict[str, Any] | None:
        """What was put under the key."""
        existed, value, _ = self._key_value("get", self._namespace, key.encode())
        return json.loads(value) if existed else None

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Replaces what is there."""
        self._key_value("put", self._namespace, key.encode(), json.dumps(value).encode())

    def put_new(self, key: str, value: dict[str, Any]) -> bool:
        """False, and nothing changes, if the key is there already."""
        existed, _, _ = self._key_value("put", self._namespace, key.encode(), json.dumps(value).encode(), False)
        return not existed

    def delete(self, key: str) -> bool:
        """Whether it was there."""
        return self._key_value("delete", self._namespace, key.encode())[0]


class Member:
    """Who asks: one member of one group."""

    def __init__(self, group: str, world_size: int, rank: int, timeout_s: float, is_tcp: bool) -> None:
        self.group = group
        self.world_size = world_size
        self.rank = rank
        self.timeout_s = timeout_s
        self.is_tcp = is_tcp
        self.store = Store()
        self.peers = Peers(self)

    def name(self, rank: int, pid: int | None = None) -> str:
        """For messages."""
        known = "" if pid is None else f" (process {pid})"
        return f"rank {rank}{known} of the collective group {self.group!r}"

    def link(self, connection: socket.socket, rank: int, pid: int) -> Link:
        """A connection to another member, whose waits notice when that one ends."""
        return Link(connection, rank, self.name(rank, pid), self.timeout_s, partial(self.peers.look, [rank]))

    def key(self, rank: int) -> str:
        """Where a member says where its door is."""
        return f"door/{self.group}/{rank}"

    def proof(self, secret: bytes, word: bytes, *parts: bytes) -> bytes:
        """What only a process that read the store can compute."""
        return hmac.digest(secret, b"\0".join((word, self.group.encode(), *parts)), "sha256")


class Door:
    """Where members of higher rank come to make links. A thread answers: nobody waits for what this member does.

    Its life: opened when the group is made, closed with the group.
    """

    def __init__(self, member: Member) -> None:
        self._member = member
        self._secret = secrets.token_bytes(32)
        self.identity = secrets.token_hex(8)
        self._entry: int | None = None
        # Guards `_arrived` and `_refused`, and wakes who waits for them.
        self._changed = threading.Condition()
        self._arrived: dict[tuple[str, int], Link] = {}
        self._refused = ""
        self._is_closed = False
        self._bell_out, self._bell_in = socket.socketpair()
        self._listener: socket.socket | None = None
        self._record: dict[str, Any] = {}
        try:
            where = self._listen_tcp(member.store.node_address) if member.is_tcp else self._listen_unix()
            self._record = {
                "tcp" if member.is_tcp else "unix": where,
                "secret": self._secret.hex(),
                "id": self.identity,
                "node": member.store.node_id,
                "pid": os.getpid(),
            }
            member.store.put(member.key(member.rank), self._record)
            self._thread = threading.Thread(target=self._answer, name="trygon-collective", daemon=True)
            self._thread.start()
        except BaseException:
            self._close_sockets()
            raise

    def _listen_unix(self) -> str:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener = listener
        path = tempfile.mkdtemp(prefix="trygon-collective-")
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                # Through the descriptor, because the address of a socket is short and the folder may be deep.
                listener.bind(f"/proc/self/fd/{folder}/socket")
                self._entry = os.open("socket", os.O_PATH | os.O_CLOEXEC, dir_fd=folder)
                os.unlink("socket", dir_fd=folder)
            finally:
                os.close(folder)
        finally:
            shutil.rmtree(path, ignore_errors=True)
        listener.listen(1024)
        return f"/proc/{os.getpid()}/fd/{self._entry}"

    def _listen_tcp(self, address: str) -> list[Any]:
        check_plain_tcp(address)
        listener = self._listener = socket.create_server((address, 0), backlog=1024)
        return list(listener.getsockname()[:2])

    def wait(self, purpose: str, rank: int) -> Link:
        """The link that the member `rank` comes to make."""
        return self.wait_all(purpose, [rank])[rank]

    def wait_all(self, purpose: str, ranks: list[int]) -> dict[int, Link]:
        """The links of all these members; whoever does not come is named."""
        member = self._member
        deadline = time.monotonic() + member.timeout_s
        # The first look is soon: only who was seen can be missed.
        until = time.monotonic() + _LONGEST_PAUSE_S
        while missing := self._wait_until(min(until, deadline), purpose, ranks):
            # Not under the lock: whoever comes in the meantime is let in.
            if time.monotonic() >= deadline:
                raise CollectiveTimeoutError(_missing_text(member, missing))
            member.peers.look(missing)
            until = time.monotonic() + LOOK_EVERY_S
        with self._changed:
            return {rank: self._arrived.pop((purpose, rank)) for rank in ranks}

    def _wait_until(self, until: float, purpose: str, ranks: list[int]) -> list[int]:
        """Who has not come by then. Who came and has ended since ends the wait for the others."""
        with self._changed:
            while missing := [rank for rank in ranks if (purpose, rank) not in self._arrived]:
                if self._refused:
                    raise CollectiveError(self._refused)
                left_s = until - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            if missing:
                for rank in set(ranks).difference(missing):
                    if error := self._arrived[purpose, rank].ending():
                        raise error
        return missing

    def close(self, reason: str = "") -> None:
        """Nobody can come any more; whoever came and was not asked for is told why."""
        self._is_closed = True
        self._bell_out.close()
        self._thread.join()
        self._close_sockets()
        for link in self._arrived.values():
            link.give_up(reason)
        self._arrived.clear()
        member = self._member
        try:
            # A later group of the same name may have put its own there.
            if member.store.get(member.key(member.rank)) == self._record:
                member.store.delete(member.key(member.rank))
        except Exception:
            # The engine may be gone already; then its store is gone too.
            pass

    def _close_sockets(self) -> None:
        self._bell_out.close()
        self._bell_in.close()
        if self._listener is not None:
            self._listener.close()
        if self._entry is not None:
            os.close(self._entry)
            self._entry = None

    def _answer(self) -> None:
        """The thread: makes links until the door is closed."""
        assert self._listener is not None
        waiter = select.poll()
        waiter.register(self._listener.fileno(), select.POLLIN)
        waiter.register(self._bell_in.fileno(), select.POLLIN)
        while True:
            waiter.poll()
            if self._is_closed:
                return
            try:
                connection, _ = self._listener.accept()
            except OSError:
                # Whoever came has gone again, or this process has no descriptor left: others may still get in.
                time.sleep(_LONGEST_PAUSE_S)
                continue
            try:
                self._let_in(connection)
            except (OSError, CollectiveError):
                connection.close()

    def _let_in(self, connection: socket.socket) -> None:
        member = self._member
        connection.settimeout(_HANDSHAKE_LIMIT_S)
        if connection.family == socket.AF_UNIX and not _is_same_user(connection):
            connection.close()
            return
        mine = secrets.token_bytes(_NONCE_BYTES)
        connection.sendall(mine)
        data = _read_exactly(connection, _JOIN.size + _NONCE_BYTES + _PROOF_BYTES)
        join, theirs, proof = data[: _JOIN.size], data[_JOIN.size : -_PROOF_BYTES], data[-_PROOF_BYTES:]
        if not hmac.compare_digest(proof, member.proof(self._secret, b"join", mine, theirs, join)):
            connection.close()
            return
        rank, world_size, pid, purpose_bytes = _JOIN.unpack(join)
        purpose = purpose_bytes.rstrip(b"\0").decode(errors="replace")
        with self._changed:
            refusal = self._refusal(purpose, rank, world_size, pid)
            text = refusal.encode()[:60000]
            answer = member.proof(self._secret, b"answer", theirs, mine)
            connection.sendall(answer + _ANSWER.pack(0 if refusal else 1, os.getpid(), len(text)) + text)
            if refusal:
                self._refused = refusal
                connection.close()
            else:
                self._arrived[purpose, rank] = member.link(connection, rank, pid)
            self._changed.notify_all()

    def _refusal(self, purpose: str, rank: int, world_size: int, pid: int) -> str:
        member = self._member
        if world_size != member.world_size:
            return (
                f"The members of the collective group {member.group!r} do not agree about their number: rank {rank}"
                f" (process {pid}) says world_size={world_size}, rank {member.rank} says {member.world_size}."
            )
        before = self._arrived.get((purpose, rank))
        if before is not None and not before.is_closed():
            return (
                f"Two processes say that they are rank {rank} of the collective group {member.group!r}, process {pid}"
                " is the second; every member needs a rank of its own."
            )
        return ""


def check_plain_tcp(address: str) -> None:
    """Refuses a port that other machines could reach: the bytes of a group are not encrypted."""
    if address.startswith("127.") or address == "::1" or os.environ.get("TRYGON_COLLECTIVE_PLAIN_TCP") == "1":
        return
    raise CollectiveError(
        f"Members on several machines would exchange their tensors through {address} without encryption, which is"
        " refused. Set TRYGON_COLLECTIVE_PLAIN_TCP=1 for all members if the network between them is trusted."
    )


def _missing_text(member: Member, missing: list[int]) -> str:
    ranks = ", ".join(map(str, missing))
    return (
        f"Of the {member.world_size} members of the collective group {member.group!r}, these ranks did not come within"
        f" {member.timeout_s:g} s: {ranks}. Every member must call the group's operations; the time-out is set where"
        f" the group is made.{member.peers.remarks(missing)}"
    )


def connect(member: Member, rank: int, purpose: str) -> Link:
    """Makes a link at the door of the member `rank`, which is lower."""
    deadline = time.monotonic() + member.timeout_s
    pause_s = _FIRST_PAUSE_S
    next_look = time.monotonic()
    key = member.key(rank)
    while True:
        record = member.store.get(key)
        if record is not None:
            link = _try(member, rank, purpose, record)
            if link is not None:
                return link
        now = time.monotonic()
        left_s = deadline - now
        if left_s <= 0:
            raise CollectiveTimeoutError(_missing_text(member, [rank]))
        if now >= next_look:
            member.peers.look([rank])
            next_look = now + LOOK_EVERY_S
        time.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)


def _try(member: Member, rank: int, purpose: str, record: dict[str, Any]) -> Link | None:
    """None if the record leads to a process that is gone: the next one with this rank will replace it."""
    is_here = "unix" in record
    if is_here and record["node"] != member.store.node_id:
        raise CollectiveError(
            f"{member.name(rank)} is on another machine: make the group with backend='tcp' on every member."
        )
    family = socket.AF_UNIX if is_here else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(min(_HANDSHAKE_LIMIT_S, member.timeout_s))
        if is_here:
            connection.connect(record["unix"])
        else:
            connection.connect(tuple(record["tcp"]))
        link = _join(member, rank, purpose, connection, bytes.fromhex(record["secret"]))
        link.door = record["id"]
        return link
    except OSError:
        pass
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _join(member: Member, rank: int, purpose: str, connection: socket.socket, secret: bytes) -> Link:
    theirs = _read_exactly(connection, _NONCE_BYTES)
    mine = secrets.token_bytes(_NONCE_BYTES)
    join = _JOIN.pack(member.rank, member.world_size, os.getpid(), purpose.encode())
    connection.sendall(join + mine + member.proof(secret, b"join", theirs, mine, join))
    proof = _read_exactly(connection, _PROOF_BYTES)
    if not hmac.compare_digest(proof, member.proof(secret, b"answer", mine, theirs)):
        raise CollectiveError(f"What answered as {member.name(rank)} could not prove that it belongs to the group.")
    is_welcome, pid, text_bytes = _ANSWER.unpack(_read_exactly(connection, _ANSWER.size))
    if not is_welcome:
        raise CollectiveError(_read_exactly(connection, text_bytes).decode(errors="replace"))
    return member.link(connection, rank, pid)


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionResetError("closed during the handshake")
        data += more
    return data


def _is_same_user(connection: socket.socket) -> bool:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return bool(struct.unpack("3i", credentials)[1] == os.geteuid())

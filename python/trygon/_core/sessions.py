"""Nodes of this user that stay when programs end: where their folders are, and which of them an address means.

`crates/node/src/session/folder.rs` writes what is read here.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Session:
    """A node that runs."""

    __slots__ = ("folder",)

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @property
    def socket_path(self) -> str:
        """Where drivers connect."""
        return os.path.join(self.folder, "node.sock")

    @property
    def address(self) -> str:
        """The cluster's address: that of its head."""
        return self.read("address")

    @property
    def is_head(self) -> bool:
        """Whether it is the cluster's first node."""
        return self.read("role") == "head"

    @property
    def daemon_pid(self) -> int:
        """The daemon's process id; 0 when it is not known."""
        pid = self.read("pid")
        return int(pid) if pid.isdecimal() and len(pid) < 20 else 0

    def read(self, name: str) -> str:
        """What one of its small files says; empty when it is not there."""
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return ""

    def is_running(self) -> bool:
        """Whether somebody answers at its socket."""
        import socket

        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(self.socket_path)
            except OSError:
                return False
        return True


def base() -> str:
    """The folder of this user's sessions: under `TRYGON_TMPDIR`, else the user's runtime folder, else `/tmp`."""
    own = f"trygon-{os.getuid()}"
    chosen = os.environ.get("TRYGON_TMPDIR")
    if chosen:
        return os.path.join(chosen, own)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        return os.path.join(runtime, "trygon")
    return os.path.join("/tmp", own)


def current() -> Session | None:
    """The node that `trygon start` started last without a folder of its own, if it runs."""
    folder = base()
    try:
        link = os.readlink(os.path.join(folder, "current"))
    except OSError:
        return None
    session = Session(os.path.join(folder, link))
    return session if session.is_running() else None


def running() -> Iterator[Session]:
    """Every node of this user on this machine that runs, the newest first."""
    registry = os.path.join(base(), "nodes")
    try:
        names = sorted(os.listdir(registry), reverse=True)
    except OSError:
        return
    for name in names:
        try:
            session = Session(os.readlink(os.path.join(registry, name)))
        except OSError:
            continue
        if session.is_running():
            yield session


def find(address: str | None) -> Session | None:
    """The node that a program with this address uses; `None` for one that starts an engine of its own.

    Raises ConnectionError when there is no such node, and ValueError for what is no address.
    """
    if address is None:
        return current()
    if address == "local":
        return None
    if address == "auto":
        session = current() or next(running(), None)
        if session is None:
            raise ConnectionError(
                "No running cluster was found on this machine. Start one with `trygon start --head`, or leave the"
                " address out to start the engine in this program."
            )
        return session
    if address.startswith("ray://"):
        raise ConnectionError(
            f"init(address={address!r}) asks for a connection from outside of the cluster; this version of Trygon"
            " connects on the cluster's machines. Run the program on one of them with its address host:port, or leave"
            " the address out, and RAY_ADDRESS or TRYGON_ADDRESS unset, to start the engine in this program."
        )
    if os.path.isabs(address):
        return _at(address)
    return _of_cluster(address)


def _at(folder: str) -> Session:
    session = Session(folder)
    if not session.is_running():
        raise ConnectionError(f"No node runs in the folder {folder}; `trygon status` shows which do.")
    return session


def _of_cluster(address: str) -> Session:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or len(port) > 5 or not 0 < int(port) < 65536:
        raise ValueError(
            f'address of init() must be "auto", "local" or host:port, as in "10.0.0.1:6379", but {address!r} was given.'
        )
    found = [session for session in running() if _is_of(session, address, host, port)]
    for session in found:
        if session.is_head:
            return session
    if found:
        return found[0]
    raise ConnectionError(
        f"No node on this machine belongs to the cluster at {address}. Start one with"
        f" `trygon start --address={address}`, or leave the address out, and RAY_ADDRESS or TRYGON_ADDRESS unset, to"
        " start the engine in this program."
    )


def _is_of(session: Session, address: str, host: str, port: str) -> bool:
    own = session.address
    return own == address or (host in _LOOPBACK and session.is_head and own.rpartition(":")[2] == port)

"""A daemon that stays hears anything on its socket and on its port, and goes on serving programs."""

from __future__ import annotations

import socket
import struct
import sys
import time
from pathlib import Path

import trygon
from mutations import mutations
from test_cluster_start import Node, folder, node

__all__ = ["folder", "node"]

SNAPSHOTS = Path(__file__).resolve().parent.parent / "crates" / "wire" / "snapshots"
PROGRAM = """
trygon.init(address="auto")
f = trygon.remote(lambda x: x + 1)
print(sum(trygon.get([f.remote(i) for i in range(9)])))
"""
DRIVERS = 6
FRAMES = 120


def snapshot(name: str) -> bytes:
    text = (SNAPSHOTS / f"{name}.hex").read_text().split("\n", 1)[1]
    return bytes.fromhex(text.replace("\n", ""))


def frame(kind: int, body: bytes) -> bytes:
    return struct.pack("<IHBB", len(body), kind, snapshot("blocked")[6], 0) + body


def kind_of(data: bytes) -> int:
    return int.from_bytes(data[4:6], "little")


def text(number: int, value: str) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value.encode()


def connect(folder: Path) -> socket.socket:
    path = next(iter(sorted(folder.glob("*/session_*/node.sock"))))
    connection = socket.socket(socket.AF_UNIX)
    # With a limit `connect` would not wait for a daemon that has many others to accept.
    connection.connect(str(path))
    connection.settimeout(10)
    return connection


def frames_of_processes() -> list[bytes]:
    """What drivers and workers send to their daemon."""
    kinds = [snapshot(path.stem) for path in sorted(SNAPSHOTS.glob("*.hex"))]
    return [data for data in kinds if kind_of(data) >> 8 == 2 and kind_of(data) != kind_of(snapshot("shutdown"))]


def say(connection: socket.socket, data: bytes) -> bool:
    """False when the other side has closed."""
    try:
        connection.sendall(data)
        connection.setblocking(False)
        try:
            while connection.recv(1 << 16):
                pass
        except BlockingIOError:
            return True
        return False
    except OSError:
        return False
    finally:
        connection.settimeout(10)


def pid_of_daemon(node: Node) -> int:
    return int(node.status()["nodes"][0]["DaemonPid"])  # type: ignore[index]


def test_a_daemon_survives_its_socket(node: Node, folder: Path) -> None:
    daemon = pid_of_daemon(node)
    shutdown = kind_of(snapshot("shutdown"))
    first = [snapshot("attach_driver"), snapshot("state_query"), snapshot("lease_request")]
    for data in mutations(first, 300):
        with connect(folder) as connection:
            say(connection, data)
    tool = frame(kind_of(snapshot("attach_tool")), text(1, "0"))
    # A tool may end the node: what says that is left out.
    frames = [data for data in mutations(frames_of_processes(), 1200) if kind_of(data) != shutdown]
    while frames:
        with connect(folder) as connection:
            say(connection, tool)
            # Whoever says what makes no sense is cut off, sooner or later; the rest is for another one.
            while frames and say(connection, frames.pop()):
                pass
    assert pid_of_daemon(node) == daemon
    assert node.run(PROGRAM) == "45"


def test_a_daemon_survives_its_drivers(node: Node, folder: Path) -> None:
    daemon = pid_of_daemon(node)
    version = ".".join(map(str, sys.version_info[:3]))
    # An interpreter that never says that it is ready: of one that ends, the driver would be told, and closed.
    silent = folder / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 100\n")
    silent.chmod(0o755)
    hello = text(1, trygon.__version__) + text(2, version) + text(3, str(silent)) + text(5, "/")
    shutdown = kind_of(snapshot("shutdown"))
    sent = 0
    for seed in range(DRIVERS):
        with connect(folder) as connection:
            assert say(connection, frame(kind_of(snapshot("attach_driver")), hello))
            time.sleep(0.05)
            # Each kind as it is, then with changes inside the body: the frame stays one.
            for data in [*frames_of_processes(), *changed_bodies(seed)]:
                if kind_of(data) != shutdown and not say(connection, data):
                    break
                sent += 1
    assert sent > 10 * DRIVERS and pid_of_daemon(node) == daemon
    assert node.run(PROGRAM) == "45"


def changed_bodies(seed: int) -> list[bytes]:
    sound = frames_of_processes()
    kinds = [kind_of(data) for data in sound]
    bodies = mutations([data[8:] for data in sound], FRAMES, seed)
    return [frame(kinds[number % len(kinds)], body) for number, body in enumerate(bodies)]


def test_a_daemon_survives_its_port(node: Node) -> None:
    daemon = pid_of_daemon(node)
    host, _, port = node.address.rpartition(":")
    magic = b"TRYGON\0\x01" + struct.pack("<HH", 1, 2) + bytes(28) + bytes(28) + struct.pack("<Q", 7) + bytes(4)
    hello = bytes.fromhex("1603010005010000010303")
    both = [magic + hello, *(magic[:10] + struct.pack("<H", purpose) + magic[12:] + hello for purpose in range(7))]
    for data in mutations(both, 400):
        with socket.create_connection((host, int(port)), 10) as connection:
            try:
                connection.sendall(data)
            except OSError:
                continue
    assert pid_of_daemon(node) == daemon
    assert node.run(PROGRAM) == "45"

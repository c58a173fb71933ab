"""What somebody without the cluster's key does to a port. Runs by itself on a machine of the network:

    python attacks.py HOST PORT WORK_FOLDER [WORKER_ID]

Prints one line of JSON for each attempt: `{"attempt", "bytes", "said", "seconds"}`. `bytes` is how many bytes came back
outside of TLS, `said` what was read inside of it or why the connection ended. It knows the first 80 bytes of a
connection, which are no secret.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable

MAGIC = b"TRYGON\0\x01"
PURPOSES = {"join": 1, "control": 2, "node": 3, "peer": 4, "object": 5, "unknown": 99}
# Longer than a listener waits for the first bytes.
_PATIENCE_S = 12.0


def preamble(purpose: int, version: int = 1, target: bytes = bytes(28)) -> bytes:
    """The first bytes of a connection, from nobody."""
    return MAGIC + struct.pack("<HH", version, purpose) + target + os.urandom(28) + struct.pack("<Q", 1) + bytes(4)


def answer(stream: socket.socket, limit_s: float = _PATIENCE_S) -> tuple[int, str]:
    """What comes until the other side closes: how many bytes, and how it ended."""
    stream.settimeout(limit_s)
    count = 0
    try:
        while data := stream.recv(4096):
            count += len(data)
    except TimeoutError:
        return count, "still open"
    except OSError as error:
        return count, type(error).__name__
    return count, "closed"


def plain(address: tuple[str, int], *pieces: bytes, pause_s: float = 0) -> tuple[int, str]:
    """Sends bytes, with pauses between them, and reads what comes."""
    with socket.create_connection(address, timeout=5) as stream:
        for piece in pieces:
            try:
                stream.sendall(piece)
            except OSError as error:
                return answer(stream)[0], type(error).__name__
            if pause_s:
                time.sleep(pause_s)
        return answer(stream)


def tls(address: tuple[str, int], first: bytes, certificate: str | None = None) -> tuple[int, str]:
    """Does TLS after some first bytes, with a certificate of its own or none, and asks for something."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate)
    with socket.create_connection(address, timeout=5) as stream:
        stream.sendall(first)
        stream.settimeout(_PATIENCE_S)
        try:
            with context.wrap_socket(stream) as secure:
                secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
                data = secure.recv(4096)
                return 0, f"inside of TLS: {data!r}" if data else "closed"
        except TimeoutError:
            return 0, "still open"
        except (ssl.SSLError, OSError) as error:
            return 0, (getattr(error, "reason", "") or type(error).__name__).lower()


def flood(address: tuple[str, int], count: int) -> tuple[int, str]:
    """Opens many connections that say nothing, and holds them."""
    streams, came = [], 0
    for _ in range(count):
        try:
            streams.append(socket.create_connection(address, timeout=2))
        except OSError:
            pass
    for stream in streams:
        stream.settimeout(0.01)
    deadline = time.monotonic() + _PATIENCE_S
    left = list(streams)
    while left and time.monotonic() < deadline:
        for stream in list(left):
            try:
                data = stream.recv(64)
                came += len(data)
                if not data:
                    left.remove(stream)
            except TimeoutError:
                pass
            except OSError:
                left.remove(stream)
    for stream in streams:
        stream.close()
    return came, f"{len(left)} of {count} still open" if left else "closed"


def own_certificate(folder: str) -> str | None:
    """A certificate that nobody here trusts; None where there is no openssl."""
    path = os.path.join(folder, "own.pem")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=trygon authority", "-addext", "subjectAltName=DNS:control.trygon"]
    words += ["-keyout", path + ".key", "-out", path + ".crt"]
    try:
        subprocess.run(words, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    with open(path, "wb") as out:
        for part in (".crt", ".key"):
            with open(path + part, "rb") as file:
                out.write(file.read())
    return path


Attempts = dict[str, Callable[[], tuple[int, str]]]


def on_node(address: tuple[str, int], certificate: str | None) -> Attempts:
    """Every attempt on a node, by its name."""
    found: Attempts = {
        "says nothing": lambda: plain(address),
        "noise": lambda: plain(address, os.urandom(4096)),
        "a megabyte of zeros": lambda: plain(address, bytes(1 << 20)),
        "HTTP": lambda: plain(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        "HTTP/2 without TLS": lambda: plain(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        "Redis": lambda: plain(address, b"*1\r\n$4\r\nPING\r\n"),
        "a byte a second": lambda: plain(address, *[bytes([byte]) for byte in preamble(4)[:9]], pause_s=1),
        "half a preamble": lambda: plain(address, preamble(2)[:40]),
        "another version": lambda: plain(address, preamble(2, version=9)),
        "TLS without a preamble": lambda: tls(address, b""),
        "300 connections": lambda: flood(address, 300),
    }
    for name, number in PURPOSES.items():
        found |= with_preamble(name, address, preamble(number), certificate)
    return found


def with_preamble(name: str, address: tuple[str, int], first: bytes, certificate: str | None) -> Attempts:
    """What can be done after a preamble that is right."""
    found: Attempts = {
        f"{name}: noise": lambda: plain(address, first, os.urandom(600)),
        f"{name}: silence": lambda: plain(address, first),
        f"{name}: no certificate": lambda: tls(address, first),
    }
    if certificate is not None:
        found[f"{name}: own certificate"] = lambda: tls(address, first, certificate)
    return found


def main() -> None:
    """All attempts at the same time: that is worse for whoever has to bear them."""
    host, port, folder, *target = [word for word in sys.argv[1:] if word]
    address, certificate = (host, int(port)), own_certificate(folder)
    if target:
        first = preamble(PURPOSES["peer"], target=bytes.fromhex(target[0]))
        tries = with_preamble("peer", address, first, certificate)
    else:
        tries = on_node(address, certificate)
    lock = threading.Lock()

    def attempt(name: str, act: Callable[[], tuple[int, str]]) -> None:
        start = time.monotonic()
        try:
            count, said = act()
        except OSError as error:
            count, said = 0, type(error).__name__
        with lock:
            result = {"attempt": name, "bytes": count, "said": said, "seconds": round(time.monotonic() - start, 2)}
            print(json.dumps(result), flush=True)

    threads = [threading.Thread(target=attempt, args=item) for item in tries.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

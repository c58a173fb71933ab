"""A real S3 server on this machine for tests, and a way to it on which things go wrong."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import ports
import pytest

KEY, SECRET = "test-key", "a-secret-that-nobody-may-see"
BUCKET = "spill"
_ROOT = Path(__file__).resolve().parent.parent


def program() -> str:
    """The server `s3s-fs`, which `scripts/environments.py s3` installs.

    `make test` does that first; whoever runs a test by hand is told the command.
    """
    places = [os.environ.get("TRYGON_S3_SERVER"), str(_ROOT / ".cache" / "s3s-fs" / "bin" / "s3s-fs")]
    found = next((place for place in places if place and os.path.exists(place)), None) or shutil.which("s3s-fs")
    if found is None:
        pytest.fail("there is no S3 server: python3 scripts/environments.py s3")
    return found


class Server:
    """The server, with one bucket whose keys are files below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._program = program()
        self.port = ports.free_port()
        self.data = folder
        self.folder = folder / BUCKET
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log = folder.parent / "server-log"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"s3://{BUCKET}/below"

    def start(self) -> None:
        options = ["--access-key", KEY, "--secret-key", SECRET, "--host", "127.0.0.1", "--port", str(self.port)]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen([self._program, *options, str(self.data)], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(self._log.read_text())

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def keys(self, name: str = "*.objects") -> list[Path]:
        """The keys of sessions."""
        return sorted(self.folder.glob(f"**/trygon-spill-*/{name}"))


def environment(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """What a daemon finds in its environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that the engine finds."""
    running = Server(folder)
    try:
        environment(monkeypatch, running.port)
        yield running
    finally:
        running.kill()


class Way:
    """Passes connections on to a server; `mode` says what goes wrong: `late` answers, by `late_s`; `errors` (503 to
    every request); `cut` after `cut_bytes` of a connection; `slow`, so many bytes a second in all.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.mode = "pass"
        self.late_s = 0.0
        self.cut_bytes = 0
        self.cuts_left = 0
        self.slow_bytes_s = 0
        self.refused = 0
        self._turn = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._begin(self._take)

    def _begin(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                if self.mode == "errors":
                    self._begin(self._refuse, client)
                    continue
                there = socket.create_connection(("127.0.0.1", self._target))
                self._open.append(there)
                self._begin(self._pump, client, there, True)
                self._begin(self._pump, there, client, False)

    def _refuse(self, client: socket.socket) -> None:
        self.refused += 1
        with contextlib.suppress(OSError):
            client.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                while client.recv(1 << 20):
                    pass
            client.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            client.close()

    def _pump(self, source: socket.socket, sink: socket.socket, is_request: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self.mode == "late" and not is_request:
                    time.sleep(self.late_s)
                if self.mode == "slow":
                    with self._turn:
                        time.sleep(len(data) / self.slow_bytes_s)
                passed += len(data)
                if self.mode == "cut" and is_request and passed > self.cut_bytes and self.cuts_left > 0:
                    self.cuts_left -= 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(5)


@contextlib.contextmanager
def encrypted(folder: Path, port: int) -> Iterator[tuple[int, Path]]:
    """A port that speaks TLS and passes on to another, and the file with who vouches for it."""
    import asyncio
    import ssl

    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make certificates with")
    authority, its_key = folder / "authority.pem", folder / "authority-key.pem"
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=CA:FALSE",
    ]
    signed = ["-CA", authority, "-CAkey", its_key, "-keyout", key, "-out", certificate]
    subprocess.run(
        [*make, "-subj", "/CN=tests", "-keyout", its_key, "-out", authority], check=True, capture_output=True
    )
    subprocess.run([*make, *names, *signed], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, to), pass_on(there, writer), return_exceptions=True)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(take, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1], authority
    finally:

        async def end() -> None:
            server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()

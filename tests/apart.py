"""Two nodes on this machine that do not see each other's files: the second runs where the folders of the first, and
those of the programs, are hidden under empty ones.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import trygon
from programs import finish

PACKAGE = Path(trygon.__file__).resolve().parent.parent


def why_not() -> str:
    """Why folders cannot be hidden here; empty if they can."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "hiding folders from a node needs root, unshare and nsenter"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "mounts cannot be made here"


def _binary() -> str:
    import trygon

    package = Path(trygon.__file__).parent if os.environ.get("TRYGON_TEST_INSTALLED") else PACKAGE / "trygon"
    return os.environ.get("TRYGON_BINARY") or str(package / "_bin" / "trygon")


class Apart:
    """Nodes `a`, the head, and `b`, with resources of those names. `shared` is a folder that both see, `sources` one
    that each has for itself.
    """

    def __init__(self, room_mib: int = 512, python_of_b: str = sys.executable) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="n-"))
        self.sources, self.shared = self.folder / "sources", self.folder / "shared"
        self._room_mib = room_mib
        self._python_of_b = python_of_b
        self._head = self._other = 0
        for path in (self.sources, self.shared, self.folder / "a", self.folder / "b"):
            path.mkdir()

    def __enter__(self) -> Apart:
        try:
            with socket.socket() as found:
                found.bind(("127.0.0.1", 0))
                port = found.getsockname()[1]
            head = self._start("a", [], "--head", f"--port={port}")
            self._head = head["pid"]
            key = shutil.copy(head["key_file"], self.shared / "key")
            # What is on the machine already is hidden from the second node; nothing it has is seen here.
            mount = f"mount -t tmpfs -o size={self._room_mib}m none"
            hidden = " && ".join(f"{mount} '{self.folder / name}'" for name in ("a", "b", "sources"))
            apart = ["unshare", "--mount", "sh", "-c", f'{hidden} && exec "$0" "$@"']
            other = self._start("b", apart, f"--address=127.0.0.1:{port}", f"--token-file={key}")
            self._other = other["pid"]
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def _start(self, name: str, before: list[str], *words: str) -> dict[str, Any]:
        words = ("--json", "--node-ip-address=127.0.0.1", f"--node-name={name}", "--num-cpus=2", *words)
        resources = f"--resources={json.dumps({name: 100})}"
        started = self._run([*before, _binary(), "start", *words, resources, "--object-store-memory=200000000"], name)
        assert started.returncode == 0, started.stderr
        return dict(json.loads(started.stdout))

    def _environment(self, name: str) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
        python = self._python_of_b if name == "b" else sys.executable
        own = {"TRYGON_TMPDIR": str(self.folder / name), "TRYGON_PYTHON": python}
        if not os.environ.get("TRYGON_TEST_INSTALLED"):
            own["PYTHONPATH"] = path
        return {**os.environ, **own}

    def _run(self, words: list[str], name: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options = {"cwd": self.folder, "timeout": 60, **options}
        environment = {**self._environment(name), **options.pop("variables", {})}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, **options)

    def control_pid(self) -> int:
        """The process that is the cluster's head."""
        head = self._head
        children = Path(f"/proc/{head}/task/{head}/children").read_text().split()
        return next(int(pid) for pid in children if b"control" in Path(f"/proc/{pid}/cmdline").read_bytes())

    def enter_b(self, *words: str) -> list[str]:
        """A command that sees what `b` sees."""
        return ["nsenter", "--mount", f"--target={self._other}", f"--wdns={self.folder}", *words]

    def write(self, tree: str, files: dict[str, str]) -> Path:
        """A folder of sources with these files."""
        for name, text in files.items():
            path = self.sources / tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self.sources / tree

    def start(
        self, script: Path, on: str = "a", python: str = sys.executable, **variables: str
    ) -> subprocess.Popen[str]:
        """Starts a program."""
        words = [python, str(script)]
        return subprocess.Popen(
            words if on == "a" else self.enter_b(*words),
            env={**self._environment(on), **variables},
            cwd=script.parent if on == "a" else self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: Path, on: str = "a", python: str = sys.executable, **variables: str) -> str:
        """Runs a program; what it printed."""
        return finish(self.start(script, on, python, **variables))

    def run_text(self, body: str, tree: str = "program", **variables: str) -> str:
        """Runs a program on `a` that is this text, in a folder of its own."""
        return self.run(self.write(tree, {"main.py": HEADER + body}) / "main.py", **variables)

    def no_jobs_on_b(self, limit_s: float = 5) -> bool:
        """Whether the folders of jobs on `b` go."""
        until = time.monotonic() + limit_s
        while self.jobs_on_b() and time.monotonic() < until:
            time.sleep(0.05)
        return not self.jobs_on_b()

    def jobs_on_b(self) -> list[str]:
        """What is in the folders of jobs on `b`."""
        shown = subprocess.run(
            self.enter_b("sh", "-c", f"cd '{self.folder}/b' && find . -path '*/session_*/jobs/*'"),
            capture_output=True,
            text=True,
            check=True,
        )
        return sorted(shown.stdout.split())

    def __exit__(self, *_: object) -> None:
        if self._other:
            stopped = subprocess.run(
                self.enter_b(_binary(), "stop", "--all", "--grace-period=5"),
                env=self._environment("b"),
                capture_output=True,
                check=False,
            )
            assert stopped.returncode == 0, stopped.stderr
        self._run([_binary(), "stop", "--all", "--grace-period=5"], "a")
        shutil.rmtree(self.folder, ignore_errors=True)


HEADER = """
import os, sys, time, trygon
from trygon.exceptions import RuntimeEnvSetupError
A, B = {"resources": {"a": 1}}, {"resources": {"b": 1}}
"""

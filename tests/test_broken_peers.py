"""Tasks that do to their process's connections what nobody should: garbage on them, or all of them closed."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path

import pytest
import trygon
from trygon.exceptions import ActorUnavailableError, WorkerCrashedError


def sockets() -> list[int]:
    """The descriptors of this process that are sockets."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found.append(int(name))
        except OSError:
            continue
    return found


def write_garbage(path: Path) -> None:
    with open(path, "a") as file:
        file.write("x")
    for number in sockets():
        with socket.socket(fileno=os.dup(number)) as mine:
            mine.setblocking(True)
            mine.send(b"\xff" * 64)


def close_all(path: Path) -> None:
    with open(path, "a") as file:
        file.write("x")
    os.closerange(3, 1000)
    time.sleep(2)


@pytest.mark.parametrize("deed", [write_garbage, close_all])
def test_a_task_that_breaks_its_connections_runs_once(engine: object, tmp_path: Path, deed: object) -> None:
    """Its process is ended; nobody waits for what will not come, and nothing runs more often than allowed."""
    task = trygon.remote(deed).options(max_retries=0).remote(tmp_path / "begun")
    with pytest.raises(WorkerCrashedError):
        trygon.get(task, timeout=20)
    time.sleep(0.5)
    assert (tmp_path / "begun").read_text() == "x"
    assert trygon.get(trygon.remote(lambda: 5).remote(), timeout=20) == 5


def test_a_task_that_breaks_them_is_tried_again(engine: object, tmp_path: Path) -> None:
    @trygon.remote(max_retries=2)
    def once_bad(path: Path) -> int:
        if not path.exists() or len(path.read_text()) < 2:
            write_garbage(path)
            time.sleep(30)
        return len(path.read_text())

    assert trygon.get(once_bad.remote(tmp_path / "begun"), timeout=30) == 2


def test_an_actor_that_breaks_them_is_restarted(engine: object, tmp_path: Path) -> None:
    @trygon.remote(max_restarts=1)
    class Bad:
        def do(self, path: Path) -> None:
            write_garbage(path)
            time.sleep(30)

        def pid(self) -> int:
            return os.getpid()

    bad = Bad.remote()
    pid = trygon.get(bad.pid.remote(), timeout=20)
    with pytest.raises(ActorUnavailableError):
        trygon.get(bad.do.remote(tmp_path / "begun"), timeout=20)
    assert trygon.get(bad.pid.remote(), timeout=20) != pid
    assert (tmp_path / "begun").read_text() == "x"

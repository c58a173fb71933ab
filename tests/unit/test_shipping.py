"""Packages of shipped code: the same content makes the same file, and nothing is unpacked that was not packed so."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import tarfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from trygon._core.runtime_env import shipping
from trygon._core.runtime_env.commands import SetupError

NAME = "0a" * 16


def at_head(packed: bytes, piece_bytes: int = 1000, **changes: object) -> Callable[[str], bytes | None]:
    """Looks up what the head has of a package."""
    pieces = [packed[at : at + piece_bytes] for at in range(0, len(packed), piece_bytes)]
    described = {"pieces": len(pieces), "prefix": "p", "bytes": len(packed), "sha256": sha256(packed).hexdigest()}
    kept: dict[str, bytes] = {f"p:{number}": piece for number, piece in enumerate(pieces)}
    kept[f"package:01000000:{NAME}"] = json.dumps({**described, **changes}).encode()
    return kept.get


def never(seconds: float) -> None:
    raise AssertionError("nobody else fetches it")


@pytest.fixture(autouse=True)
def job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYGON_JOB_MARK", "01000000")


def packed(folder: Path, at: Path) -> bytes:
    assert shipping._pack(str(folder), str(at), "it") == sha256(at.read_bytes()).hexdigest()
    return at.read_bytes()


def archive(*entries: tarfile.TarInfo) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as file:
        for entry in entries:
            file.addfile(entry, io.BytesIO(b"x" * entry.size))
    return made.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, 3 if kind == tarfile.REGTYPE else 0
    return made


def test_what_is_packed_comes_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "empty").mkdir()
    (source / "deep" / "er" / "data.bin").write_bytes(os.urandom(50_000))
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "linked.txt").write_text("from elsewhere")
    (source / "link").symlink_to(outside)
    (outside / "round").symlink_to(source)
    first = packed(source, tmp_path / "first")
    os.utime(source / "run.sh", (1, 1))
    assert packed(source, tmp_path / "second") == first
    job = tmp_path / "job"
    path = Path(shipping.fetch(NAME, str(job), at_head(first), never))
    assert path == job / NAME and (path / "deep/er/data.bin").read_bytes() == (source / "deep/er/data.bin").read_bytes()
    assert (path / "link" / "linked.txt").read_text() == "from elsewhere" and not (path / "link").is_symlink()
    assert not (path / "link" / "round").exists() and (path / "empty").is_dir()
    assert stat.S_IMODE((path / "run.sh").stat().st_mode) == 0o755 and stat.S_IMODE(job.stat().st_mode) == 0o700
    # What is here is not asked for again.
    assert shipping.fetch(NAME, str(job), lambda key: pytest.fail(key), never) == str(path)


@pytest.mark.parametrize(
    "bad",
    [
        entry("../out"),
        entry("/out"),
        entry("in/../../out"),
        entry("./out"),
        entry("out", tarfile.SYMTYPE, "/etc/passwd"),
        entry("out", tarfile.LNKTYPE, "in"),
        entry("out", tarfile.FIFOTYPE),
        entry("out", tarfile.CHRTYPE),
    ],
    ids=lambda bad: f"{bad.name}-{bad.type!r}",
)
def test_an_archive_that_reaches_elsewhere_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    with pytest.raises(SetupError, match="not allowed"):
        shipping.fetch(NAME, str(tmp_path / "job"), at_head(archive(entry("in"), bad)), never)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [f"{NAME}.lock", "job"]


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="damaged"):
        shipping.fetch(NAME, str(tmp_path / "job"), at_head(archive(entry("in"), entry("in"))), never)


def test_a_name_that_is_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no name"):
        shipping.fetch("../../etc", str(tmp_path), at_head(b""), never)


@pytest.mark.parametrize("lost", ["the index", "a piece", "a byte", "the end"])
def test_what_is_lost_or_damaged_is_said(tmp_path: Path, lost: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "data.bin").write_bytes(os.urandom(20_000))
    whole = packed(source, tmp_path / "packed")
    look_up = at_head(whole)
    if lost == "a byte":
        look_up = at_head(whole, sha256="0" * 64)
    if lost == "the end":
        look_up = at_head(whole[:-3000])
    missing = {"the index": f"package:01000000:{NAME}", "a piece": "p:3"}.get(lost)
    with pytest.raises(SetupError, match="head any more" if missing else "damaged"):
        shipping.fetch(NAME, str(tmp_path / "job"), lambda key: None if key == missing else look_up(key), never)
    assert [path.name for path in (tmp_path / "job").iterdir()] == [f"{NAME}.lock"]


def test_a_head_that_does_not_answer_is_given_up() -> None:
    from trygon._core.runtime_env.commands import Commands

    zygote, daemon = socket.socketpair()
    with zygote, daemon:
        began = time.monotonic()
        with pytest.raises(SetupError, match="setup_timeout_seconds=0.3"):
            Commands(zygote.fileno(), 0.3, print).look_up("package:1:2")
        assert 0.2 < time.monotonic() - began < 5
        assert b"package:1:2" in daemon.recv(1000)


def test_one_process_at_a_time_fetches(tmp_path: Path) -> None:
    import fcntl

    source = tmp_path / "source"
    source.mkdir()
    job = tmp_path / "job"
    job.mkdir()
    with open(job / f"{NAME}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def wait(seconds: float) -> None:
            # The other one is done meanwhile.
            (job / NAME).mkdir()
            fcntl.flock(lock, fcntl.LOCK_UN)

        assert shipping.fetch(NAME, str(job), lambda key: pytest.fail(key), wait) == str(job / NAME)

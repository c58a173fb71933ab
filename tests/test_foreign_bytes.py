"""The package's readers of files, sockets and of what workers print meet thousands of inputs that are almost right."""

from __future__ import annotations

import json
import os
import socket
import tarfile
import time
import zipfile
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from mutations import mutations
from trygon._core import machine, progress, sessions
from trygon._core.debugger import driver, frames
from trygon._core.logs import PROGRESS_MARK
from trygon._core.runtime_env import cache, copies, fields, ignore, shipping
from trygon._core.runtime_env.commands import SetupError
from trygon.exceptions import RuntimeEnvSetupError
from trygon.util.collective import link
from trygon.util.collective.errors import CollectiveError

NAME = "0a" * 16


def never(seconds: float) -> None:
    raise AssertionError("nobody else fetches it")


def package(entries: list[tuple[str, bytes | None]], compression: str = "gz") -> bytes:
    """A tar file; without content an entry is a folder."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{compression}") as archive:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type = tarfile.DIRTYPE
            else:
                entry.size = len(content)
            archive.addfile(entry, BytesIO(content) if content else None)
    return packed.getvalue()


def at_head(packed: bytes, index: bytes | None = None) -> Callable[[str], bytes | None]:
    described = {"pieces": 1, "prefix": "p", "bytes": len(packed), "sha256": sha256(packed).hexdigest()}
    kept = {"p:0": packed, f"package::{NAME}": index if index is not None else json.dumps(described).encode()}
    return kept.get


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


SOUND = [("module.py", b"x = 1\n"), ("data", None), ("data/deep", None), ("data/deep/a.txt", b"a" * 3000)]


def test_damaged_packages_are_refused_whole_and_leave_nothing(tmp_path: Path) -> None:
    import gzip

    raw = gzip.decompress(package(SOUND))
    outcomes = {"taken": 0, "refused": 0}
    for number, damaged in enumerate(mutations([raw], 500)):
        # Packed again with the hash that fits: the tar reader itself is met.
        packed = gzip.compress(damaged, 1)
        outer = tmp_path / str(number)
        job = outer / "job"
        try:
            path = shipping.fetch(NAME, str(job), at_head(packed), never)
        except SetupError:
            outcomes["refused"] += 1
            assert everything(outer) == ["job", f"job/{NAME}.lock"]
        else:
            outcomes["taken"] += 1
            assert all(name.startswith(f"job/{NAME}") or name == "job" for name in everything(outer))
            assert sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file()) <= len(damaged)
    assert min(outcomes.values()) > 30, outcomes


def test_damaged_streams_and_indices_of_packages_are_refused(tmp_path: Path) -> None:
    packed = package(SOUND)
    for number, damaged in enumerate(mutations([packed], 200)):
        if damaged != packed:
            with pytest.raises(SetupError):
                shipping.fetch(
                    NAME,
                    str(tmp_path / f"s{number}"),
                    at_head(
                        damaged,
                        json.dumps(
                            {
                                "pieces": 1,
                                "prefix": "p",
                                "sha256": sha256(packed).hexdigest(),
                            }
                        ).encode(),
                    ),
                    never,
                )
    index = json.dumps({"pieces": 1, "prefix": "p", "bytes": 1, "sha256": sha256(packed).hexdigest()}).encode()
    for number, damaged in enumerate([*mutations([index], 600), b"[" * 100_000, b"[1]", b"{}"]):
        try:
            shipping.fetch(NAME, str(tmp_path / f"i{number}"), at_head(packed, damaged), never)
        except SetupError:
            continue


@pytest.mark.parametrize(
    "names",
    [["../x"], ["/x"], ["a/../../x"], ["a", "a/b"], ["a", "a"], ["b/c"], ["./x"], ["a//b"], ["x" * 300], [""]],
)
def test_a_package_never_leaves_its_folder(tmp_path: Path, names: list[str]) -> None:
    packed = package([(name, b"content") for name in names])
    with pytest.raises((SetupError, OSError)):
        shipping.fetch(NAME, str(tmp_path / "in" / "job"), at_head(packed), never)
    assert everything(tmp_path) == ["in", "in/job", f"in/job/{NAME}.lock"]


def special(kind: bytes, name: str = "entry", target: str = "/etc/passwd") -> bytes:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, target
        archive.addfile(entry)
    return packed.getvalue()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.BLKTYPE])
def test_links_and_devices_in_packages_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(SetupError, match="not allowed"):
        shipping.fetch(NAME, str(tmp_path / "job"), at_head(special(kind)), never)


def test_a_sparse_entry_does_not_fill_the_disk(tmp_path: Path) -> None:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("hole")
        entry.pax_headers = {"GNU.sparse.size": str(2**40), "GNU.sparse.map": "0,0", "GNU.sparse.numblocks": "1"}
        archive.addfile(entry)
    with pytest.raises(SetupError):
        shipping.fetch(NAME, str(tmp_path / "job"), at_head(packed.getvalue()), never)
    assert everything(tmp_path / "job") == [f"{NAME}.lock"]


def archives() -> dict[str, bytes]:
    zipped = BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in ("module.py", "name.data/purelib/other.py", "../outside.py", "/absolute.py", "a/../../up.py"):
            archive.writestr(name, b"x = 1\n")
    contents = [("module.py", b"x = 1\n"), ("folder", None), ("folder/a.py", b"")]
    return {
        "code.zip": zipped.getvalue(),
        "code.whl": zipped.getvalue(),
        "code.tar.gz": package(contents),
        "code.tar": package(contents, ""),
    }


@pytest.mark.parametrize("name", sorted(archives()))
def test_damaged_archives_are_refused_and_never_leave_their_folder(tmp_path: Path, name: str) -> None:
    sound = archives()[name]
    outer = tmp_path / "outer"
    job = outer / "job"
    file = tmp_path / name
    file.write_bytes(sound)
    taken = copies.unpack(str(file), str(job))
    assert (Path(taken) / "module.py").read_bytes() == b"x = 1\n"
    kept = {path.name for path in outer.iterdir()}
    for damaged in mutations([sound], 120):
        file.write_bytes(damaged)
        try:
            copies.unpack(str(file), str(job))
        except RuntimeEnvSetupError as error:
            assert "cannot be unpacked" in str(error)
        assert {path.name for path in outer.iterdir()} == kept, "something lies beside the job's folder"
        assert not any(path.name.startswith("incoming") for path in job.iterdir())


def test_links_out_of_an_archive_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "code.tar.gz"
    file.write_bytes(special(tarfile.SYMTYPE))
    with pytest.raises(RuntimeEnvSetupError, match="cannot be unpacked"):
        copies.unpack(str(file), str(tmp_path / "job"))


def test_a_sessions_files_may_hold_anything(tmp_path: Path) -> None:
    session = sessions.Session(str(tmp_path))
    for damaged in [*mutations([b"12345\n", b"127.0.0.1:6379\n"], 2000), "²".encode(), b"9" * 5000]:
        for name in ("pid", "address", "role"):
            (tmp_path / name).write_bytes(damaged)
        assert session.daemon_pid >= 0
        assert isinstance(session.address, str) and session.is_head == (session.read("role") == "head")
        try:
            sessions.find(session.address.replace("/", "") or "x")
        except (ValueError, ConnectionError):
            pass


SYSTEM = {
    "/proc/meminfo": b"MemTotal:       8000000 kB\nMemAvailable:    4000000 kB\n",
    "/proc/self/cgroup": b"12:cpu:/a\n0::/user/session\n",
    "cpu.max": b"200000 100000\n",
    "memory.max": b"1000000000\n",
    "memory.current": b"500000000\n",
    "information": b"Model: \t\t NVIDIA H200-SXM\nIRQ: 1\n",
}


def test_the_systems_files_may_hold_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {name: list(mutations([*SYSTEM.values()], 500, seed)) for seed, name in enumerate(SYSTEM)}
    current: dict[str, bytes] = {}
    file = tmp_path / "file"
    real = machine._read

    def read(path: str) -> str:
        file.write_bytes(current.get(path, current.get(os.path.basename(path), b"")))
        return real(str(file))

    monkeypatch.setattr(machine, "_read", read)
    current.update(SYSTEM)
    assert machine.memory_bytes() == 500_000_000
    for number in range(500):
        current.update({name: texts[name][number] for name in SYSTEM})
        assert machine.cpu_count() >= 1 and machine.memory_bytes() >= 0 and isinstance(machine.gpu_type(), str)


BAR = {"bar": "b1", "count": 3, "total": 10, "position": 0, "unit": "it", "desc": "work", "closed": False}


def test_lines_that_look_like_bars_never_stop_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(progress, "_manager", progress.BarManager(stream))
    assert progress.take([f"{PROGRESS_MARK}{json.dumps(BAR)}"], 1) == []
    odd = [b"[" * 100_000, b"1", b"null", *(json.dumps({**BAR, key: value}).encode() for key in BAR for value in ODD)]
    for pid, damaged in enumerate([*mutations([json.dumps(BAR).encode()], 3000), *odd]):
        text = damaged.decode(errors="replace")
        progress.take([f"before{PROGRESS_MARK}{text}", "other"], pid % 7)
        progress.write_above_bars(stream, "a line\n")
    assert stream.text.count("a line\n") == 3000 + len(odd)


ODD: list[object] = [None, [], {}, "x", -1, 1e400, float("nan"), True, 2**70, "\x00"]


class Terminal:
    """Output that counts as a terminal."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.parts.append(text)

    def flush(self) -> None:
        pass


def test_offers_of_debuggers_are_taken_or_printed() -> None:
    sound = json.dumps({"path": "/tmp/x/s", "what": "task f", "where": "a.py:3"})
    assert driver.offer(1, sound).startswith("task f stopped at a.py:3")
    odd = [json.dumps({"path": value, "what": value, "where": "x"}) for value in ODD]
    try:
        for text in [
            *(data.decode(errors="replace") for data in mutations([sound.encode()], 3000)),
            *odd,
            "[" * 100_000,
        ]:
            assert isinstance(driver.offer(1, text), str)
        for found in driver._waiting:
            assert driver._connect(found["path"]) is None
    finally:
        driver._waiting.clear()


def feed(data: bytes) -> socket.socket:
    """The reading end of a connection whose other side said this and went."""
    here, there = socket.socketpair()
    there.sendall(data)
    there.close()
    return here


def test_frames_of_the_debugger_end_or_are_read() -> None:
    here, there = socket.socketpair()
    frames.send(there, frames.LINE, "print(1)")
    there.close()
    with here:
        sound = here.recv(100)
    for damaged in mutations([sound * 3], 3000):
        with feed(damaged) as connection:
            while (frame := frames.receive(connection)) is not None:
                assert len(frame[1]) <= len(damaged)


def test_frames_of_collective_calls_are_read_or_refused() -> None:
    sound = b"".join(
        link.HEAD.pack(kind, 0, 4, number, 6) + b"info" + b"sixsix"
        for number, kind in enumerate((link.CALL, link.DONE, link.SEND))
    )
    for damaged in mutations([sound], 600):
        with feed(damaged) as connection:
            connection.settimeout(5)
            reader = link.Link(connection, 1, "rank 1", 5.0, lambda: None)
            try:
                for _ in range(100):
                    frame = reader.receive()
                    assert len(frame.data) + len(frame.description) <= len(damaged)
            except CollectiveError:
                pass


def test_ignore_files_may_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "kept.py").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a[b].txt").write_text("")
    sound = [b"*.pyc\n!kept.py\n/build/\n**/cache/**\nfolder/[a-c]*.txt\n[!a]b?\n\\#x\n"]
    for damaged in [*mutations(sound, 1500), b"[z-a]\n[[]\n[]]\n[\\]\n[^^]\n[a&&b]\n[a--b]\n[^]x]\n"]:
        (tmp_path / ".gitignore").write_bytes(damaged)
        for path, _ in ignore.walk(str(tmp_path), []):
            assert not path.startswith("..")


def test_an_ignore_file_takes_no_longer_than_its_length(tmp_path: Path) -> None:
    for name in ("a" * 200, "deep"):
        (tmp_path / name).mkdir()
    (tmp_path / "deep" / "x.py").write_text("")
    lines = ["**/" * 300 + "none", "*a" * 90 + "b", "**a**/" * 50 + "c", "a" + "*" * 5000 + "b"]
    (tmp_path / ".gitignore").write_text("\n".join(lines))
    began = time.monotonic()
    assert len(list(ignore.walk(str(tmp_path), []))) == 4
    assert time.monotonic() - began < 5


def test_requirements_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    sound = [b"numpy==1.0 # a\n-c limits.txt\n--find-links ./wheels\n./local\n\\\nx\n-r requirements.txt\n"]
    for damaged in mutations(sound, 1500):
        path.write_bytes(damaged)
        try:
            fields._requirements("pip", str(path))
        except ValueError as error:
            assert "runtime environment" in str(error) or "null byte" in str(error)


def test_notes_in_the_cache_may_hold_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "folder", lambda: str(tmp_path))
    notes = [b'{"bytes": 12, "made": 5.0}']
    odd = [b'{"bytes": []}', b'{"bytes": 1e400}', b"[" * 100_000, b"3"]
    for number, damaged in enumerate([*mutations(notes, 200), *odd]):
        (tmp_path / f"{number}.json").write_bytes(damaged)
    entry = cache.Entry("new")
    entry.use(lambda path: os.mkdir(path), lambda seconds: None)
    os.close(entry._lock)
    assert (tmp_path / "new.json").exists()

"""Copies on their way to other machines: packed where they were made, kept by the cluster's head while the job lasts,
and unpacked once on each node that has a worker of their environment.

Under `package:<job>:<name>` the head keeps what is needed to fetch one (JSON), and under
`package:<job>:<name>:<upload>:<number>` its pieces. A copy has the hash of its content as its name, so that it is put
and fetched once.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO, Any

_NAMESPACE = "trygon.runtime_env"
_PIECE_BYTES = 2**20
_LIMIT_BYTES = 500 * 10**6
_LIMIT_VARIABLE = "TRYGON_RUNTIME_ENV_LIMIT_MIB"
_WARN_BYTES = 100 * 10**6
# From here on people are told what they wait for.
_TELL_BYTES = 20 * 10**6
_QUICK = 1

# What this process has shipped: jobs' ids in their sessions, and names.
_shipped: set[tuple[str, str, str]] = set()


def is_needed() -> bool:
    """Whether workers of this process's job may be on other machines."""
    import sys

    from trygon import _native

    if _native.context()["mode"] == "worker":
        return bool(os.environ.get("TRYGON_JOB_DIRECTORY"))
    init = sys.modules.get("trygon._core.init")
    return bool(init is not None and init._session_folder)


def ship(folder: str, what: str) -> str:
    """Sees to it that every node of the cluster can fetch the copy in `folder`; the name to fetch it by. `what` names
    it for people. RuntimeEnvSetupError: it is too large, or the disk is full.
    """
    from trygon import _native

    name = os.path.basename(folder)
    context = _native.context()
    job = str(context["job_id"])
    known = (str(context["node_id"]), job, name)
    if known in _shipped:
        return name
    index = f"package:{job}:{name}"
    if not _native.key_value("exists", _NAMESPACE, index.encode())[0]:
        _ship(folder, what, index, f"package:{job}:")
    _shipped.add(known)
    return name


def _ship(folder: str, what: str, index: str, prefix: str) -> None:
    import json

    from trygon import _native

    packed = os.path.join(os.path.dirname(folder), f"packed-{os.urandom(8).hex()}")
    upload = f"{index}:{os.urandom(8).hex()}"
    try:
        digest = _pack(folder, packed, what)
        size = os.stat(packed).st_size
        _check_size(folder, what, size, prefix)
        if size > _TELL_BYTES:
            _tell(f"Shipping {what} to the cluster: {size / 1e6:.0f} MB packed.")
        count = 0
        with open(packed, "rb") as file:
            while piece := file.read(_PIECE_BYTES):
                _native.key_value("put", _NAMESPACE, f"{upload}:{count}".encode(), piece)
                count += 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise _failed(f"{what} cannot be packed for other machines: {where}{error.strerror}.") from error
    finally:
        if os.path.exists(packed):
            os.unlink(packed)
    described = {"pieces": count, "prefix": upload, "bytes": size, "sha256": digest}
    existed, _, _ = _native.key_value("put", _NAMESPACE, index.encode(), json.dumps(described).encode(), False)
    if existed:
        # Another process of the job was faster.
        for number in range(count):
            _native.key_value("delete", _NAMESPACE, f"{upload}:{number}".encode())


def _check_size(folder: str, what: str, size: int, prefix: str) -> None:
    """Refuses what would fill the head's memory: it keeps the packed files of all environments of the job."""
    from trygon import _native

    chosen = os.environ.get(_LIMIT_VARIABLE)
    limit = int(chosen) * 2**20 if chosen else _LIMIT_BYTES
    _, _, keys = _native.key_value("list", _NAMESPACE, prefix.encode())
    # Every key but those of the indices, which have two colons, is one piece.
    before = sum(key.count(b":") == 4 for key in keys) * _PIECE_BYTES
    if size + before <= min(limit, _WARN_BYTES):
        return
    sizes = f"{what} has {size / 1e6:.0f} MB packed"
    if before:
        sizes += f", beside {before / 1e6:.0f} MB that the job has shipped already"
    advice = (
        f"Leave out what tasks do not need with excludes=[...] or a .gitignore; the largest files are"
        f" {_largest(folder)}. Data is better read from a storage that all nodes reach."
    )
    if size + before > limit:
        raise _failed(f"{sizes}; {limit / 1e6:.0f} MB may be shipped in all ({_LIMIT_VARIABLE}). {advice}")
    import warnings

    warnings.warn(f"{sizes}; above {limit / 1e6:.0f} MB in all it would be refused. {advice}", stacklevel=2)


def _largest(folder: str) -> str:
    found = [(os.stat(path).st_size, inside) for inside, path in _entries(folder) if os.path.isfile(path)]
    return ", ".join(f"{inside} ({size / 1e6:.1f} MB)" for size, inside in sorted(found, reverse=True)[:3])


def _pack(folder: str, path: str, what: str) -> str:
    """Packs a folder into a file; the hash of that. The same content makes the same file."""
    import gzip
    import tarfile
    from hashlib import sha256

    with (
        open(path, "wb") as file,
        gzip.GzipFile("", "wb", _QUICK, file, 0) as pressed,
        tarfile.open(fileobj=pressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for inside, source in _entries(folder):
            entry = tarfile.TarInfo(inside)
            if os.path.isdir(source):
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
            elif os.path.isfile(source):
                stat = os.stat(source)
                entry.size, entry.mode = stat.st_size, stat.st_mode & 0o777
                with open(source, "rb") as content:
                    archive.addfile(entry, content)
    digest = sha256()
    with open(path, "rb") as packed:
        while piece := packed.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _entries(folder: str) -> Iterator[tuple[str, str]]:
    """What is in a copy, sorted: paths inside, and paths. On another machine a link to a folder leads nowhere, so what
    lies behind it is taken as if it lay here.
    """
    yield from _entries_of(folder, "", [os.path.realpath(folder)])


def _entries_of(folder: str, inside: str, above: list[str]) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found)
    for name in names:
        path, there = os.path.join(folder, name), f"{inside}{name}"
        if not os.path.isdir(path):
            yield there, path
            continue
        real = os.path.realpath(path)
        if os.path.islink(path) and (real in above or name in ("__pycache__", ".git", ".venv", "venv")):
            continue
        yield there, path
        yield from _entries_of(path, f"{there}/", [*above, real])


class _Pieces:
    """A package as it comes in, for `tarfile` to read from."""

    def __init__(self, described: dict[str, Any], look_up: Callable[[str], bytes | None]) -> None:
        from hashlib import sha256

        self._described = described
        self._look_up = look_up
        self._digest = sha256()
        self._next = 0
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and self._next < self._described["pieces"]:
            piece = self._look_up(f"{self._described['prefix']}:{self._next}")
            if piece is None:
                raise _missing()
            self._digest.update(piece)
            self._rest += piece
            self._next += 1
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def check(self) -> None:
        """What came must be what was shipped."""
        while self.read(_PIECE_BYTES):
            pass
        if self._digest.hexdigest() != self._described["sha256"]:
            raise _damaged()


def fetch(name: str, directory: str, look_up: Callable[[str], bytes | None], wait: Callable[[float], None]) -> str:
    """The folder on this node with the copy of that name, fetched unless it is here.

    `look_up(key)` asks the cluster; `wait(seconds)` is called while another process fetches the same, and raises to
    give up. SetupError: it cannot be had. OSError: it cannot be written.
    """
    import fcntl

    if not name.isalnum():
        from trygon._core.runtime_env.commands import SetupError

        raise SetupError(f"{name!r} is no name of shipped code")
    path = os.path.join(directory, name)
    if os.path.isdir(path):
        return path
    os.makedirs(directory, mode=0o700, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                wait(0.05)
        if not os.path.isdir(path):
            _fetch(path, look_up)
    finally:
        os.close(lock)
    return path


def _fetch(path: str, look_up: Callable[[str], bytes | None]) -> None:
    import gzip
    import shutil
    import tarfile
    import zlib
    from typing import cast

    mark = os.environ.get("TRYGON_JOB_MARK", "")
    found = look_up(f"package:{mark}:{os.path.basename(path)}")
    if found is None:
        raise _missing()
    pieces = _Pieces(_index(found), look_up)
    incoming = f"{path}.incoming-{os.urandom(8).hex()}"
    os.mkdir(incoming, 0o700)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", pieces), mode="r|gz") as archive:
            for entry in archive:
                _unpack(archive, entry, incoming)
        pieces.check()
        os.rename(incoming, path)
    except BaseException as error:
        shutil.rmtree(incoming, ignore_errors=True)
        if isinstance(error, (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, *_UNREADABLE)):
            raise _damaged() from error
        raise


# What comes of names and numbers that no package has.
_UNREADABLE = (ValueError, TypeError, KeyError, OverflowError, FileExistsError, FileNotFoundError, NotADirectoryError)


def _index(data: bytes) -> dict[str, Any]:
    """What is needed to fetch a package."""
    import json

    try:
        described = json.loads(data)
    except (ValueError, RecursionError):
        raise _damaged() from None
    shape = {"pieces": int, "prefix": str, "sha256": str}
    if not isinstance(described, dict) or not all(isinstance(described.get(key), kind) for key, kind in shape.items()):
        raise _damaged()
    return described


def _unpack(archive: Any, entry: Any, folder: str) -> None:
    """One file or folder. Nothing else is packed, so nothing else is taken; nor is what would lie elsewhere."""
    parts = entry.name.split("/")
    # A sparse file would take more of the disk than came.
    is_plain = (entry.isreg() and not entry.issparse()) or entry.isdir()
    if not is_plain or not all(part not in ("", ".", "..") for part in parts):
        from trygon._core.runtime_env.commands import SetupError

        raise SetupError(f"the code that the job shipped has an entry that is not allowed: {entry.name!r}")
    path = os.path.join(folder, *parts)
    if entry.isdir():
        os.mkdir(path, 0o700)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        content = archive.extractfile(entry)
        while piece := content.read(_PIECE_BYTES):
            file.write(piece)
    os.chmod(path, (entry.mode & 0o777) | 0o600)


def _missing() -> Exception:
    from trygon._core.runtime_env.commands import SetupError

    return SetupError(
        "the code that the job shipped is not with the cluster's head any more; it is kept until the job is over, so"
        " the job has ended or the head has lost its memory"
    )


def _damaged() -> Exception:
    from trygon._core.runtime_env.commands import SetupError

    return SetupError("the code that the job shipped came damaged; a later task makes the node fetch it again")


def _tell(message: str) -> None:
    import sys

    print(message, file=sys.stderr, flush=True)


def _failed(message: str) -> Exception:
    from trygon.exceptions import RuntimeEnvSetupError

    return RuntimeEnvSetupError(f"The runtime environment could not be made: {message}")

"""Copies of working directories and modules, named by their content: edits made later do not reach a job that runs."""

from __future__ import annotations

import os
import shutil

from trygon._core.runtime_env.fields import ARCHIVES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash
    from typing import Any

MEBIBYTE = 2**20
_DEFAULT_LIMIT_MIB = 512
_LIMIT_VARIABLE = "TRYGON_RUNTIME_ENV_LIMIT_MIB"
_CHUNK_BYTES = MEBIBYTE

# Copies made by this process: what was copied, as it was then, and where the copy is.
_made: dict[Any, str] = {}


def copy_folder(path: str, excludes: list[str], job_directory: str) -> str:
    """A copy of what is in the folder. RuntimeEnvSetupError when it is too large or cannot be read."""
    return _copied(path, excludes, job_directory, "")


def copy_module(path: str, excludes: list[str], job_directory: str) -> str:
    """A folder for `sys.path` in which the module at `path` lies: a package, a file, a wheel or an archive."""
    if path.endswith((".whl", *ARCHIVES)):
        return unpack(path, job_directory)
    return _copied(path, excludes, job_directory, os.path.basename(path.rstrip(os.sep)))


def _copied(path: str, excludes: list[str], job_directory: str, name: str) -> str:
    entries = _entries(path, excludes)
    _check_size(path, entries)
    signature = (path, name, job_directory, tuple((inside, size, changed) for inside, _, size, changed in entries))
    known = _made.get(signature)
    if known is not None and os.path.isdir(known):
        return known
    from hashlib import sha256

    digest = sha256(name.encode())
    incoming = _incoming(job_directory)
    target = os.path.join(incoming, name) if name else incoming
    try:
        for inside, source, _, _ in entries:
            _copy_entry(source, os.path.join(target, inside) if inside else target, inside, digest)
    except OSError as error:
        shutil.rmtree(incoming, ignore_errors=True)
        raise _failed(f"{error.filename or path} cannot be copied: {error.strerror}.") from error
    _made[signature] = _placed(incoming, job_directory, digest)
    return _made[signature]


def _entries(path: str, excludes: list[str]) -> list[tuple[str, str, int, int]]:
    """What is copied: paths inside, paths, sizes, and times of the last change in nanoseconds."""
    from trygon._core.runtime_env.ignore import walk

    if os.path.isfile(path):
        stat = os.stat(path)
        return [("", path, stat.st_size, stat.st_mtime_ns)]
    found = []
    try:
        for inside, entry in walk(path, excludes):
            stat = entry.stat(follow_symlinks=False)
            found.append((inside, entry.path, stat.st_size, stat.st_mtime_ns))
    except OSError as error:
        raise _failed(f"{error.filename or path} cannot be read: {error.strerror}.") from error
    return found


def _copy_entry(source: str, target: str, inside: str, digest: _Hash) -> None:
    if os.path.islink(source) and os.path.isdir(source):
        link = os.path.realpath(source)
        digest.update(f"\0link {inside}\0{link}".encode())
        os.symlink(link, target)
    elif os.path.isdir(source):
        digest.update(f"\0folder {inside}".encode())
        os.makedirs(target, exist_ok=True)
    elif os.path.isfile(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        mode = os.stat(source).st_mode & 0o777
        digest.update(f"\0file {inside} {mode}\0".encode())
        with open(source, "rb") as reader, open(target, "wb") as writer:
            while chunk := reader.read(_CHUNK_BYTES):
                digest.update(chunk)
                writer.write(chunk)
        os.chmod(target, mode | 0o600)
    # Sockets, pipes and broken links are of no use elsewhere.


def _check_size(path: str, entries: list[tuple[str, str, int, int]]) -> None:
    limit = int(os.environ.get(_LIMIT_VARIABLE, _DEFAULT_LIMIT_MIB)) * MEBIBYTE
    total = sum(size for _, _, size, _ in entries)
    if total <= limit // 2:
        return
    largest = sorted(entries, key=lambda entry: -entry[2])[:3]
    files = ", ".join(f"{inside or path} ({size / MEBIBYTE:.1f} MiB)" for inside, _, size, _ in largest)
    advice = f"Leave out what tasks do not need with excludes=[...] or a .gitignore; the largest files are {files}."
    sizes = f"{path} has {total / MEBIBYTE:.1f} MiB to copy"
    if total > limit:
        raise _failed(f"{sizes}, and {limit // MEBIBYTE} are allowed ({_LIMIT_VARIABLE}). {advice}")
    import warnings

    warnings.warn(f"{sizes}; above {limit // MEBIBYTE} MiB it would be refused. {advice}", stacklevel=2)


def unpack(path: str, job_directory: str) -> str:
    """The folder into which an archive or a wheel was unpacked."""
    from hashlib import sha256

    digest = sha256()
    incoming = _incoming(job_directory)
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        if path.endswith((".zip", ".whl")):
            shutil.unpack_archive(path, incoming, "zip")
        else:
            shutil.unpack_archive(path, incoming, filter="data")
        if path.endswith(".whl"):
            _spread_wheel(incoming)
    except Exception as error:
        shutil.rmtree(incoming, ignore_errors=True)
        raise _failed(f"{path} cannot be unpacked: {type(error).__name__}: {error}.") from error
    return _placed(incoming, job_directory, digest)


def _spread_wheel(folder: str) -> None:
    """A wheel may keep modules in `<name>.data/purelib` and `platlib`; installers put them beside the others."""
    for name in os.listdir(folder):
        for part in ("purelib", "platlib") if name.endswith(".data") else ():
            inner = os.path.join(folder, name, part)
            if os.path.isdir(inner):
                shutil.copytree(inner, folder, dirs_exist_ok=True)


def _incoming(job_directory: str) -> str:
    from trygon._core.runtime_env.job_directory import made

    path = os.path.join(made(job_directory), f"incoming-{os.urandom(8).hex()}")
    os.mkdir(path)
    return path


def _placed(incoming: str, job_directory: str, digest: _Hash) -> str:
    """Names the copy by its content. Another process may have made the same one meanwhile."""
    path = os.path.join(job_directory, digest.hexdigest()[:32])
    try:
        os.rename(incoming, path)
    except OSError:
        shutil.rmtree(incoming, ignore_errors=True)
        if not os.path.isdir(path):
            raise
    return path


def _failed(message: str) -> Exception:
    from trygon.exceptions import RuntimeEnvSetupError

    return RuntimeEnvSetupError(f"The runtime environment could not be made: {message}")

"""The cache of installed packages: one folder for each set of them, shared by all jobs of this user.

`<hash>/` is a virtual environment, `<hash>.lock` is held by whoever builds or uses it, `<hash>.json` says that it is
complete and how large it is; its time of change is that of the last use.
"""

from __future__ import annotations

import fcntl
import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER_VARIABLE = "TRYGON_RUNTIME_ENV_CACHE"
_LIMIT_VARIABLE = "TRYGON_RUNTIME_ENV_CACHE_GB"
_DEFAULT_LIMIT_GB = 10.0
_LOCK_POLL_S = 0.05


def folder() -> str:
    """Where the cache is."""
    chosen = os.environ.get(_FOLDER_VARIABLE)
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "trygon", "runtime-environments")


class Entry:
    """One folder of the cache, and the lock that keeps it from being built twice or removed while it is used."""

    def __init__(self, name: str) -> None:
        self._root = folder()
        os.makedirs(self._root, mode=0o700, exist_ok=True)
        self.path = os.path.join(self._root, name)
        self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def use(self, build: Callable[[str], None], wait: Callable[[float], None]) -> None:
        """Sees to it that the folder is there and stays there while this process, or what it becomes, lives.

        `build(path)` makes it if need be; `wait(seconds)` is called while another process does, and raises to give up.
        """
        while True:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            if self._is_complete():
                break
            if self._build_alone(build):
                continue
            wait(_LOCK_POLL_S)
        os.utime(f"{self.path}.json")
        os.set_inheritable(self._lock, True)

    def _is_complete(self) -> bool:
        return os.path.exists(f"{self.path}.json") and os.path.isdir(self.path)

    def _build_alone(self, build: Callable[[str], None]) -> bool:
        """False when another process has the lock."""
        import shutil

        try:
            # A shared lock is given up first: two that hold it would wait for each other.
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if self._is_complete():
            return True
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            build(self.path)
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise
        # A build that is killed leaves no such file, and its folder is built again.
        with open(f"{self.path}.incoming", "w", encoding="utf-8") as file:
            json.dump({"bytes": _size_bytes(self.path), "made": time.time()}, file)
        os.replace(f"{self.path}.incoming", f"{self.path}.json")
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._make_room()
        return True

    def _make_room(self) -> None:
        """Removes folders that were not used for longest, and are not used now, above the limit."""
        limit_bytes = float(os.environ.get(_LIMIT_VARIABLE, _DEFAULT_LIMIT_GB)) * 1e9
        known = []
        for name in os.listdir(self._root):
            if name.endswith(".json"):
                path = os.path.join(self._root, name)
                try:
                    with open(path, encoding="utf-8") as file:
                        known.append(
                            (os.stat(path).st_mtime, path.removesuffix(".json"), int(json.load(file)["bytes"]))
                        )
                except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
                    # Another process removes it just now.
                    continue
        total = sum(size for _, _, size in known)
        for _, path, size in sorted(known):
            if total <= limit_bytes:
                return
            if path != self.path and _remove_unused(path):
                total -= size


def _remove_unused(path: str) -> bool:
    import shutil

    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(f"{path}.json")
        shutil.rmtree(path, ignore_errors=True)
        return True
    except OSError:
        return False
    finally:
        os.close(lock)


def _size_bytes(path: str) -> int:
    total = 0
    for here, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(here, name)).st_size
            except OSError:
                continue
    return total

"""States in a folder that all nodes see, or behind a URL: one file for each, the newest two are left."""

from __future__ import annotations

import os
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LEFT = 2
_SUFFIX = ".checkpoint"


class KeptInFolder:
    """Where one actor's states lie: files named by their numbers, written whole or not at all."""

    def __init__(self, to: str, actor: bytes) -> None:
        self._files: Any = _Remote(to, actor.hex()) if "://" in to else _Local(os.path.join(to, actor.hex()))

    def save(self, number: int, state: bytes) -> None:
        """Returns when the state is on the disk. OSError if it cannot be written."""
        self._files.write(f"{number:020d}{_SUFFIX}", state)
        for old in self._numbers()[:-_LEFT]:
            self._files.remove(f"{old:020d}{_SUFFIX}")

    def newest(self) -> tuple[int, bytes] | None:
        """The newest state; None if none was ever saved."""
        numbers = self._numbers()
        return (numbers[-1], self._files.read(f"{numbers[-1]:020d}{_SUFFIX}")) if numbers else None

    def _numbers(self) -> list[int]:
        names = (name for name in self._files.names() if name.endswith(_SUFFIX))
        return sorted(int(name[: -len(_SUFFIX)]) for name in names)


class _Local:
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def write(self, name: str, state: bytes) -> None:
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, name)
        draft = f"{path}.{os.getpid()}.draft"
        with open(draft, "wb") as file:
            file.write(state)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read(self, name: str) -> bytes:
        with open(os.path.join(self._folder, name), "rb") as file:
            return file.read()

    def names(self) -> list[str]:
        return os.listdir(self._folder) if os.path.isdir(self._folder) else []

    def remove(self, name: str) -> None:
        os.remove(os.path.join(self._folder, name))


class _Remote:
    """Any file system that pyarrow knows by its URL: `s3`, `gs`, `hdfs`, `file`. There a file appears whole."""

    def __init__(self, to: str, folder: str) -> None:
        try:
            fs = import_module("pyarrow.fs")
        except ImportError as problem:
            raise ImportError(
                f"A checkpoint at {to} needs the package pyarrow in the environment of the actor; a folder does not."
            ) from problem
        self._fs: Any
        self._fs, root = fs.FileSystem.from_uri(to)
        self._selector, self._is_file = fs.FileSelector, fs.FileType.File
        self._folder = f"{root.rstrip('/')}/{folder}"

    def write(self, name: str, state: bytes) -> None:
        self._fs.create_dir(self._folder, recursive=True)
        draft = f"{self._folder}/{name}.draft"
        with self._fs.open_output_stream(draft) as file:
            file.write(state)
        self._fs.move(draft, f"{self._folder}/{name}")

    def read(self, name: str) -> bytes:
        with self._fs.open_input_stream(f"{self._folder}/{name}") as file:
            data: bytes = file.read()
        return data

    def names(self) -> list[str]:
        found = self._fs.get_file_info(self._selector(self._folder, allow_not_found=True))
        return [info.base_name for info in found if info.type == self._is_file]

    def remove(self, name: str) -> None:
        self._fs.delete_file(f"{self._folder}/{name}")

"""Packs what a Linux kernel starts with: programs with their libraries, an interpreter, modules of the kernel."""

from __future__ import annotations

import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# What a standard library holds that nothing here imports.
_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages", "dist-packages"}
)


class Initramfs:
    """The files of a machine that has no disk. Parents of what is added come with it."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, bytes | Path]] = {}

    def folder(self, path: str, mode: int = 0o755) -> None:
        """A folder; one that is there already gets the mode."""
        self._add(path, stat.S_IFDIR | mode, b"")

    def text(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """A file with this content."""
        self._add(path, stat.S_IFREG | mode, content.encode() if isinstance(content, str) else content)

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def file(self, path: str, source: Path) -> None:
        """A copy of a file, with its right to be executed."""
        self._add(path, stat.S_IFREG | (0o755 if os.access(source, os.X_OK) else 0o644), source.resolve())

    def program(self, path: str, source: Path) -> None:
        """A program or a library, with the libraries that it needs where it looks for them."""
        self.file(path, source)
        for library in libraries(source):
            if str(library).lstrip("/") not in self._entries:
                self.file(str(library), library)

    def tree(self, path: str, source: Path, left_out: frozenset[str] = frozenset()) -> None:
        """A copy of a folder without those of some names; programs and libraries with what they need."""
        for folder, names, files in os.walk(source):
            names[:] = sorted(name for name in names if name not in left_out)
            inside = Path(path) / Path(folder).relative_to(source)
            self.folder(str(inside))
            for name in sorted(files):
                origin = Path(folder) / name
                is_library = re.search(r"\.so(\.\d+)*$", name) is not None
                (self.program if is_library else self.file)(str(inside / name), origin)

    def python(self, interpreter: Path) -> None:
        """An interpreter with its standard library, where they are on this machine, and as `python3` on the path."""
        ask = "import sys, sysconfig; print(sysconfig.get_path('stdlib')); print(sysconfig.get_path('platstdlib'))"
        answer = subprocess.run([interpreter, "-I", "-c", ask], check=True, capture_output=True, text=True)
        for library in sorted(set(answer.stdout.split("\n")) - {""}):
            self.tree(library, Path(library), _LEFT_OUT)
        self.program(str(interpreter), interpreter)
        self.link("/bin/python3", str(interpreter))

    def module(self, root: Path, name: str, into: list[str]) -> None:
        """A kernel module below `root` after those that it depends on; `into` takes their paths in that order."""
        found = sorted(path for path in root.rglob(f"{name}.ko*") if path.suffix in (".ko", ".xz"))
        if not found:
            sys.exit(f"the kernel under {root} has no module {name}")
        content = found[0].read_bytes()
        content = lzma.decompress(content) if found[0].suffix == ".xz" else content
        needed = re.search(rb"\0depends=([^\0]*)\0", content)
        for other in (needed.group(1).decode() if needed else "").split(","):
            if other:
                self.module(root, other.replace("_", "[-_]"), into)
        path = f"/modules/{found[0].name.removesuffix('.xz')}"
        if path not in into:
            self.text(path, content)
            into.append(path)

    def write(self, target: Path) -> None:
        """Writes the archive, in the kernel's `newc` format."""
        with open(target, "wb") as archive:
            for number, (path, (mode, content)) in enumerate(sorted(self._entries.items()), start=1):
                data = content.read_bytes() if isinstance(content, Path) else content
                # An interpreter asks whether what it compiled before is as old as its source.
                changed = int(content.stat().st_mtime) if isinstance(content, Path) else 0
                archive.write(_head(path, number, mode, len(data), changed))
                archive.write(data + b"\0" * (-len(data) % 4))
            archive.write(_head("TRAILER!!!", 0, 0, 0, 0))

    def _add(self, path: str, mode: int, content: bytes | Path) -> None:
        place = path.strip("/")
        for above in Path(place).parents:
            if str(above) != ".":
                self._entries.setdefault(str(above), (stat.S_IFDIR | 0o755, b""))
        if place:
            self._entries[place] = (mode, content)


def libraries(program: Path) -> Iterator[Path]:
    """The shared libraries that a program needs, as the dynamic linker finds them; none for a static one."""
    linker = shutil.which("ldd")
    if linker is None:
        sys.exit("ldd was not found on PATH. On Debian: apt-get install libc-bin")
    answer = subprocess.run([linker, program], capture_output=True, text=True)
    missing = re.findall(r"(\S+) => not found", answer.stdout)
    if missing:
        sys.exit(f"{program} needs {', '.join(missing)}, which this machine does not have")
    for match in re.finditer(r"(?:=> |^\s*)(/\S+) \(0x", answer.stdout, re.MULTILINE):
        yield Path(match.group(1))


def _head(path: str, number: int, mode: int, size: int, changed: int) -> bytes:
    """An entry's head with its name, filled up to a multiple of four bytes."""
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = [number, mode, 0, 0, links, changed, size, 0, 0, 0, 0, len(name), 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return head + b"\0" * (-len(head) % 4)

"""Which files of a folder are left out: patterns as git reads them."""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = (".gitignore", ".rayignore", ".trygonignore")
# Never of use to a worker, and large. A pattern that begins with `!` brings one back.
ALWAYS = (".git/", ".venv/", "venv/", "__pycache__/")


class Patterns:
    """The patterns that hold below one folder."""

    def __init__(self, folder: str, lines: list[str]) -> None:
        self._folder = folder
        self._rules = [rule for line in lines if (rule := _rule(line)) is not None]

    def decides(self, path: str, is_folder: bool) -> bool | None:
        """True: left out; False: taken in again; None: nothing is said. The last pattern that fits decides."""
        inside = os.path.relpath(path, self._folder) if self._folder else path
        for pattern, takes_in, only_folders in reversed(self._rules):
            if (is_folder or not only_folders) and pattern.fullmatch(inside):
                return not takes_in
        return None


def _rule(line: str) -> tuple[re.Pattern[str], bool, bool] | None:
    line = line.rstrip("\n").rstrip()
    if not line or line.startswith("#"):
        return None
    takes_in = line.startswith("!")
    line = line[1:] if takes_in else line.removeprefix("\\")
    only_folders = line.endswith("/")
    line = line.rstrip("/")
    # A slash anywhere but at the end ties a pattern to its folder.
    anchored = "/" in line
    text = line.lstrip("/")
    if not text:
        return None
    return re.compile(("" if anchored else "(?:.*/)?") + _expression(text)), takes_in, only_folders


def _expression(text: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(text):
        rest = text[position:]
        if rest.startswith("**/"):
            parts.append("(?:.*/)?")
            position += 3
        elif rest.startswith("/**") and len(rest) == 3:
            parts.append("/.*")
            position += 3
        elif rest.startswith("**"):
            parts.append(".*")
            position += 2
        elif rest[0] == "*":
            parts.append("[^/]*")
            position += 1
        elif rest[0] == "?":
            parts.append("[^/]")
            position += 1
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            members = rest[1:end].replace("\\", "\\\\")
            parts.append(f"[{'^' + members[1:] if members[0] in '!^' else members}]")
            position += end + 1
        else:
            parts.append(re.escape(rest[0]))
            position += 1
    return "".join(parts)


def walk(root: str, excludes: list[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files and folders of `root` that are not left out, sorted: paths inside of it and their entries.

    `excludes` decides first, then the ignore files, the deepest first, then what is always left out.
    """
    yield from _walk(root, "", [Patterns("", list(ALWAYS))], Patterns("", excludes))


def _walk(
    root: str, inside: str, patterns: list[Patterns], excludes: Patterns
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    here = os.path.join(root, inside) if inside else root
    for name in FILES:
        try:
            with open(os.path.join(here, name), encoding="utf-8", errors="replace") as file:
                patterns = [*patterns, Patterns(inside, file.readlines())]
        except OSError:
            # Most folders have none.
            continue
    with os.scandir(here) as entries:
        sorted_entries = sorted(entries, key=lambda entry: entry.name)
    for entry in sorted_entries:
        path = os.path.join(inside, entry.name) if inside else entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if _is_left_out(path, is_folder, [excludes, *reversed(patterns)]):
            continue
        yield path, entry
        if is_folder:
            yield from _walk(root, path, patterns, excludes)


def _is_left_out(path: str, is_folder: bool, patterns: list[Patterns]) -> bool:
    for rules in patterns:
        decided = rules.decides(path, is_folder)
        if decided is not None:
            return decided
    return False

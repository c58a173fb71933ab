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
            if (is_folder or not only_folders) and pattern.fits(inside):
                return not takes_in
        return None


def _rule(line: str) -> tuple[_Pattern, bool, bool] | None:
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
    try:
        return _Pattern(text if anchored else f"**/{text}"), takes_in, only_folders
    except re.error:
        # A range that ends before it begins: to git, too, nothing fits it.
        return None


class _Pattern:
    """One pattern. The time that a path takes grows with its length times the pattern's, whatever stands in it: one
    expression for the whole could try for years.
    """

    def __init__(self, text: str) -> None:
        # Between slashes; `None` for any number of folders.
        self._parts: list[re.Pattern[str] | None] = []
        for part in text.split("/"):
            if part != "**":
                self._parts.append(re.compile(_expression(part), re.DOTALL))
            elif self._parts[-1:] != [None]:
                self._parts.append(None)

    def fits(self, path: str) -> bool:
        """Whether it is the path's pattern."""
        reached = self._with_none({0})
        for name in path.split("/"):
            further: set[int] = set()
            for place in reached:
                if place < len(self._parts):
                    part = self._parts[place]
                    if part is None:
                        # At the end it stands for what is inside, and not for the folder itself.
                        further.update((place, place + 1) if place + 1 == len(self._parts) else (place,))
                    elif part.fullmatch(name):
                        further.add(place + 1)
            reached = self._with_none(further)
        return len(self._parts) in reached

    def _with_none(self, places: set[int]) -> set[int]:
        """Any number of folders may be none."""
        last = len(self._parts) - 1
        return places | {place + 1 for place in places if place < last and self._parts[place] is None}


def _expression(text: str) -> str:
    """What fits one name. What stands between two stars is taken where it comes first, and never looked for again."""
    parts = [""]
    position = 0
    while position < len(text):
        rest = text[position:]
        if rest[0] == "*":
            parts.append("")
            position += len(rest) - len(rest.lstrip("*"))
        elif rest[0] == "?":
            parts[-1] += "."
            position += 1
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            members = rest[1:end]
            negation = "^" if members[0] in "!^" else ""
            parts[-1] += f"[{negation}{_members(members[len(negation) :])}]"
            position += end + 1
        else:
            parts[-1] += re.escape(rest[0])
            position += 1
    first, *middle = parts
    last = middle.pop() if middle else None
    return first + "".join(f"(?>.*?{part})" for part in middle) + (f".*{last}" if last is not None else "")


def _members(text: str) -> str:
    """The members of a set: ranges stay, and whatever else means something in an expression of Python does not."""
    found = []
    position = 0
    while position < len(text):
        is_range = text[position + 1 : position + 2] == "-" and position + 2 < len(text)
        taken = 3 if is_range else 1
        found.append("-".join(re.escape(member) for member in text[position : position + taken : 2]))
        position += taken
    return "".join(found)


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

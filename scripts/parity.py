"""Compares Trygon with Ray: runs the programs of tests/parity and writes docs/api-coverage.md.

    python scripts/parity.py                       Trygon against what Ray showed before; writes the page
    python scripts/parity.py --check               the same, but fails if the page or a comparison is out of date
    python scripts/parity.py --ray-python PATH     runs the programs under that Python's Ray and keeps what they show

What Ray showed is kept in tests/parity/observed, so nobody needs Ray to compare.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "tests" / "parity"
OBSERVED = PROGRAMS / "observed"
SCRIPTS = ROOT / "tests" / "programs"
PAGE = ROOT / "docs" / "api-coverage.md"
_LIMIT_S = 400
# Runs a script under Ray without what Ray's threads print of its processes: only the main thread's output counts.
_QUIET = """
import runpy, sys, threading

class OfTheMainThread:
    def __init__(self, stream):
        self.stream = stream
    def write(self, text):
        if threading.current_thread() is threading.main_thread():
            self.stream.write(text)
        return len(text)
    def __getattr__(self, name):
        return getattr(self.stream, name)

sys.stdout = OfTheMainThread(sys.stdout)
runpy.run_path(sys.argv[1], run_name="__main__")
"""

# Loaded by its path: a folder of programs is no place to import from.
_spec = importlib.util.spec_from_file_location("surface", PROGRAMS / "surface.py")
surface = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(surface)


def names() -> list[str]:
    """The programs that were run under Ray."""
    return sorted(path.stem for path in PROGRAMS.glob("*.py") if (OBSERVED / f"{path.stem}.json").exists())


def show(command: list[str], environment: dict[str, str]) -> dict[str, object]:
    """Runs one program and returns its observations; if it wrote none, why, under the empty name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shown.json"
        environment = {**environment, "PARITY_OUT": str(path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, cwd=folder)
        if not path.exists():
            last = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
            return {"": f"{' '.join(command)} showed nothing: {last[0]}"}
        return dict(json.loads(path.read_text(encoding="utf-8")))


def under_trygon(name: str, python: str = sys.executable) -> dict[str, object]:
    """What the program shows under Trygon."""
    path = os.pathsep.join(filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **({} if os.environ.get("TRYGON_TEST_INSTALLED") else {"PYTHONPATH": path})}
    return show([python, "-m", "trygon.compat", str(PROGRAMS / f"{name}.py")], environment)


def under_ray(name: str, python: str) -> dict[str, object]:
    """What the program shows under Ray."""
    return show([python, str(PROGRAMS / f"{name}.py")], dict(os.environ))


def observe_scripts(python: str) -> None:
    """Keeps what the programs of tests/programs print under Ray. Lines of Ray about itself are left out."""
    for path in sorted(SCRIPTS.glob("*.py")):
        command = [python, "-c", _QUIET, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=True)
        # What is left over is printed at the end.
        lines = [line for line in done.stdout.splitlines(keepends=True) if "(raylet)" not in line]
        (SCRIPTS / "observed" / f"{path.stem}.txt").write_text("".join(lines), encoding="utf-8")


def absence(case: str) -> str | None:
    """Why the case is absent, if it is."""
    return surface.ABSENT.get(case) or surface.ABSENT.get(case.partition(".")[0])


def unexpected(name: str, shown: dict[str, object]) -> list[str]:
    """Cases that should show what Ray showed and do not, and cases that do although a difference is noted."""
    observed = json.loads((OBSERVED / f"{name}.json").read_text(encoding="utf-8"))
    noted = surface.DIFFERS
    found = []
    for case, theirs in observed.items():
        same = shown.get(case) == theirs
        key = f"{name}.{case}"
        if absence(key) is not None:
            continue
        if not same and key not in noted:
            ours = shown.get(case, shown.get(""))
            found.append(f"{key}:\n  Ray:    {json.dumps(theirs)}\n  Trygon: {json.dumps(ours)}")
        elif same and key in noted:
            found.append(f"{key} shows what Ray shows: take it out of surface.py")
    return found


def compare(python: str = sys.executable) -> list[str]:
    """Every unexpected difference of every program."""
    found = []
    for name in names():
        found += unexpected(name, under_trygon(name, python))
    return found


def page() -> str:
    """The text of docs/api-coverage.md."""
    lines = [
        "# What of Ray's API there is",
        "",
        "Generated by `scripts/parity.py` from `tests/parity/surface.py`: do not edit.",
        "",
        "**works**: the cases named run unchanged under Ray 2.60 and under Trygon and show the same. **differs**: on"
        " purpose, as the note says. **absent**: refused by name. A name with `tests/` is a test of Trygon alone, where"
        " there is nothing to compare (speed of reaction, texts, files).",
        "",
    ]
    counts = {"works": 0, "differs": 0, "absent": 0}
    for title, rows in surface.SECTIONS.items():
        lines += [f"## {title}", "", "| | | shown by | note |", "|---|---|---|---|"]
        for what, cases in rows:
            verdict, note = _verdict(cases)
            counts[verdict] += 1
            listed = [] if cases.startswith("absent:") else cases.split()
            shown = ", ".join(f"`{case}`" for case in listed)
            lines.append(f"| {what} | {verdict} | {shown} | {note} |")
        lines.append("")
    total = sum(counts.values())
    summary = f"{total} lines: {counts['works']} work, {counts['differs']} differ, {counts['absent']} are absent."
    lines.insert(6, summary)
    lines.insert(7, "")
    return "\n".join(lines).rstrip() + "\n"


def _verdict(cases: str) -> tuple[str, str]:
    listed = cases.split()
    if not listed or listed[0].startswith("absent:"):
        return "absent", cases.partition("absent:")[2].strip()
    missing = [why for case in listed if (why := absence(case)) is not None]
    missing += [] if all((ROOT / case).exists() for case in listed if case.startswith("tests/")) else ["not there yet"]
    differing = [surface.DIFFERS[case] for case in listed if case in surface.DIFFERS]
    if missing:
        return "absent", "; ".join(dict.fromkeys(missing + differing))
    return ("differs" if differing else "works"), "; ".join(dict.fromkeys(differing))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ray-python", help="a Python that has Ray 2.60: observe again")
    parser.add_argument("--check", action="store_true", help="fail instead of writing the page")
    parser.add_argument("programs", nargs="*", help="only these programs")
    given = parser.parse_args()
    chosen = given.programs or sorted(
        path.stem for path in PROGRAMS.glob("*.py") if path.stem not in ("observe", "surface")
    )
    if given.ray_python:
        OBSERVED.mkdir(exist_ok=True)
        if not given.programs:
            observe_scripts(given.ray_python)
        for name in chosen:
            text = json.dumps(under_ray(name, given.ray_python), indent=1, sort_keys=True) + "\n"
            (OBSERVED / f"{name}.json").write_text(text, encoding="utf-8")
            print(f"{name}: observed under Ray")
    problems = []
    for name in names():
        if name in chosen:
            problems += unexpected(name, under_trygon(name))
    for problem in problems:
        print(problem)
    text = page()
    if given.check and (not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text):
        problems.append(f"{PAGE.name} is out of date: run scripts/parity.py")
        print(problems[-1])
    elif not given.check:
        PAGE.write_text(text, encoding="utf-8")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

"""`python -m trygon.compat script.py [arguments]`: runs a program for Ray with Trygon in its place."""

from __future__ import annotations

import os
import sys

from trygon.compat.ray import child_environment

_USAGE = "usage: python -m trygon.compat script.py [arguments]\n       python -m trygon.compat -m module [arguments]"


def main(arguments: list[str]) -> None:
    """Replaces this process: the script sees an interpreter that is entirely its own."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{_USAGE}\n\nRuns a program written for Ray; 'import ray' gives Trygon.")
        sys.exit(0 if arguments else 2)
    if sys.flags.ignore_environment:
        sys.exit("trygon.compat: Python was started with -E or -I, so scripts would not find Trygon as ray; drop it.")
    first = arguments[0]
    if not first.startswith("-") and not os.path.exists(first):
        sys.exit(f"trygon.compat: there is no file {first!r} in {os.getcwd()}.")
    if not sys.executable:
        sys.exit("trygon.compat: this Python does not know its own path, so it cannot start the script.")
    import subprocess

    # The options that this interpreter was started with: warnings, -X, -O.
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    os.execve(sys.executable, [sys.executable, *flags, *arguments], child_environment(dict(os.environ)))


if __name__ == "__main__":
    main(sys.argv[1:])

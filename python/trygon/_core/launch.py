"""The command `trygon`: becomes the binary that lies in the package."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Replaces this process by the binary, with the same arguments."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.environ.get("TRYGON_BINARY") or os.path.join(folder, "_bin", "trygon")
    # The binary starts programs with the Python that it was installed for.
    os.environ.setdefault("TRYGON_PYTHON", sys.executable)
    try:
        os.execv(path, [path, *sys.argv[1:]])
    except OSError as error:
        sys.exit(
            f"trygon: {path} cannot be run: {error.strerror}. Install the package again: pip install"
            " --force-reinstall trygon"
        )


if __name__ == "__main__":
    main()

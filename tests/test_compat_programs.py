"""Programs written for Ray, as people write them, run unchanged and print what they print under Ray."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trygon

FOLDER = Path(__file__).resolve().parent / "programs"
sys.path.insert(0, str(FOLDER.parent / "parity"))

from surface import ABSENT_SCRIPTS  # noqa: E402

NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ABSENT_SCRIPTS])
def test_program(name, tmp_path):
    path = os.pathsep.join([str(Path(trygon.__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "trygon.compat", str(FOLDER / f"{name}.py")],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (FOLDER / "observed" / f"{name}.txt").read_text(encoding="utf-8")

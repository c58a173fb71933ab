"""Programs written for Ray, as people write them, run unchanged and print what they print under Ray."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trygon

FOLDER = Path(__file__).resolve().parent / "programs"
_spec = importlib.util.spec_from_file_location("surface", FOLDER.parent / "parity" / "surface.py")
surface = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(surface)
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in surface.ABSENT_SCRIPTS])
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

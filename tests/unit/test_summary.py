"""The summary of a run: what passes at the second try has passed, and is named."""

import subprocess
import sys
from pathlib import Path

SUMMARY = Path(__file__).resolve().parent.parent.parent / "scripts" / "summary.py"


def suite(**cases: str) -> str:
    inside = "".join(f'<testcase classname="place" name="{name}">{what}</testcase>' for name, what in cases.items())
    return f"<testsuites><testsuite>{inside}</testsuite></testsuites>"


def summary(folder: Path) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, SUMMARY, folder], capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_what_fails_twice_fails_the_run(tmp_path: Path) -> None:
    failure = '<failure message="no"/>'
    (tmp_path / "python.xml").write_text(suite(good="", late=failure, bad=failure, left="<skipped/>"))
    (tmp_path / "python-again.xml").write_text(suite(late="", bad=failure))
    (tmp_path / "rust.xml").write_text(suite(one=""))
    code, lines = summary(tmp_path)
    assert code == 1
    assert lines == [
        "python: 2 passed, 1 failed, 1 skipped",
        "  passed at the second try only: place::late",
        "rust: 1 passed, 0 failed, 0 skipped",
        "3 passed, 1 failed, 1 skipped",
    ]


def test_what_passes_at_the_second_try_has_passed(tmp_path: Path) -> None:
    (tmp_path / "python.xml").write_text(suite(good="", late='<error message="left behind"/>'))
    (tmp_path / "python-again.xml").write_text(suite(late=""))
    code, lines = summary(tmp_path)
    assert code == 0 and lines[-1] == "2 passed, 0 failed, 0 skipped"


def test_a_run_without_tests_fails(tmp_path: Path) -> None:
    assert summary(tmp_path) == (1, ["0 passed, 0 failed, 0 skipped"])

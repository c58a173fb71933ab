"""Programs that tests start in processes of their own."""

from __future__ import annotations

import subprocess


def finish(program: subprocess.Popen[str], timeout_s: float = 60, where: str = "") -> str:
    """What a program printed, when it has ended well."""
    try:
        output, errors = program.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        program.kill()
        output, errors = program.communicate()
        raise AssertionError(f"the program{where} still ran after {timeout_s} s:\n{output}{errors}") from None
    assert program.returncode == 0, f"{output}{errors}"
    return output.strip()

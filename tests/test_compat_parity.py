"""The programs of tests/parity show under Trygon what they showed under Ray, but for the differences on record."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("parity", ROOT / "scripts" / "parity.py")
parity = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(parity)
surface = parity.surface


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", [name for name in parity.names() if parity.absence(name) is None])
def test_program(name):
    problems = parity.unexpected(name, parity.under_trygon(name))
    assert not problems, "\n".join(problems)


def test_the_page_is_up_to_date():
    assert parity.PAGE.read_text(encoding="utf-8") == parity.page(), "run scripts/parity.py"


def test_every_case_is_in_the_table():
    import json

    known = {
        f"{name}.{case}"
        for name in parity.names()
        for case in json.loads((parity.OBSERVED / f"{name}.json").read_text(encoding="utf-8"))
    }
    listed = {case for rows in surface.SECTIONS.values() for _, cases in rows for case in cases.split() if "." in case}
    listed = {case for case in listed if not case.startswith("tests/")}
    noted = {case for case in (*surface.DIFFERS, *surface.ABSENT) if "." in case}
    assert not listed - known, f"no such cases: {sorted(listed - known)}"
    assert not noted - known, f"no such cases: {sorted(noted - known)}"

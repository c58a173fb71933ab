"""Adds up the JUnit reports of one test run and ends with one plain line: `N passed, N failed, N skipped`.

A report `NAME-again.xml` holds what failed in `NAME.xml` and was run once more: what passes then has passed, and is
named.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

AGAIN = "-again"


def results(report: Path) -> dict[tuple[str, str], str]:
    """What became of each test of one report. A test whose clearing up failed stands there twice: it has failed."""
    found: dict[tuple[str, str], str] = {}
    for number, case in enumerate(ElementTree.parse(report).iter("testcase")):
        name = case.get("classname", ""), case.get("name", str(number))
        if case.find("failure") is not None or case.find("error") is not None:
            found[name] = "failed"
        elif case.find("skipped") is not None:
            found.setdefault(name, "skipped")
        else:
            found.setdefault(name, "passed")
    return found


def combined(report: Path) -> tuple[dict[tuple[str, str], str], list[str]]:
    """A report's results with those of the second try, and the tests that passed only then."""
    found = results(report)
    again = report.with_name(f"{report.stem}{AGAIN}.xml")
    second = results(again) if again.exists() else {}
    late = [f"{place}::{name}" for (place, name), what in second.items() if what == "passed"]
    return {**found, **second}, sorted(late)


def main() -> None:
    """Prints a line for each report and the sum."""
    total: Counter[str] = Counter()
    for report in sorted(Path(sys.argv[1]).glob("*.xml")):
        if report.stem.endswith(AGAIN):
            continue
        found, late = combined(report)
        count = Counter(found.values())
        print(f"{report.stem}: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
        for name in late:
            print(f"  passed at the second try only: {name}")
        total += count
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    sys.exit(1 if total["failed"] or not total["passed"] else 0)


if __name__ == "__main__":
    main()

"""Adds up the JUnit reports of one test run and ends with one plain line: `N passed, N failed`."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def counts(report: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests of one report."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main() -> None:
    """Prints a line for each report and the sum."""
    total = [0, 0, 0]
    for report in sorted(Path(sys.argv[1]).glob("*.xml")):
        found = counts(report)
        print(f"{report.stem}: {found[0]} passed, {found[1]} failed, {found[2]} skipped")
        total = [left + right for left, right in zip(total, found, strict=True)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    sys.exit(1 if total[1] or not total[0] else 0)


if __name__ == "__main__":
    main()

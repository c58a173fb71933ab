"""Work goes on while processes, machines and links fail: nothing lost, nothing wrong, nothing hung.

`make chaos` is the same for long.
"""

from __future__ import annotations

import pytest
from chaos.run import chaos, verdict
from network import fabric

pytestmark = pytest.mark.skipif(bool(fabric.why_not()), reason=fabric.why_not() or "-")


@pytest.mark.timeout(240)
def test_a_short_run_with_every_kind_of_failure() -> None:
    report = chaos(seed=7, tasks=8_000, bytes_=1e8, seconds=20, pause_s=1.0)
    assert verdict(report) == "", report
    assert report["tasks"]["done"] == 8_000
    assert sum(report["broken"].values()) >= 5, report["broken"]

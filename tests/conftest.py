"""Fixtures of the end-to-end tests, and the leak check that runs after each of them."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_PACKAGE = Path(__file__).resolve().parent.parent / "python"
if str(_PACKAGE) not in sys.path and not os.environ.get("TRYGON_TEST_INSTALLED"):
    sys.path.insert(0, str(_PACKAGE))

# A node that somebody started here is none of the tests' business; those about nodes name folders of their own.
os.environ.pop("TRYGON_ADDRESS", None)
os.environ.pop("RAY_ADDRESS", None)
os.environ["TRYGON_TMPDIR"] = tempfile.mkdtemp(prefix="no-nodes-")
atexit.register(shutil.rmtree, os.environ["TRYGON_TMPDIR"], ignore_errors=True)

import elsewhere  # noqa: E402
import leaks  # noqa: E402
import trygon  # noqa: E402

if elsewhere.is_wanted():
    elsewhere.install()

# A run that was started in the background of a script inherits an ignored SIGINT; then neither this process nor the
# programs that the tests start would ever see their Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str:
    return f"trygon {trygon.__version__} on Python {sys.version.split()[0]} ({sys.executable})"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a cluster: tests that mean the driver's own node are skipped."""
    if elsewhere.is_wanted():
        for item in items:
            why = elsewhere.why_skipped(item.nodeid)
            if why is not None:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test everything is as before: processes, descriptors, shared memory, files."""
    if "unit" in str(request.path):
        yield
        return
    gc.collect()
    before = leaks.snapshot()
    yield
    trygon.shutdown()
    left = leaks.wait_until_clean(before, limit_s=3.0)
    assert not left, f"left behind: {left}"
    remains = elsewhere.check()
    assert not remains, f"left behind on the nodes: {remains}"


@pytest.fixture
def engine() -> Iterator[object]:
    """An engine with four logical CPUs."""
    with trygon.init(num_cpus=4, resources={"widget": 2}) as context:
        yield context


@pytest.fixture
def one_cpu() -> Iterator[object]:
    """An engine with one logical CPU."""
    with trygon.init(num_cpus=1) as context:
        yield context


@pytest.fixture
def empty_table(engine: object) -> Iterator[None]:
    """Asserts that no object and no task is left in the driver's table when the test is over."""
    yield
    gc.collect()
    deadline = time.monotonic() + 3
    while (stats := leaks.live_objects()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not stats, stats

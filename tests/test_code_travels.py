"""Code on other machines: working directories, modules, packages and functions reach a node that has none of the
driver's files.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from apart import HEADER, Apart, finish, why_not
from wheels import write_wheel

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


@pytest.fixture
def apart() -> Iterator[Apart]:
    with Apart() as apart:
        yield apart


LOOK = """
@trygon.remote
def look():
    import helper
    return helper.VALUE, open("data.txt").read(), os.getcwd(), os.path.exists(os.environ["SOURCES"])
"""


@pytest.mark.parametrize("driver", ["a", "b"])
def test_a_working_directory_is_on_every_node(apart: Apart, driver: str) -> None:
    # On b the folder of sources is there too, but it is another one.
    body = (
        f"os.makedirs({str(apart.sources)!r} + '/tree', exist_ok=True)\nos.chdir({str(apart.sources)!r} + '/tree')\n"
        "open('helper.py', 'w').write('VALUE = 7')\nopen('data.txt', 'w').write('salt')\n"
        "trygon.init(runtime_env={'working_dir': '.', 'env_vars': {'SOURCES': os.getcwd()}})\n"
        + LOOK
        + "for where in (A, B):\n    print(trygon.get(look.options(**where).remote(), timeout=30))\n"
    )
    script = apart.shared / "main.py"
    script.write_text(HEADER + body)
    found = [eval(line) for line in apart.run(script, on=driver).splitlines()]
    assert [one[:2] for one in found] == [(7, "salt"), (7, "salt")]
    assert [one[2].startswith(str(apart.folder / node)) for one, node in zip(found, "ab", strict=True)] == [True, True]
    assert [one[3] for one in found] == [driver == "a", driver == "b"]
    assert apart.jobs_on_b() == []

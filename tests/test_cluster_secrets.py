"""Tasks run user code: whatever they look through, they find neither the cluster's key nor its authority's."""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cluster_start import Node

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide files from its own processes")

# Looks through what the process was given and every file of the sessions, for texts that are named backwards: so they
# are not in what it was given by this. The last text is one that can be found.
SEARCH = """
@trygon.remote
def search(folder, backwards):
    files = [os.path.join(path, name) for path, _, names in os.walk(folder) for name in names]
    places = [path for path in files if os.path.isfile(path)] + ["/proc/self/environ", "/proc/self/cmdline"]
    found = [set() for _ in backwards]
    for place in places:
        with open(place, "rb") as file:
            data = file.read()
        for number, text in enumerate(backwards):
            if text[::-1] in data:
                found[number].add(os.path.basename(place))
    return [sorted(names) for names in found]
"""


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Path]]:
    with tempfile.TemporaryDirectory(prefix="n-", ignore_cleanup_errors=True) as path:
        node = Node(Path(path))
        started = node.command("start", "--head", "--num-cpus=1", "--node-ip-address=127.0.0.1", "--port=6394")
        assert started.returncode == 0, started.stderr
        key = next(Path(path).rglob("cluster.key"))
        member = f"--temp-dir={path}/member"
        joined = node.command(
            "start", "--address=127.0.0.1:6394", f"--token-file={key}", "--node-ip-address=127.0.0.1", member,
            '--resources={"far": 1}', "--num-cpus=1",
        )  # fmt: skip
        assert joined.returncode == 0, joined.stderr
        try:
            yield node, key
        finally:
            node.command("stop", "--all")


def test_a_task_finds_no_secret(nodes: tuple[Node, Path]) -> None:
    node, key = nodes
    secrets = [key.read_bytes().strip(), key.with_name("authority.key").read_bytes()[36:64]]
    assert all(len(secret) > 20 for secret in secrets)
    backwards = [secret[::-1] for secret in [*secrets, b"127.0.0.1:6394"]]
    output = node.run(
        SEARCH
        + f"""
trygon.init(address="127.0.0.1:6394", log_to_driver=False)
for resources in ({{}}, {{"far": 1}}):
    print(trygon.get(search.options(resources=resources).remote({node.environment["TRYGON_TMPDIR"]!r}, {backwards!r})))
"""
    )
    for line in output.splitlines():
        found = ast.literal_eval(line)
        assert found[:2] == [[], []] and "address" in found[2], found
    assert len(output.splitlines()) == 2

"""Certificates are renewed while everything goes on: nodes, the control service, drivers and workers whose first ones
ended long ago still connect with one another.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cluster_start import Node

LIFETIME_S = 6
WAIT_S = 3 * LIFETIME_S

# Everything that connects anew after the first certificates ended: driver and workers of the other node, stores for
# an object, and both nodes with a head that was started again.
PROGRAM = f"""
import numpy, signal
trygon.init(address=ADDRESS, log_to_driver=False)

@trygon.remote(resources={{"far": 0.1}}, num_cpus=0)
class Far:
    def numbers(self, count):
        return numpy.arange(count)

old = Far.remote()
assert trygon.get(old.numbers.remote(3)).tolist() == [0, 1, 2]
time.sleep({WAIT_S})
print(len(trygon.get(old.numbers.remote(1_000_000), timeout=20)))
new = Far.remote()
print(len(trygon.get(new.numbers.remote(2_000_000), timeout=20)))
os.kill(CONTROL, signal.SIGKILL)
time.sleep(1)
newer = Far.remote()
print(len(trygon.get(newer.numbers.remote(3_000_000), timeout=20)))
print(sum(node["Alive"] for node in trygon.nodes()))
"""


@pytest.fixture
def node() -> Iterator[Node]:
    with tempfile.TemporaryDirectory(prefix="n-", ignore_cleanup_errors=True) as path:
        node = Node(Path(path))
        lifetime = f"--certificate-lifetime={LIFETIME_S}"
        started = node.command("start", "--head", "--num-cpus=1", "--node-ip-address=127.0.0.1", "--port=0", lifetime)
        assert started.returncode == 0, started.stderr
        session = next(Path(path).rglob("cluster.key")).parent.parent
        node.address = (session / "address").read_text().strip()
        joined = node.command(
            "start", f"--address={node.address}", f"--token-file={session}/security/cluster.key", "--num-cpus=1",
            "--node-ip-address=127.0.0.1", f"--temp-dir={path}/member", '--resources={"far": 1}',
        )  # fmt: skip
        assert joined.returncode == 0, joined.stderr
        try:
            yield node
        finally:
            node.command("stop", "--all")


@pytest.mark.timeout(90)
def test_certificates_are_renewed(node: Node) -> None:
    control = int(node.status()["session"]["control_pid"])  # type: ignore[index,call-overload]
    body = f"ADDRESS = {node.address!r}\nCONTROL = {control}\n" + PROGRAM
    assert node.run(body).split() == ["1000000", "2000000", "3000000", "2"]

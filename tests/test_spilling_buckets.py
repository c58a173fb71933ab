"""Objects go into a bucket of S3 when memory is full, and come back. The server is a real one."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import buckets
import pytest
import spills
import trygon
from trygon.cluster_utils import Cluster
from trygon.exceptions import ObjectLostError, OutOfDiskError

numpy = pytest.importorskip("numpy")
MB = 1_000_000


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[buckets.Server]:
    with buckets.server(tmp_path / "data", monkeypatch) as running:
        yield running
        trygon.shutdown()


def await_true(what: Callable[[], bool], limit_s: float = 5.0) -> None:
    deadline = time.monotonic() + limit_s
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert what()


def test_ten_times_the_store_comes_back_in_any_order(server: buckets.Server) -> None:
    spills.start(server.address)
    assert len(server.keys("alive")) == 1
    refs = [trygon.put(spills.value(number, 5 * MB)) for number in range(190)]
    state = spills.store()
    assert state["spilled_bytes"] > 800 * MB and state["used_bytes"] <= spills.STORE_BYTES
    assert sum(path.stat().st_size for path in server.keys()) == state["spill_file_bytes"]
    order = list(range(len(refs)))
    random.Random(7).shuffle(order)
    for number in order:
        assert (trygon.get(refs[number]) == spills.value(number, 5 * MB)).all(), number
    assert spills.store()["restored_objects_total"] > 150
    # Freed, they leave nothing.
    del refs
    gc.collect()
    await_true(lambda: not server.keys())
    assert spills.store()["spill_file_bytes"] == 0 == spills.store()["spilled_objects"]
    trygon.shutdown()
    assert not server.keys("*")


def test_large_objects_go_in_parts(server: buckets.Server) -> None:
    spills.start(server.address, min_spilling_size=1)
    sizes = [40 * MB, 8 << 20, (8 << 20) + 1, 25 * MB, 16 << 20, 33 * MB]
    refs = [trygon.put(spills.value(number, size)) for number, size in enumerate(sizes)]
    assert spills.store()["spilled_objects"] >= 2
    for _ in range(2):
        for number, size in enumerate(sizes):
            assert (trygon.get(refs[number]) == spills.value(number, size)).all()
    assert {path.stat().st_size > (8 << 20) for path in server.keys()} == {True, False} or len(server.keys()) > 3


def test_many_small_objects_share_few_keys(server: buckets.Server) -> None:
    spills.start(server.address)
    refs = [trygon.put(spills.value(number, 150_000)) for number in range(1_500)]
    state = spills.store()
    assert state["spilled_objects"] > 700 and len(server.keys()) <= state["spilled_objects"] / 25
    for number in random.Random(3).sample(range(1_500), 200):
        assert (trygon.get(refs[number]) == spills.value(number, 150_000)).all()
    # What is mostly waste is written anew, and keys of which nothing is needed go.
    for number in range(1_500):
        if number % 10:
            refs[number] = None
    gc.collect()

    def is_lean() -> bool:
        state = spills.store()
        return bool(state["spill_file_bytes"] <= 2 * state["spilled_bytes"] + 12 * MB)

    await_true(is_lean, 10)
    for number in range(0, 1_500, 50):
        assert (trygon.get(refs[number]) == spills.value(number, 150_000)).all()


def test_folders_and_buckets_take_turns(server: buckets.Server, tmp_path: Path) -> None:
    spills.start([str(tmp_path / "folder"), server.address, f"file://{tmp_path}/other"])
    refs = [trygon.put(spills.value(number, 5 * MB)) for number in range(80)]
    counts = [len(server.keys()), *(len(spills.files(tmp_path / name)) for name in ("folder", "other"))]
    assert min(counts) >= 3 and max(counts) - min(counts) <= 2, counts
    assert all((trygon.get(refs[number]) == spills.value(number, 5 * MB)).all() for number in range(0, 80, 7))


def fill(count: int = 30) -> list[trygon.ObjectRef]:
    refs = [trygon.put(spills.value(number, 5 * MB)) for number in range(count)]
    for number, ref in enumerate(refs):
        assert (trygon.get(ref) == spills.value(number, 5 * MB)).all()
    return refs


def test_rays_setting_and_the_environment_name_it(server: buckets.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = {"type": "smart_open", "params": {"uri": f"s3://{buckets.BUCKET}/by-setting", "buffer_size": 1_000_000}}
    spills.start(object_spilling_config=json.dumps(setting))
    kept = fill()
    assert server.keys() and all("by-setting" in str(key) for key in server.keys())
    del kept
    trygon.shutdown()
    monkeypatch.setenv("TRYGON_OBJECT_SPILLING_DIRECTORY", f"s3://{buckets.BUCKET}/by-environment")
    spills.start()
    kept = fill()
    assert server.keys() and all("by-environment" in str(key) for key in server.keys())
    assert len(kept) == 30


def test_the_guide_runs_with_a_bucket(server: buckets.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import test_docs

    monkeypatch.setenv("OBJECTS_GO_TO", server.address)
    program = test_docs.program(test_docs.ROOT / "docs" / "objects.md")
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert server.address in done.stderr and not server.keys("*")


def test_the_quota_is_kept(server: buckets.Server) -> None:
    spills.start(server.address, object_spilling_quota=60 * MB)
    refs: list[trygon.ObjectRef] = []
    with pytest.raises(OutOfDiskError, match="a quota of 60.0 MB") as caught:
        while len(refs) < 60:
            refs.append(trygon.put(spills.value(len(refs), 5 * MB)))
    assert server.address in str(caught.value)
    assert sum(path.stat().st_size for path in server.keys()) <= 60 * MB and len(refs) >= 25


def test_results_that_are_gone_are_made_again_and_others_are_lost(server: buckets.Server) -> None:
    spills.start(server.address)

    @trygon.remote
    def make(number: int) -> numpy.ndarray:
        return numpy.random.default_rng(number).integers(0, 255, 5_000_000, dtype=numpy.uint8)

    made = [make.remote(number) for number in range(20)]
    trygon.wait(made, num_returns=20)
    put = [trygon.put(spills.value(number, 5 * MB)) for number in range(20)]
    for key in server.keys():
        key.unlink()
    for number, ref in enumerate(made):
        assert (trygon.get(ref) == spills.value(number, 5 * MB)).all()
    lost = 0
    for number, ref in enumerate(put):
        try:
            assert (trygon.get(ref) == spills.value(number, 5 * MB)).all()
        except ObjectLostError as error:
            assert "NoSuchKey" in str(error) and server.address in str(error)
            lost += 1
    assert 0 < lost < 20


_LEFT = """
import sys
sys.path.insert(0, {tests!r})
import spills, trygon, time
spills.start({address!r})
refs = [trygon.put(spills.value(number, 5_000_000)) for number in range(30)]
print("full", flush=True)
time.sleep(600)
"""


def daemon_below(pid: int) -> int:
    import leaks

    return next(int(child) for child, name in leaks.below(pid) if name == "trygon")


def test_what_killed_daemons_left_is_removed_and_nothing_else(server: buckets.Server) -> None:
    program = _LEFT.format(tests=str(Path(__file__).parent), address=server.address)
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for process in started:
            assert process.stdout is not None and process.stdout.readline()
        victim, neighbour = started
        sessions = {key.parent for key in server.keys()}
        assert len(sessions) == 2
        daemon = daemon_below(victim.pid)
        os.kill(daemon, signal.SIGKILL)
        victim.kill()
        victim.wait()
        spills.start(server.address)
        await_true(lambda: len({key.parent for key in server.keys()}) == 1, 10)
        left = server.keys()
        assert left and {key.parent for key in left} < sessions
        neighbour.send_signal(signal.SIGINT)
        neighbour.wait(10)
        await_true(lambda: not server.keys(), 10)
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def test_sessions_of_other_machines_count_as_over_after_a_day(server: buckets.Server) -> None:
    now = time.time()
    for name, age_h in (("old", 25), ("young", 23)):
        folder = server.folder / "below" / f"trygon-spill-{name}"
        folder.mkdir(parents=True)
        for file, text in (("alive", "trygon\nanother boot\nanother world\n1\n1\n"), ("1.objects", "bytes")):
            (folder / file).write_text(text)
            os.utime(folder / file, (now - age_h * 3600, now - age_h * 3600))
    other = server.folder / "below" / "of-somebody-else"
    other.write_text("kept")
    spills.start(server.address)
    await_true(lambda: not any("trygon-spill-old" in str(key) for key in server.keys("*")))
    assert len([key for key in server.keys("*") if "trygon-spill-young" in str(key)]) == 2
    trygon.shutdown()
    assert other.exists() and len(server.keys("*")) == 2


def test_another_node_reads_what_is_in_a_bucket(server: buckets.Server) -> None:
    cluster = Cluster()
    options = {"object_store_memory": spills.STORE_BYTES, "object_spilling_directory": server.address}
    try:
        cluster.add_node(num_cpus=1, **options)
        cluster.add_node(num_cpus=1, resources={"there": 1}, **options)
        trygon.init(address=cluster.address)
        assert len(server.keys("alive")) == 2

        @trygon.remote(resources={"there": 1})
        class Keeper:
            def keep(self) -> list[trygon.ObjectRef]:
                self.refs = [trygon.put(numpy.full(5_000_000, number, dtype=numpy.uint8)) for number in range(30)]
                return self.refs

        keeper = Keeper.remote()
        refs = trygon.get(keeper.keep.remote(), timeout=60)
        assert server.keys()
        for number in range(30):
            assert (trygon.get(refs[number]) == number).all()
        there = trygon.experimental.get_object_locations(refs[:1])[refs[0]]
        assert len(there["node_ids"]) in (1, 2) and there["object_size"] >= 5_000_000
        names = {node["NodeID"] for node in trygon.nodes()}
        assert set(there["node_ids"]) <= names
        del refs, keeper
    finally:
        trygon.shutdown()
        cluster.shutdown()
    assert not server.keys("*")


def test_a_list_comes_back_side_by_side(server: buckets.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    way = buckets.Way(server.port)
    buckets.environment(monkeypatch, way.port)
    try:
        spills.start(server.address)
        refs = [trygon.put(spills.value(number, 4 * MB)) for number in range(40)]
        spilled = trygon.experimental.get_object_locations(refs)
        wanted = [number for number, ref in enumerate(refs) if spilled[ref]["did_spill"]][:8]
        assert len(wanted) == 8
        way.mode, way.late_s = "late", 0.02
        began = time.monotonic()
        assert (trygon.get(refs[wanted[0]]) == spills.value(wanted[0], 4 * MB)).all()
        alone_s = time.monotonic() - began
        began = time.monotonic()
        values = trygon.get([refs[number] for number in wanted[1:]])
        together_s = time.monotonic() - began
        assert all(
            (value == spills.value(number, 4 * MB)).all() for value, number in zip(values, wanted[1:], strict=True)
        )
        assert alone_s > 0.3 and together_s < 4 * alone_s, (alone_s, together_s)
        way.mode = "pass"
        del values
    finally:
        trygon.shutdown()
        way.close()

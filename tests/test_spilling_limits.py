"""The disk full, spilling off, files left by a killed daemon, other nodes, and what is not allowed."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spills
import trygon
from trygon.cluster_utils import Cluster
from trygon.exceptions import ObjectStoreFullError, OutOfDiskError

numpy = pytest.importorskip("numpy")
MB = 1_000_000


def fill_until_error(most: int) -> tuple[list[trygon.ObjectRef], Exception, float]:
    """References, the error that ended it, and how long its call took."""
    refs = []
    for number in range(most):
        array = spills.value(number, 5 * MB)
        began = time.monotonic()
        try:
            refs.append(trygon.put(array))
        except (OutOfDiskError, ObjectStoreFullError) as error:
            # Its traceback would keep the references.
            return refs, error.with_traceback(None), time.monotonic() - began
    raise AssertionError("it was never full")


def test_a_full_disk_is_an_error_within_seconds_and_the_program_goes_on(tmp_path: Path) -> None:
    with spills.small_disk(tmp_path / "disk", 50) as disk:
        spills.start(disk)
        refs, error, took_s = fill_until_error(60)
        assert isinstance(error, OutOfDiskError) and took_s < 5
        text = str(error)
        assert str(disk) in text and "free of" in text and "no quota" in text and "5.0 MB" in text, text
        assert 20 <= len(refs) <= 30
        # What was in memory and in files is all there.
        for number, ref in enumerate(refs):
            assert (trygon.get(ref) == spills.value(number, 5 * MB)).all()
        del refs[4:], ref
        gc.collect()
        more = [trygon.put(spills.value(100 + number, 5 * MB)) for number in range(12)]
        assert all((trygon.get(ref) == spills.value(100 + number, 5 * MB)).all() for number, ref in enumerate(more))
        trygon.shutdown()


def test_another_directory_takes_over_from_a_full_one(tmp_path: Path) -> None:
    with spills.small_disk(tmp_path / "disk", 30) as disk:
        spills.start([str(disk), str(tmp_path / "other")])
        refs = [trygon.put(spills.value(number, 5 * MB)) for number in range(60)]
        assert len(spills.files(tmp_path / "other")) > len(spills.files(disk)) > 0
        assert all((trygon.get(ref) == spills.value(number, 5 * MB)).all() for number, ref in enumerate(refs))
        trygon.shutdown()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spills.start(tmp_path / "file" / "below")
    _, error, took_s = fill_until_error(30)
    assert isinstance(error, OutOfDiskError) and took_s < 5
    assert str(tmp_path / "file" / "below") in str(error) and "Not a directory" in str(error)


def test_the_quota_is_kept(tmp_path: Path) -> None:
    spills.start(tmp_path, object_spilling_quota=60 * MB)
    refs, error, took_s = fill_until_error(60)
    assert isinstance(error, OutOfDiskError) and took_s < 5 and "a quota of 60.0 MB" in str(error)
    assert sum(path.stat().st_size for path in spills.files(tmp_path)) <= 60 * MB
    assert len(refs) >= 25


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path) -> None:
    with spills.small_disk(tmp_path / "disk", 100) as disk:
        spills.start(disk, local_fs_capacity_threshold=0.3)
        _, error, _ = fill_until_error(60)
        assert isinstance(error, OutOfDiskError) and "30 % of the disk" in str(error)
        assert sum(path.stat().st_size for path in spills.files(disk)) <= 30 * (1 << 20)
        trygon.shutdown()


def test_off_means_that_nothing_is_written(tmp_path: Path) -> None:
    context = spills.start(tmp_path, automatic_object_spilling_enabled=False)
    before = spills.written_bytes(context["daemon_pid"]) if "daemon_pid" in context else None
    refs, error, took_s = fill_until_error(30)
    assert isinstance(error, ObjectStoreFullError) and not isinstance(error, OutOfDiskError)
    assert 9 < took_s < 20 and "writing objects to disk is off" in str(error)
    assert list(tmp_path.iterdir()) == []
    if before is not None:
        assert spills.written_bytes(context["daemon_pid"]) - before < MB
    del refs
    gc.collect()
    assert trygon.get(trygon.put(numpy.ones(10 * MB, dtype=numpy.uint8))).sum() == 10 * MB


def test_what_everybody_looks_at_fills_the_store(tmp_path: Path) -> None:
    spills.start(tmp_path)
    views = [trygon.get(trygon.put(spills.value(number, 5 * MB))) for number in range(14)]
    with pytest.raises(ObjectStoreFullError, match="views that programs hold"):
        trygon.put(numpy.zeros(40 * MB, dtype=numpy.uint8))
    assert all(int(view.sum()) == int(spills.value(number, 5 * MB).sum()) for number, view in enumerate(views))


def test_an_object_larger_than_the_store_is_refused_at_once(tmp_path: Path) -> None:
    spills.start(tmp_path)
    began = time.monotonic()
    with pytest.raises(ObjectStoreFullError, match=r"larger than the whole object store \(96.0 MB\)"):
        trygon.put(numpy.zeros(120 * MB, dtype=numpy.uint8))
    assert time.monotonic() - began < 2


KILLED = """
import sys, time, numpy, trygon
trygon.init(num_cpus=1, object_store_memory=96_000_000, object_spilling_directory=sys.argv[1],
            _system_config={"local_fs_capacity_threshold": 1.0})
refs = [trygon.put(numpy.full(5_000_000, i % 256, dtype=numpy.uint8)) for i in range(40)]
print(trygon.get_runtime_context().get_node_id(), flush=True)
time.sleep(60)
"""


def test_files_of_a_killed_daemon_go_with_the_next_one(tmp_path: Path) -> None:
    import leaks

    program = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=spills.environment(),
        start_new_session=True,
    )
    try:
        assert program.stdout is not None and program.stdout.readline()
        daemons = [int(pid) for pid, name in leaks.below(program.pid, zombies=False) if name == "trygon"]
        assert len(daemons) == 1 and spills.files(tmp_path)
        # A daemon that lives keeps its files from others.
        spills.start(tmp_path)
        time.sleep(0.3)
        assert spills.files(tmp_path)
        trygon.shutdown()
        assert spills.files(tmp_path)
        os.kill(daemons[0], signal.SIGKILL)
        program.kill()
        program.wait()
    finally:
        program.kill()
        program.wait()
        assert program.stdout is not None
        program.stdout.close()
    assert spills.files(tmp_path)
    spills.start(tmp_path)
    deadline = time.monotonic() + 5
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_stopped_holds_nobody_up(tmp_path: Path) -> None:
    spills.start(tmp_path)

    @trygon.remote
    class Reader:
        def read(self, array):
            return os.getpid(), int(array[0])

    reader = Reader.remote()
    first = [trygon.put(spills.value(number, 5 * MB)) for number in range(6)]
    pid = [trygon.get(reader.read.remote(ref))[0] for ref in first][0]
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        others = [trygon.put(spills.value(100 + number, 5 * MB)) for number in range(40)]
        assert time.monotonic() - began < 20 and len(others) == 40
    finally:
        os.kill(pid, signal.SIGCONT)
    assert all((trygon.get(ref) == spills.value(number, 5 * MB)).all() for number, ref in enumerate(first))


def test_another_node_gets_what_is_in_files(tmp_path: Path) -> None:
    cluster = Cluster(
        initialize_head=True,
        connect=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": 96 * MB,
            "object_spilling_directory": str(tmp_path / "head"),
            "_system_config": spills.SETTINGS,
        },
    )
    try:
        cluster.add_node(
            num_cpus=2,
            resources={"there": 2},
            object_store_memory=96 * MB,
            object_spilling_directory=str(tmp_path / "member"),
            _system_config=spills.SETTINGS,
        )
        cluster.wait_for_nodes()

        @trygon.remote(num_cpus=1, resources={"there": 1})
        def total(array):
            return int(array.sum())

        @trygon.remote(num_cpus=1, resources={"there": 1})
        def make(number):
            return numpy.random.default_rng(number).integers(0, 255, 5_000_000, dtype=numpy.uint8)

        refs = [trygon.put(spills.value(number, 5 * MB)) for number in range(50)]
        assert spills.store()["spilled_objects"] > 25
        expected = [int(spills.value(number, 5 * MB).sum()) for number in range(50)]
        assert trygon.get([total.remote(ref) for ref in refs], timeout=80) == expected
        made = [make.remote(number) for number in range(50)]
        trygon.wait(made, num_returns=50, timeout=60, fetch_local=False)
        assert spills.files(tmp_path / "member")
        # More than this node's memory: copies that nobody looks at make room for others.
        assert [int(trygon.get(ref).sum()) for ref in made] == expected
    finally:
        trygon.shutdown()
        cluster.shutdown()
    assert not spills.files(tmp_path / "head") and not spills.files(tmp_path / "member")


@pytest.mark.parametrize(
    ("arguments", "kind", "named"),
    [
        ({"object_spilling_directory": 3}, TypeError, "object_spilling_directory"),
        ({"object_spilling_directory": ""}, ValueError, "object_spilling_directory"),
        ({"object_spilling_directory": "gs://bucket/here"}, ValueError, "folder of this machine"),
        ({"_system_config": {"object_spilling_threshold": 2}}, ValueError, "at most 1"),
        ({"_system_config": {"min_spilling_size": 0}}, ValueError, "min_spilling_size"),
        ({"_system_config": {"max_fused_object_count": "5"}}, TypeError, "max_fused_object_count"),
        ({"_system_config": {"automatic_object_spilling_enabled": 1}}, TypeError, "True or False"),
        ({"_system_config": {"object_spilling_config": "{"}}, ValueError, "directory_path"),
        ({"_system_config": {"object_spilling_config": {"type": "tape"}}}, ValueError, "tape"),
        ({"_system_config": 5}, TypeError, "_system_config"),
    ],
)
def test_what_is_not_allowed_is_refused_by_init(arguments: dict, kind: type, named: str) -> None:
    with pytest.raises(kind, match=named):
        trygon.init(**arguments)
    assert not trygon.is_initialized()


def test_rays_configuration_counts(tmp_path: Path) -> None:
    config = '{"type": "filesystem", "params": {"directory_path": ["%s"]}}' % (tmp_path / "rays")
    trygon.init(
        num_cpus=1,
        object_store_memory=96 * MB,
        _system_config={**spills.SETTINGS, "object_spilling_config": config, "max_fused_object_count": 1},
    )
    refs = [trygon.put(spills.value(number, 2 * MB)) for number in range(80)]
    assert len(spills.files(tmp_path / "rays")) >= 30 and len(refs) == 80

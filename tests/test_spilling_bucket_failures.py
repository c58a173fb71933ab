"""A bucket that is not there, not allowed, dead, frozen, full, slow or cut off: an error says so, nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import buckets
import ports
import pytest
import spills
import trygon
from trygon.exceptions import GetTimeoutError, ObjectLostError, OutOfDiskError

numpy = pytest.importorskip("numpy")
MB = 1_000_000


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[buckets.Server]:
    with buckets.server(tmp_path / "data", monkeypatch) as running:
        yield running
        running.thaw() if running._process is not None else None
        trygon.shutdown()


@pytest.fixture
def way(server: buckets.Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[buckets.Way]:
    between = buckets.Way(server.port)
    buckets.environment(monkeypatch, between.port)
    yield between
    between.mode = "pass"
    trygon.shutdown()
    between.close()


def refused(address: str) -> str:
    """Why a start was refused, within 5 s."""
    began = time.monotonic()
    with pytest.raises(Exception) as caught:
        spills.start(address)
    assert time.monotonic() - began < 5.5
    text = str(caught.value)
    assert f"objects cannot be written to {address}" in text and buckets.SECRET not in text, text
    return text


def test_a_bucket_that_is_not_there(server: buckets.Server) -> None:
    assert "NoSuchBucket" in refused("s3://not-there/below")


def test_wrong_and_missing_keys(server: buckets.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    text = refused(server.address)
    assert "SignatureDoesNotMatch" in text and "another-secret" not in text
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "secret" in refused(server.address).lower()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    # Nobody answers where a machine of Amazon's would be told its keys.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{ports.free_port()}")
    assert "AWS_ACCESS_KEY_ID" in refused(server.address)


def test_a_server_that_does_not_answer(server: buckets.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.freeze()
    assert "nothing moved" in refused(server.address) or "no answer" in refused(server.address)
    server.thaw()
    server.kill()
    assert "Connection refused" in refused(server.address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:1")
    refused(server.address)


@pytest.mark.parametrize(
    "wrong", ["gs://bucket/here", "s3://", "s3://bad bucket/here", "s3://bucket/../up", "s3://key:password@bucket/here"]
)
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises((ValueError, trygon.exceptions.RaySystemError)) as caught:
        spills.start(wrong)
    assert "password" not in str(caught.value) and "s3://" in str(caught.value)


def put_until_error(refs: list[trygon.ObjectRef], most: int = 60) -> tuple[str, float]:
    """Puts numbered values; the text of the error that ended it, and how long its call took."""
    while len(refs) < most:
        array = spills.value(len(refs), 5 * MB)
        began = time.monotonic()
        try:
            refs.append(trygon.put(array))
        except OutOfDiskError as error:
            return str(error), time.monotonic() - began
    raise AssertionError("it was never full")


def put_again(refs: list[trygon.ObjectRef], most: int) -> None:
    """Puts more, as soon as that is possible again."""
    deadline = time.monotonic() + 10
    while len(refs) < most:
        try:
            refs.append(trygon.put(spills.value(len(refs), 5 * MB)))
        except OutOfDiskError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def check(refs: list[trygon.ObjectRef]) -> None:
    for number, ref in enumerate(refs):
        assert (trygon.get(ref, timeout=60) == spills.value(number, 5 * MB)).all(), number


def test_a_server_that_dies_and_comes_back_loses_nothing(server: buckets.Server) -> None:
    spills.start(server.address)
    refs: list[trygon.ObjectRef] = []
    put_again(refs, 25)
    server.kill()
    text, took_s = put_until_error(refs)
    assert took_s < 5.5 and "Connection refused" in text and server.address in text and buckets.SECRET not in text
    server.start()
    put_again(refs, 50)
    check(refs)


def test_a_server_that_is_frozen_loses_nothing(server: buckets.Server) -> None:
    spills.start(server.address)
    refs: list[trygon.ObjectRef] = []
    put_again(refs, 25)
    server.freeze()
    text, took_s = put_until_error(refs)
    assert took_s < 6 and ("nothing moved" in text or "no answer" in text), (took_s, text)
    # What is in the bucket is waited for, as long as the caller wants to.
    spilled = trygon.experimental.get_object_locations(refs)
    number = next(number for number, ref in enumerate(refs) if spilled[ref]["did_spill"])
    began = time.monotonic()
    with pytest.raises(GetTimeoutError, match="in a file"):
        trygon.get(refs[number], timeout=1.5)
    assert 1.4 < time.monotonic() - began < 3
    server.thaw()
    put_again(refs, 40)
    check(refs)


def test_a_server_without_room_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with spills.small_disk(tmp_path / "disk", 60) as disk, buckets.server(disk / "data", monkeypatch) as server:
        spills.start(server.address)
        refs: list[trygon.ObjectRef] = []
        text, took_s = put_until_error(refs)
        # What it says of itself is lost when it closes the connection at once.
        reasons = ("the server said", "the connection was lost")
        assert took_s < 6 and server.address in text and any(reason in text for reason in reasons)
        check(refs)
        assert len(refs) >= 18
        del refs[:]
        put_again(refs, 16)
        check(refs)
        trygon.shutdown()


def test_errors_of_a_server_are_borne_while_they_last(server: buckets.Server, way: buckets.Way) -> None:
    spills.start(server.address)
    refs: list[trygon.ObjectRef] = []
    put_again(refs, 25)
    way.mode = "errors"
    time.sleep(0.1)
    kick(way)
    text, took_s = put_until_error(refs)
    assert took_s < 6 and "503" in text and way.refused > 0, (took_s, text)
    way.mode = "pass"
    put_again(refs, 40)
    check(refs)


def kick(way: buckets.Way) -> None:
    """Ends the connections that there are, so that new ones see what goes wrong."""
    import socket

    for end in list(way._open):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


def test_uploads_that_are_cut_are_made_again(server: buckets.Server, way: buckets.Way) -> None:
    spills.start(server.address)
    way.cut_bytes, way.cuts_left, way.mode = 2 * MB, 12, "cut"
    refs: list[trygon.ObjectRef] = []
    put_again(refs, 60)
    assert way.cuts_left == 0
    way.mode = "pass"
    check(refs)
    sizes = sum(key.stat().st_size for key in server.keys())
    assert sizes >= spills.store()["spill_file_bytes"] > 0


def test_a_slow_server_slows_programs_down_and_no_more(server: buckets.Server, way: buckets.Way) -> None:
    spills.start(server.address)
    way.slow_bytes_s, way.mode = 10 * MB, "slow"
    refs = []
    began = time.monotonic()
    for number in range(30):
        refs.append(trygon.put(spills.value(number, 5 * MB)))
    assert time.monotonic() - began > 4
    way.mode = "pass"
    check(refs)


def eventually(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
    return what()


def test_what_a_dead_server_had_is_lost_with_that_reason_or_made_again(
    server: buckets.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYGON_OBJECT_RESTORE_PATIENCE_S", "3")
    spills.start(server.address)

    @trygon.remote
    def make(number: int) -> numpy.ndarray:
        return numpy.random.default_rng(number).integers(0, 255, 5_000_000, dtype=numpy.uint8)

    made = [make.remote(number) for number in range(4)]
    trygon.wait(made, num_returns=4)
    refs: list[trygon.ObjectRef] = []
    put_again(refs, 25)
    everything = [*made, *refs]
    spilled = trygon.experimental.get_object_locations(everything)
    assert eventually(lambda: spills.store()["spilled_objects"] > 10)
    in_bucket = [number for number, ref in enumerate(refs) if spilled[ref]["did_spill"]]
    server.kill()
    began = time.monotonic()
    with pytest.raises(ObjectLostError, match="Connection refused"):
        trygon.get(refs[in_bucket[0]])
    assert 2 < time.monotonic() - began < 12
    # Memory comes free, so that what is made again has a place.
    del refs[:], everything
    assert (trygon.get(made[0], timeout=60) == spills.value(0, 5 * MB)).all()


def test_a_daemon_ends_in_time_without_its_server(server: buckets.Server) -> None:
    spills.start(server.address)
    refs: list[trygon.ObjectRef] = []
    put_again(refs, 30)
    server.freeze()
    began = time.monotonic()
    trygon.shutdown()
    assert time.monotonic() - began < 9
    server.thaw()
    assert server.keys()
    # The next one removes what is left.
    spills.start(server.address)
    assert eventually(lambda: not server.keys())


def test_an_encrypted_way_is_used_if_its_certificate_is_trusted(
    server: buckets.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with buckets.encrypted(tmp_path, server.port) as (port, certificate):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{port}")
        assert "certificate" in refused(server.address)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        spills.start(server.address)
        refs: list[trygon.ObjectRef] = []
        put_again(refs, 30)
        assert server.keys()
        check(refs)
        trygon.shutdown()
        assert not server.keys("*")

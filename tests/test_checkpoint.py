"""Actors whose state survives `kill -9` of their process and of their node."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trygon
from trygon import _native
from trygon.actor import Checkpoint, CheckpointLostError, checkpoint
from trygon.cluster_utils import Cluster
from trygon.exceptions import ActorDiedError, ActorUnavailableError


class Plain:
    """Its state is its attributes."""

    def __init__(self, start: int = 0) -> None:
        self.value = start

    def add(self, by: int = 1) -> int:
        self.value += by
        return self.value

    def get(self) -> int:
        return self.value

    def pid(self) -> int:
        return os.getpid()

    def node(self) -> str:
        return trygon.get_runtime_context().get_node_id()

    def save_now(self) -> None:
        checkpoint()

    def count(self, times: int) -> Iterator[int]:
        for _ in range(times):
            self.value += 1
            yield self.value

    def fail(self) -> None:
        self.value += 100
        raise ValueError(self.value)


class Hooked(Plain):
    """Has something that cannot be pickled, and says itself what its state is."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log, self.lock = log, threading.Lock()

    def __trygon_save__(self) -> dict[str, int]:
        return {"value": self.value}

    def __trygon_restore__(self, state: dict[str, int]) -> None:
        assert self.lock is not None, "the constructor has run"
        self.value = state["value"]
        with open(self.log, "a") as file:
            file.write(f"{self.value}\n")


class DiesAnswering:
    """An answer that is pickled `kept` times for the checkpoint, and ends the process when it is pickled to be sent."""

    def __init__(self, mark: Path, value: int, kept: int) -> None:
        self.mark, self.value, self.kept, self.pickled = mark, value, kept, 0

    def __reduce__(self) -> Any:
        self.pickled += 1
        if self.pickled > self.kept and not self.mark.exists():
            self.mark.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        return int, (self.value,)


class Answering(Plain):
    def add_and_die(self, mark: Path, kept: int) -> Any:
        return DiesAnswering(mark, self.add(), kept)


def made(cls: type, *args: Any, settings: Any = True, **options: Any) -> Any:
    options = {"max_restarts": -1, "max_task_retries": -1, "num_cpus": 0, "checkpoint": settings, **options}
    return trygon.remote(cls).options(**options).remote(*args)


def kill_process(actor: Any) -> None:
    os.kill(trygon.get(actor.pid.remote(), timeout=20), signal.SIGKILL)


def test_attributes_survive_every_kill(engine: object) -> None:
    actor = made(Plain, 5)
    for life in range(4):
        assert trygon.get([actor.add.remote() for _ in range(3)], timeout=20)[-1] == 5 + 3 * (life + 1)
        kill_process(actor)
    assert trygon.get(actor.get.remote(), timeout=20) == 17


def test_without_it_the_constructor_begins_anew(engine: object) -> None:
    actor = made(Plain, 5, settings=None)
    trygon.get(actor.add.remote(), timeout=20)
    kill_process(actor)
    assert trygon.get(actor.get.remote(), timeout=20) == 5


def test_hooks_say_what_the_state_is(engine: object, tmp_path: Path) -> None:
    actor = made(Hooked, tmp_path / "log")
    trygon.get([actor.add.remote(7) for _ in range(2)], timeout=20)
    kill_process(actor)
    assert trygon.get(actor.add.remote(1), timeout=20) == 15
    assert (tmp_path / "log").read_text() == "14\n"


def test_every_few_calls(engine: object) -> None:
    """What was answered since the last time is lost, and no more."""
    actor = made(Plain, settings=Checkpoint(every_calls=5))
    assert trygon.get([actor.add.remote() for _ in range(13)], timeout=20)[-1] == 13
    kill_process(actor)
    # `pid` was a call too, the fourteenth.
    assert trygon.get(actor.get.remote(), timeout=20) == 10


def test_every_few_moments(engine: object) -> None:
    actor = made(Plain, settings=Checkpoint(every_calls=None, every_s=0.2))
    trygon.get([actor.add.remote() for _ in range(7)], timeout=20)
    time.sleep(0.6)
    kill_process(actor)
    assert trygon.get(actor.get.remote(), timeout=20) == 7


def test_on_demand(engine: object) -> None:
    actor = made(Plain, settings=Checkpoint(every_calls=None))
    trygon.get([actor.add.remote(), actor.save_now.remote(), actor.add.remote()], timeout=20)
    kill_process(actor)
    assert trygon.get(actor.get.remote(), timeout=20) == 1


def test_on_demand_elsewhere_is_refused(engine: object) -> None:
    with pytest.raises(RuntimeError, match="option checkpoint"):
        checkpoint()
    actor = made(Plain, settings=None)
    with pytest.raises(RuntimeError, match="option checkpoint"):
        trygon.get(actor.save_now.remote(), timeout=20)


def test_an_answer_that_was_sent_is_never_forgotten(engine: object) -> None:
    """Kills at any moment: every answer that came is in the state, and at most one call is not answered."""
    actor = made(Plain, settings=Checkpoint(exactly_once=True))
    trygon.get(actor.pid.remote(), timeout=20)
    calls = []
    for _ in range(8):
        calls += [actor.add.remote() for _ in range(50)]
        time.sleep(0.002)
        kill_process(actor)
    assert trygon.get(calls, timeout=60) == list(range(1, 401)), "each call counted once, in order"


@pytest.mark.parametrize(("exactly_once", "value"), [(True, 1), (False, 2)])
def test_a_call_that_is_made_again(engine: object, tmp_path: Path, exactly_once: bool, value: int) -> None:
    """The process dies when the state is saved and the answer is not sent: the call is made again, and answered from
    the checkpoint, or counted twice.
    """
    actor = made(Answering, settings=Checkpoint(exactly_once=exactly_once))
    answer = trygon.get(actor.add_and_die.remote(tmp_path / "mark", int(exactly_once)), timeout=20)
    assert (tmp_path / "mark").exists()
    assert (answer, trygon.get(actor.get.remote(), timeout=20)) == (value, value)


def test_at_most_once(engine: object) -> None:
    """The call under which it died is not made again; the state has all that was answered."""
    actor = made(Plain, max_task_retries=0)
    assert trygon.get([actor.add.remote() for _ in range(3)], timeout=20) == [1, 2, 3]
    pid = trygon.get(actor.pid.remote())
    os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        try:
            assert trygon.get(actor.get.remote(), timeout=20) == 3
            break
        except ActorUnavailableError:
            time.sleep(0.02)


def test_generators_and_errors_count(engine: object) -> None:
    actor = made(Plain)
    items = actor.count.options(num_returns="streaming").remote(4)
    assert [trygon.get(item, timeout=20) for item in items] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="104"):
        trygon.get(actor.fail.remote(), timeout=20)
    kill_process(actor)
    assert trygon.get(actor.get.remote(), timeout=20) == 104


def test_a_large_state(engine: object) -> None:
    class Table(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.rows = np.zeros(2_000_000)

        def set(self, row: int) -> None:
            self.rows[row] = row

        def sum(self) -> float:
            return float(self.rows.sum())

    actor = made(Table)
    trygon.get([actor.set.remote(row) for row in range(5)], timeout=60)
    kill_process(actor)
    assert trygon.get(actor.sum.remote(), timeout=30) == 10


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_in_a_folder(engine: object, tmp_path: Path, scheme: str) -> None:
    if scheme:
        pytest.importorskip("pyarrow")
    actor = made(Plain, settings=Checkpoint(to=f"{scheme}{tmp_path}/states"))
    trygon.get([actor.add.remote() for _ in range(6)], timeout=20)
    kill_process(actor)
    assert trygon.get(actor.add.remote(), timeout=20) == 7
    (folder,) = (tmp_path / "states").iterdir()
    assert folder.name == actor._actor_id.hex() and len(list(folder.iterdir())) == 2


def test_a_folder_that_cannot_be_written_fails_the_call(engine: object, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    actor = made(Plain, settings=Checkpoint(to=str(tmp_path / "file")))
    with pytest.raises(OSError, match="file"):
        trygon.get(actor.add.remote(), timeout=20)


def test_who_keeps_the_state_ends_with_the_actor(engine: object) -> None:
    actor = made(Plain)
    trygon.get(actor.add.remote(), timeout=20)

    def keepers() -> list[Any]:
        named = trygon.util.list_named_actors(all_namespaces=True)
        return [one for one in named if one["namespace"] == "_trygon"]

    assert len(keepers()) == 1
    trygon.kill(actor)
    end = time.monotonic() + 20
    while keepers():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"every_calls": 0}, ValueError, "at least 1"),
        ({"every_calls": 1.5}, TypeError, "every_calls"),
        ({"every_s": -1}, ValueError, "positive"),
        ({"every_s": "1"}, TypeError, "every_s"),
        ({"to": ""}, ValueError, "folder or a URL"),
        ({"to": 3}, TypeError, "folder or a URL"),
        ({"exactly_once": 1}, TypeError, "exactly_once"),
        ({"exactly_once": True, "every_calls": 5}, ValueError, "every_calls=1"),
    ],
)
def test_wrong_settings(arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Checkpoint(**arguments)


def test_wrong_options(engine: object) -> None:
    class Async:
        async def work(self) -> None: ...

    for cls, options, text in (
        (Plain, {"max_restarts": 0}, "needs max_restarts"),
        (Async, {}, "async methods"),
        (Plain, {"max_concurrency": 3}, "threads"),
    ):
        with pytest.raises(ValueError, match=text):
            made(cls, **options)
    with pytest.raises(TypeError, match="trygon.actor.Checkpoint"):
        made(Plain, settings="yes")


def test_not_in_the_inline_mode() -> None:
    with trygon.init(mode="inline"), pytest.raises(NotImplementedError, match="inline"):
        made(Plain)


class TestNodes:
    @pytest.fixture
    def cluster(self) -> Iterator[Cluster]:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        try:
            for _ in range(3):
                cluster.add_node(num_cpus=1, resources={"far": 1})
            cluster.connect()
            yield cluster
        finally:
            trygon.shutdown()
            cluster.shutdown()

    def kill_node_of(self, cluster: Cluster, actor: Any) -> None:
        node_id = trygon.get(actor.node.remote(), timeout=20)
        self.kill_nodes(cluster, [node_id])

    @staticmethod
    def kill_nodes(cluster: Cluster, ids: list[str]) -> None:
        for node in [node for node in cluster.worker_nodes if node.node_id in ids]:
            cluster.remove_node(node, allow_graceful=False)

    def test_the_state_survives_its_node(self, cluster: Cluster) -> None:
        actor = made(Plain, resources={"far": 1})
        assert trygon.get([actor.add.remote() for _ in range(10)], timeout=20)[-1] == 10
        self.kill_node_of(cluster, actor)
        assert trygon.get(actor.add.remote(), timeout=30) == 11
        self.kill_node_of(cluster, actor)
        assert trygon.get(actor.add.remote(), timeout=30) == 12

    def test_a_state_that_is_lost_is_said_to_be(self, cluster: Cluster) -> None:
        """No life goes on with a state that is not the last one."""
        assert cluster.head_node is not None
        for _ in range(20):
            actor = made(Plain, resources={"far": 0.1})
            trygon.get(actor.add.remote(), timeout=20)
            own = trygon.get(actor.node.remote(), timeout=20)
            where = _native.key_value("get", "checkpoints", actor._actor_id.binary(), None, True)[1].decode().split()
            assert len(where) == 2 and own not in where
            # The head's node is not killed here.
            if cluster.head_node.node_id not in where:
                break
        else:
            raise AssertionError("each of 20 actors chose the head's node")
        self.kill_nodes(cluster, [own, *where])
        cluster.add_node(num_cpus=1, resources={"far": 1})
        with pytest.raises(ActorDiedError, match="saved state is lost") as caught:
            for _ in range(200):
                try:
                    trygon.get(actor.get.remote(), timeout=30)
                except ActorUnavailableError:
                    time.sleep(0.05)
        assert isinstance(caught.value.cause, CheckpointLostError)

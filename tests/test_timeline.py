"""`timeline()`: when tasks ran, for programs that ask for the record."""

import asyncio
import json
import time

import pytest
import trygon


@pytest.fixture
def recording(monkeypatch):
    monkeypatch.setenv("TRYGON_TIMELINE", "1")
    with trygon.init(num_cpus=2):
        yield


def test_tasks_and_methods(recording, tmp_path):
    @trygon.remote
    def work(seconds):
        time.sleep(seconds)

    @trygon.remote
    def fail():
        raise ValueError

    @trygon.remote
    class Actor:
        def plain(self):
            return 1

        async def later(self):
            await asyncio.sleep(0.01)

    refs = [work.remote(0.05), work.remote(0.01)]
    actor = Actor.remote()
    trygon.get([*refs, actor.plain.remote(), actor.later.remote()])
    with pytest.raises(ValueError):
        trygon.get(fail.remote())
    events = trygon.timeline()
    by_name = {}
    for event in events:
        assert event["ph"] == "X" and event["dur"] >= 0
        by_name.setdefault(event["name"], []).append(event)
    assert sorted(by_name) == ["task::Actor.later", "task::Actor.plain", "task::fail", "task::work"]
    assert max(event["dur"] for event in by_name["task::work"]) >= 50_000
    assert {event["args"]["task_id"] for event in by_name["task::work"]} == {ref.task_id().hex() for ref in refs}
    assert by_name["task::fail"][0]["args"]["failed"] and not by_name["task::work"][0]["args"]["failed"]
    path = tmp_path / "trace.json"
    assert trygon.timeline(str(path)) is None
    assert json.loads(path.read_text()) == events


def test_generators_stay_generators(recording):
    @trygon.remote
    def count(number):
        yield from range(number)

    assert [trygon.get(ref) for ref in count.remote(3)] == [0, 1, 2]
    assert [event["name"] for event in trygon.timeline()] == ["task::count"]


def test_without_the_record_it_says_so(engine):
    with pytest.warns(UserWarning, match="TRYGON_TIMELINE"):
        assert trygon.timeline() == []

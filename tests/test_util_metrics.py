"""Metrics of programs: what is refused, and that the values of all processes come together."""

import re
import sys
import time

import pytest
import trygon
from trygon.util.metrics import Counter, Gauge, Histogram, prometheus_text


def wait_for(line, limit_s=10.0):
    """The text, once it has this line."""
    deadline = time.monotonic() + limit_s
    while line not in (text := prometheus_text()).splitlines():
        assert time.monotonic() < deadline, f"no {line!r} in:\n{text}"
        time.sleep(0.02)
    return text


def test_the_text(engine):
    Counter("requests", "How many\nrequests", tag_keys=("route",)).inc(2, {"route": 'a"b\\c\nd'})
    Gauge("depth").set(-3)
    times = Histogram("seconds", "How long", boundaries=[1, 0.1], tag_keys=("kind",))
    for value in (0.05, 0.1, 0.5, 7):
        times.observe(value, {"kind": "x"})
    assert prometheus_text() == (
        "# HELP ray_depth \n"
        "# TYPE ray_depth gauge\n"
        "ray_depth -3.0\n"
        "# HELP ray_requests_total How many\\nrequests\n"
        "# TYPE ray_requests_total counter\n"
        'ray_requests_total{route="a\\"b\\\\c\\nd"} 2.0\n'
        "# HELP ray_seconds How long\n"
        "# TYPE ray_seconds histogram\n"
        'ray_seconds_bucket{kind="x",le="0.1"} 2.0\n'
        'ray_seconds_bucket{kind="x",le="1.0"} 3.0\n'
        'ray_seconds_bucket{kind="x",le="+Inf"} 4.0\n'
        'ray_seconds_sum{kind="x"} 7.65\n'
        'ray_seconds_count{kind="x"} 4.0\n'
    )


def test_totals_of_tasks_actors_and_driver(engine):
    counter = Counter("done", tag_keys=("who",))

    @trygon.remote
    def work(i):
        counter.inc(1, {"who": "task"})
        time.sleep(0.01)

    @trygon.remote
    class Worker:
        def __init__(self):
            self.counter = Counter("done", tag_keys=("who",)).set_default_tags({"who": "actor"})

        def work(self):
            self.counter.inc(0.5)

    workers = [Worker.remote() for _ in range(2)]
    counter.inc(3, {"who": "driver"})
    trygon.get([work.remote(i) for i in range(40)])
    trygon.get([worker.work.remote() for worker in workers for _ in range(10)])
    text = wait_for('ray_done_total{who="task"} 40.0')
    text = wait_for('ray_done_total{who="actor"} 10.0')
    assert 'ray_done_total{who="driver"} 3.0' in text
    assert text.count("# TYPE ray_done_total counter") == 1


def test_nothing_is_lost_when_workers_end(engine):
    counter = Counter("ended")

    @trygon.remote(max_calls=1)
    def once():
        counter.inc()

    @trygon.remote(max_retries=0)
    def leave():
        counter.inc()
        sys.exit(0)

    @trygon.remote
    class Short:
        def count(self):
            counter.inc()

    trygon.get([once.remote() for _ in range(10)])
    with pytest.raises(trygon.exceptions.WorkerCrashedError):
        trygon.get(leave.remote())
    trygon.get([Short.remote().count.remote() for _ in range(5)])
    wait_for("ray_ended_total 16.0")
    time.sleep(0.3)
    assert "ray_ended_total 16.0" in prometheus_text()


def test_of_gauges_the_last_counts_and_histograms_are_added(engine):
    @trygon.remote(max_calls=1)
    def measure(value):
        Gauge("level").set(value)
        Histogram("sizes", boundaries=[10.0]).observe(value)

    for value in (1, 20, 5):
        trygon.get(measure.remote(value))
        time.sleep(0.01)
    text = wait_for("ray_sizes_count 3.0")
    assert "ray_level 5.0" in text and 'ray_sizes_bucket{le="10.0"} 2.0' in text and "ray_sizes_sum 26.0" in text


def test_read_in_a_task(engine):
    Counter("seen").inc(7)

    @trygon.remote
    def read():
        wait_for("ray_seen_total 7.0")
        return True

    assert trygon.get(read.remote())


def test_counting_costs_a_task_nothing(engine):
    @trygon.remote
    def count(n):
        counter = Counter("fast", tag_keys=("a",))
        began = time.perf_counter()
        for _ in range(n):
            counter.inc(1, {"a": "b"})
        return (time.perf_counter() - began) / n

    assert trygon.get(count.remote(20_000)) < 50e-6
    wait_for('ray_fast_total{a="b"} 20000.0')


def test_a_new_session_begins_at_zero():
    counter = Counter("sessions")
    with trygon.init(num_cpus=1):
        counter.inc()
        assert "ray_sessions_total 1.0" in prometheus_text()
    with trygon.init(num_cpus=1):
        assert prometheus_text() == ""
        counter.inc()
        assert "ray_sessions_total 1.0" in prometheus_text()


def test_default_tags_and_info(engine):
    counter = Counter("tagged", "text", tag_keys=("a", "b"))
    assert counter.set_default_tags({"a": "1"}) is counter
    counter.inc(1, {"b": "2"})
    counter.inc(1, {"a": "3", "b": "2"})
    text = prometheus_text()
    assert 'ray_tagged_total{a="1",b="2"} 1.0' in text and 'ray_tagged_total{a="3",b="2"} 1.0' in text
    assert counter.info == {
        "name": "tagged",
        "description": "text",
        "tag_keys": ("a", "b"),
        "default_tags": {"a": "1"},
    }
    assert Histogram("h", boundaries=[1, 2]).info["boundaries"] == [1, 2]


@pytest.mark.parametrize("make", [Counter, Gauge, lambda *a, **k: Histogram(*a, boundaries=[1], **k)])
def test_wrong_definitions(make):
    for error, arguments in (
        (ValueError, {"name": ""}),
        (TypeError, {"name": 5}),
        (TypeError, {"name": "a", "tag_keys": "x"}),
        (TypeError, {"name": "a", "tag_keys": ["x"]}),
        (TypeError, {"name": "a", "tag_keys": (1,)}),
    ):
        with pytest.raises(error):
            make(arguments.pop("name"), **arguments)


def test_wrong_values():
    counter = Counter("wrong", tag_keys=("x",))
    for error, call in (
        (ValueError, lambda: counter.inc()),
        (ValueError, lambda: counter.inc(0, {"x": "1"})),
        (ValueError, lambda: counter.inc(-1, {"x": "1"})),
        (ValueError, lambda: counter.inc(float("nan"), {"x": "1"})),
        (TypeError, lambda: counter.inc("1", {"x": "1"})),
        (ValueError, lambda: counter.inc(1, {"x": "1", "y": "2"})),
        (TypeError, lambda: counter.inc(1, {"x": 1})),
        (ValueError, lambda: counter.set_default_tags({"y": "1"})),
        (TypeError, lambda: counter.set_default_tags({"x": 1})),
        (TypeError, lambda: Gauge("g").set("1")),
        (ValueError, lambda: Histogram("h")),
        (ValueError, lambda: Histogram("h", boundaries=[])),
        (ValueError, lambda: Histogram("h", boundaries=[0, 1])),
        (ValueError, lambda: Histogram("h", boundaries=[-1])),
        (TypeError, lambda: Histogram("h", boundaries=[1]).observe(None)),
    ):
        with pytest.raises(error):
            call()
    Gauge("g").set(None)


def test_an_invalid_name_is_said_and_discarded(engine):
    with pytest.warns(UserWarning, match="not valid"):
        counter = Counter("9 lives")
    counter.inc()

    @trygon.remote
    def use():
        counter.inc()

    trygon.get(use.remote())
    assert "lives" not in prometheus_text()


def test_too_many_combinations_of_tags(engine):
    counter = Counter("wide", tag_keys=("id",))
    with pytest.warns(UserWarning, match="combinations of tags"):
        for i in range(10_050):
            counter.inc(1, {"id": str(i)})
    assert len(re.findall("^ray_wide_total{", prometheus_text(), re.M)) == 10_000

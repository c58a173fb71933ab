"""Dask's collections computed by the engine."""

import os

import pytest
import trygon

dask = pytest.importorskip("dask")

from trygon.util.dask import (  # noqa: E402
    ProgressBarCallback,
    RayDaskCallback,
    dataframe_optimize,
    disable_dask_on_ray,
    enable_dask_on_ray,
    enable_dask_on_trygon,
    ray_dask_get,
    ray_dask_get_sync,
    ray_dask_persist,
    trygon_dask_get,
)


@dask.delayed
def add(a, b):
    return a + b


@dask.delayed
def process_id():
    return os.getpid()


@pytest.fixture(autouse=True)
def leave_dask_as_it_was(engine):
    with dask.config.set():
        yield
    assert dask.config.get("scheduler", None) is None


@pytest.mark.parametrize("get", [ray_dask_get, ray_dask_get_sync, trygon_dask_get])
def test_delayed(get):
    assert add(add(1, 2), add(3, 4)).compute(scheduler=get) == 10
    assert dask.compute(add(1, 2), [add(3, 4), {"x": add(5, 6)}], scheduler=get) == (3, [7, {"x": 11}])
    assert process_id().compute(scheduler=get) != os.getpid()


def test_a_plain_graph():
    graph = {"x": 1, "y": (sum, ["x", 2, "x"]), "z": "y", "w": (max, "z", 10), "unused": (1).__truediv__}
    assert ray_dask_get(graph, "y") == 4
    assert ray_dask_get(graph, ["z", ["w", "x"]]) == (4, (10, 1))
    with pytest.raises(ValueError, match="no task 'nothing'"):
        ray_dask_get(graph, "nothing")


def test_errors_are_the_users():
    @dask.delayed
    def divide(a, b):
        return a / b

    with pytest.raises(ZeroDivisionError):
        add(divide(1, 0), 2).compute(scheduler=ray_dask_get)


def test_on_and_off():
    with enable_dask_on_ray() as _:
        assert dask.config.get("scheduler") is ray_dask_get
        assert process_id().compute() != os.getpid()
    assert dask.config.get("scheduler", None) is None
    enable_dask_on_trygon(shuffle=None)
    assert process_id().compute() != os.getpid()
    disable_dask_on_ray()
    assert dask.config.get("scheduler") is None


def test_bag():
    bag = pytest.importorskip("dask.bag")
    with enable_dask_on_ray():
        numbers = bag.from_sequence(range(100), npartitions=5)
        assert numbers.map(lambda x: x * 2).filter(lambda x: x % 3 == 0).sum().compute() == 3366
        assert sorted(numbers.groupby(lambda x: x % 3).map(lambda group: len(group[1])).compute()) == [33, 33, 34]


def test_array():
    array = pytest.importorskip("dask.array")
    with enable_dask_on_ray():
        x = array.arange(1_000_000, chunks=100_000)
        assert (x * 2 + 1).sum().compute() == 10**12
        square = array.ones((400, 400), chunks=(100, 100))
        assert (square @ square.T).mean().compute() == 400


def test_dataframe():
    dataframe = pytest.importorskip("dask.dataframe")
    pandas = pytest.importorskip("pandas")
    plain = pandas.DataFrame({"a": range(1000), "b": [i % 7 for i in range(1000)]})
    with enable_dask_on_ray():
        frame = dataframe.from_pandas(plain, npartitions=4)
        assert frame.groupby("b").a.sum().compute().to_dict() == plain.groupby("b").a.sum().to_dict()
        shuffled = frame.set_index("b").compute()
        assert sorted(shuffled.a) == list(range(1000)) and list(shuffled.index) == sorted(plain.b)
        joined = frame.merge(frame, on="a").compute()
        assert len(joined) == 1000


def test_persist():
    array = pytest.importorskip("dask.array")
    with enable_dask_on_ray():
        kept = dask.persist(array.ones(1000, chunks=100), scheduler=ray_dask_persist)[0]
        assert [type(value) for value in kept.__dask_graph__().values()] == [trygon.ObjectRef] * 10
        assert (kept + 1).sum().compute() == 2000
    graph = {"x": 1, "y": (sum, ["x", 2])}
    reference = ray_dask_get(graph, "y", ray_persist=True)
    assert trygon.get(reference) == 3


def test_options_of_tasks():
    @dask.delayed
    def widgets():
        return trygon.get_runtime_context().get_assigned_resources().get("widget", 0)

    assert widgets().compute(scheduler=ray_dask_get) == 0
    assert widgets().compute(scheduler=ray_dask_get, ray_remote_args={"resources": {"widget": 1}}) == 1
    with dask.annotate(ray_remote_args={"resources": {"widget": 2}}):
        some = widgets()
    assert dask.compute(some, widgets(), scheduler=ray_dask_get, optimize_graph=False) == (2, 0)
    with dask.annotate(resources={"widget": 2}), pytest.raises(ValueError, match="ray_remote_args"):
        widgets().compute(scheduler=ray_dask_get)


def test_hooks_in_the_driver():
    seen = []

    class Watch(RayDaskCallback):
        def _ray_presubmit(self, task, key, deps):
            if key == "given":
                return 100

        def _ray_postsubmit(self, task, key, deps, object_ref):
            seen.append((key, trygon.get(object_ref)))

        def _ray_postsubmit_all(self, object_refs, dsk):
            seen.append(("all", len(object_refs)))

        def _ray_finish(self, result):
            seen.append(("finish", result))

    graph = {"a": (sum, [1, 2]), "given": (sum, [5, 5]), "b": (sum, ["a", "given"])}
    with Watch():
        assert ray_dask_get(graph, ["b", "a"]) == (103, 3)
    assert seen == [("a", 3), ("b", 103), ("all", 2), ("finish", (103, 3))]
    seen.clear()
    assert ray_dask_get(graph, "b", ray_callbacks=[Watch()]) == 103
    assert seen[-1] == ("finish", 103)
    assert ray_dask_get(graph, "b") == 13


def test_hooks_where_tasks_run():
    @trygon.remote
    class Record:
        def __init__(self):
            self.found = []

        def add(self, *values):
            self.found.append(values)

        def get(self):
            return self.found

    record = Record.remote()

    def before(key, object_refs):
        return ("state", key, os.getpid())

    def after(key, result, state):
        trygon.get(record.add.remote(key, result, state[:2], state[2] == os.getpid()))

    with RayDaskCallback(ray_pretask=before, ray_posttask=after):
        assert ray_dask_get({"a": (sum, [1, 2])}, "a") == 3
    assert trygon.get(record.get.remote()) == [("a", 3, ("state", "a"), True)]


def test_dasks_own_callbacks(capsys):
    from dask.callbacks import Callback
    from dask.diagnostics import ProgressBar

    events = []
    watch = Callback(
        start=lambda dsk: events.append("start"),
        pretask=lambda key, dsk, state: events.append(("pre", key)),
        posttask=lambda key, result, dsk, state, worker: events.append(("post", key)),
        finish=lambda dsk, state, failed: events.append(("finish", failed)),
    )
    with watch:
        assert ray_dask_get({"a": (sum, [1, 2])}, "a") == 3
    assert events == ["start", ("pre", "a"), ("post", "a"), ("finish", False)]
    with ProgressBar(), enable_dask_on_ray():
        add(1, 2).compute()
    assert "100% Completed" in capsys.readouterr().out
    with ProgressBarCallback(), enable_dask_on_ray():
        assert add(add(1, 2), 3).compute() == 6
    assert "dask: 100%" in capsys.readouterr().err


def test_results_in_between_are_freed(engine):
    array = pytest.importorskip("dask.array")
    import leaks

    with enable_dask_on_ray():
        assert array.ones(5_000_000, chunks=500_000).sum().compute() == 5_000_000
    assert dataframe_optimize({"x": 1}, ["x"]) == {"x": 1}
    import gc

    gc.collect()
    assert leaks.live_objects().get("owned", 0) == 0


def test_inside_a_task():
    @trygon.remote
    def compute():
        return add(add(1, 2), 3).compute(scheduler=ray_dask_get)

    assert trygon.get(compute.remote(), timeout=60) == 6

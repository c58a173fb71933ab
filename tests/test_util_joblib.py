"""joblib with its calls in processes of the engine."""

import multiprocessing
import os
import time

import pytest
import trygon

joblib = pytest.importorskip("joblib")

from trygon.util.joblib import register_ray, register_trygon  # noqa: E402


@pytest.fixture(autouse=True)
def registered(engine):
    register_trygon()
    register_ray()


def square(x):
    return x * x


def fail_on_three(x):
    if x == 3:
        raise KeyError("three")
    return x


def process_id(_):
    time.sleep(0.02)
    return os.getpid()


@pytest.mark.parametrize("name", ["trygon", "ray"])
def test_results_in_order(name):
    with joblib.parallel_backend(name):
        assert joblib.Parallel()(joblib.delayed(square)(i) for i in range(300)) == [i * i for i in range(300)]


def test_in_other_processes_as_many_as_asked_for():
    with joblib.parallel_config("trygon", n_jobs=2):
        pids = set(joblib.Parallel()(joblib.delayed(process_id)(i) for i in range(40)))
    assert len(pids) == 2 and os.getpid() not in pids
    with joblib.parallel_config("trygon"):
        assert joblib.effective_n_jobs(-1) == 4 and joblib.effective_n_jobs(-2) == 3
    with joblib.parallel_config("trygon", n_jobs=1):
        assert set(joblib.Parallel()(joblib.delayed(process_id)(i) for i in range(3))) == {os.getpid()}


def test_processes_stay_between_calls():
    with joblib.parallel_config("trygon", n_jobs=2):
        first = set(joblib.Parallel()(joblib.delayed(process_id)(i) for i in range(20)))
        second = set(joblib.Parallel()(joblib.delayed(process_id)(i) for i in range(20)))
    assert first == second


def test_errors():
    with joblib.parallel_config("trygon", n_jobs=2):
        with pytest.raises(KeyError, match="three") as caught:
            joblib.Parallel()(joblib.delayed(fail_on_three)(i) for i in range(20))
        assert type(caught.value) is KeyError
        assert joblib.Parallel()(joblib.delayed(square)(i) for i in range(5)) == [0, 1, 4, 9, 16]


def test_a_timeout():
    with joblib.parallel_config("trygon", n_jobs=2), pytest.raises(multiprocessing.TimeoutError):
        joblib.Parallel(timeout=0.2)(joblib.delayed(time.sleep)(5) for _ in range(4))


def test_generators_and_threads_of_libraries():
    with joblib.parallel_config("trygon", n_jobs=2, inner_max_num_threads=3):
        results = joblib.Parallel(return_as="generator")(joblib.delayed(square)(i) for i in range(20))
        assert [next(results) for _ in range(20)] == [i * i for i in range(20)]
        found = joblib.Parallel()(joblib.delayed(os.environ.get)(name) for name in ["OMP_NUM_THREADS"] * 2)
    del results
    unordered = joblib.Parallel(n_jobs=2, backend="trygon", return_as="generator_unordered")(
        joblib.delayed(square)(i) for i in range(20)
    )
    assert sorted(unordered) == sorted(i * i for i in range(20))
    assert len(found) == 2


def test_nested():
    def outer(i):
        backend = type(joblib.parallel.get_active_backend()[0]).__name__
        return backend, sum(joblib.Parallel(n_jobs=2)(joblib.delayed(square)(i) for _ in range(4)))

    with joblib.parallel_config("trygon", n_jobs=2):
        results = joblib.Parallel()(joblib.delayed(outer)(i) for i in range(4))
    assert results == [("TrygonBackend", 4 * i * i) for i in range(4)]


def test_a_library_that_does_not_say_n_jobs_starts_nothing_inside_a_call():
    def outer(i):
        inner = joblib.Parallel()
        pids = inner(joblib.delayed(os.getpid)() for _ in range(3))
        return inner.n_jobs, set(pids) == {os.getpid()}

    with joblib.parallel_config("trygon", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(outer)(i) for i in range(4)) == [(1, True)] * 4


def test_large_arguments_are_stored_once():
    import numpy

    data = numpy.arange(2_000_000.0)

    def total(array, start):
        return array.flags.writeable, float(array[start:].sum())

    with joblib.parallel_config("trygon", n_jobs=2):
        results = joblib.Parallel(batch_size=1)(joblib.delayed(total)(data, start=i) for i in range(8))
    assert results == [(False, float(data[i:].sum())) for i in range(8)]


def test_options():
    with joblib.parallel_backend("ray", n_jobs=2, ray_remote_args={"resources": {"widget": 1}}):
        assert joblib.Parallel()(joblib.delayed(square)(i) for i in range(4)) == [0, 1, 4, 9]
        assert trygon.available_resources().get("widget", 0) == 0
    with pytest.raises(ValueError, match="no option"), joblib.parallel_config("trygon", n_jobs=2):
        joblib.Parallel(nothing=1)(joblib.delayed(square)(i) for i in range(4))
    with pytest.raises(ValueError, match="n_jobs"), joblib.parallel_config("trygon", n_jobs=0):
        joblib.Parallel()(joblib.delayed(square)(i) for i in range(4))


def test_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    data, target = datasets.make_classification(200, 10, random_state=1)
    grid = {"max_depth": [2, 3], "min_samples_leaf": [1, 5]}
    with joblib.parallel_config("trygon", n_jobs=2):
        search = GridSearchCV(DecisionTreeClassifier(random_state=1), grid, cv=3).fit(data, target)
    alone = GridSearchCV(DecisionTreeClassifier(random_state=1), grid, cv=3).fit(data, target)
    assert search.best_params_ == alone.best_params_
    assert (search.cv_results_["mean_test_score"] == alone.cv_results_["mean_test_score"]).all()

"""Options that are known, refused, or wrong, in the exception classes that Ray has for them."""

import pytest
import trygon


def function():
    return 1


class Class:
    pass


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"num_cpus": -1}, ValueError, "num_cpus"),
        ({"num_cpus": "1"}, TypeError, "num_cpus"),
        ({"num_cpus": 0.00001}, ValueError, "0.0001"),
        ({"num_gpus": 1.5}, ValueError, "whole"),
        ({"num_returns": -1}, ValueError, "num_returns"),
        ({"num_returns": 1.5}, TypeError, "num_returns"),
        ({"num_returns": "many"}, ValueError, "num_returns"),
        ({"num_returns": "streaming"}, ValueError, "generator function"),
        ({"max_retries": -2}, ValueError, "max_retries"),
        ({"max_calls": -1}, ValueError, "max_calls"),
        ({"resources": {"CPU": 1}}, ValueError, "num_cpus"),
        ({"resources": {"GPU": 1}}, ValueError, "num_gpus"),
        ({"resources": {"x": -1}}, ValueError, "x"),
        ({"resources": "x"}, TypeError, "dict"),
        ({"name": 3}, TypeError, "name"),
        ({"runtime_env": {"conda": "x"}}, NotImplementedError, "conda"),
        ({"scheduling_strategy": "FAST"}, ValueError, "scheduling_strategy"),
        ({"accelerator_type": 3}, TypeError, "accelerator_type"),
        ({"label_selector": "a"}, TypeError, "label_selector"),
        ({"placement_group": object()}, TypeError, "placement_group"),
        ({"num_cpu": 1}, ValueError, "Did you mean num_cpus"),
        ({"max_restarts": 1}, ValueError, "max_restarts"),
    ],
)
def test_tasks(options, kind, text):
    with pytest.raises(kind, match=text):
        trygon.remote(**options)(function)
    if "max_calls" not in options:
        with pytest.raises(kind, match=text):
            trygon.remote(function).options(**options)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"max_restarts": -2}, ValueError, "max_restarts"),
        ({"max_task_retries": "1"}, TypeError, "max_task_retries"),
        ({"lifetime": "for ever"}, ValueError, "lifetime"),
        ({"get_if_exists": True}, ValueError, "name"),
        ({"name": ""}, ValueError, "name"),
        ({"namespace": 1}, TypeError, "namespace"),
        ({"num_returns": 2}, ValueError, "num_returns"),
        ({"max_retries": 2}, ValueError, "max_retries"),
    ],
)
def test_actors(options, kind, text):
    with pytest.raises(kind, match=text):
        trygon.remote(**options)(Class)
    with pytest.raises(kind, match=text):
        trygon.remote(Class).options(**options)


def test_defaults_are_accepted_by_name():
    trygon.remote(
        num_cpus=None,
        num_gpus=0,
        runtime_env=None,
        scheduling_strategy="DEFAULT",
        placement_group="default",
        max_calls=0,
        enable_task_events=True,
        retry_exceptions=False,
        num_returns=None,
        name=None,
    )(function)
    trygon.remote(
        lifetime="non_detached", max_concurrency=1, max_pending_calls=-1, concurrency_groups={}, get_if_exists=False
    )(Class)


def test_max_calls_is_not_for_one_call():
    with pytest.raises(ValueError, match="belongs to the function"):
        trygon.remote(function).options(max_calls=1)


def test_lists_of_retried_exceptions():
    with pytest.raises(ValueError, match="subclasses of Exception"):
        trygon.remote(retry_exceptions=[3])(function)
    with pytest.raises(TypeError, match="retry_exceptions"):
        trygon.remote(retry_exceptions="yes")(function)


def test_forms_of_the_decorator():
    assert trygon.remote(function).__name__ == "function"
    assert trygon.remote(num_cpus=2)(function).__name__ == "function"
    assert trygon.remote(Class).__name__ == "Class"
    for wrong in ((3,), (function, Class), ("x",)):
        with pytest.raises(TypeError):
            trygon.remote(*wrong)
    with pytest.raises(TypeError):
        trygon.remote(function, num_cpus=1)
    with pytest.raises(TypeError, match="functions and classes"):
        trygon.remote(num_cpus=1)(3)
    with pytest.raises(TypeError, match="already"):
        trygon.remote(trygon.remote(function))


def test_options_are_cached_by_value_and_type():
    remote = trygon.remote(function)
    assert remote.options(num_cpus=2) is remote.options(num_cpus=2)
    assert remote.options(num_cpus=2) is not remote.options(num_cpus=3)
    assert remote.options(resources={"a": 1}) is remote.options(resources={"a": 1})
    assert remote.options(num_returns=1) is not remote.options(max_retries=1)
    with pytest.raises(TypeError):
        remote.options(num_returns=True)


def test_async_functions_are_refused_at_the_call():
    async def asynchronous():
        pass

    async def generator():
        yield

    with pytest.raises(ValueError, match="event loop"):
        trygon.remote(asynchronous).remote()
    with pytest.raises(ValueError, match="event loop"):
        trygon.remote(generator).remote()


def test_names_of_ray_that_are_not_here_say_so():
    with pytest.raises(AttributeError, match="does not have yet"):
        trygon.serve  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute"):
        trygon.nonsense  # noqa: B018


def test_all_public_names_exist_and_are_sorted():
    assert trygon.__all__ == sorted(trygon.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    for name in trygon.__all__:
        assert getattr(trygon, name) is not None
    assert set(trygon.__all__) <= set(dir(trygon))

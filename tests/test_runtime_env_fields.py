"""The fields of runtime environments: what each may be, and the exception for what it may not be."""

from __future__ import annotations

import pytest
import trygon
from trygon.runtime_env import RuntimeEnv, RuntimeEnvConfig


@trygon.remote
def task() -> None: ...


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"workingdir": "/tmp"}, ValueError, "no field 'workingdir'. Did you mean working_dir?"),
        ({"env_vars": ["a"]}, TypeError, "env_vars .* must be a dict of str to str, but list was given"),
        ({"env_vars": {"a": 1}}, TypeError, "env_vars .* but 1 is int"),
        ({"env_vars": {1: "a"}}, TypeError, "env_vars"),
        ({"env_vars": {"a=b": "c"}}, ValueError, "no possible variable"),
        ({"working_dir": 1}, TypeError, "working_dir .* must be a str"),
        ({"working_dir": "/no/such/folder"}, ValueError, "working_dir .* no path that exists"),
        ({"working_dir": __file__}, ValueError, "a folder or an archive"),
        ({"working_dir": "s3://bucket/x.zip"}, NotImplementedError, "cannot be fetched"),
        ({"py_modules": "/tmp"}, TypeError, "a list of paths or modules"),
        ({"py_modules": [1]}, TypeError, "a list of paths or modules"),
        ({"py_modules": ["/no/such/module"]}, ValueError, "no path that exists"),
        ({"excludes": "x"}, TypeError, "excludes .* a list of str"),
        ({"pip": 1}, TypeError, "pip .* must be a list of str"),
        ({"pip": [1]}, TypeError, "pip"),
        ({"pip": "/no/such/requirements.txt"}, ValueError, "no file that exists"),
        ({"pip": {"pip_check": True}}, ValueError, "must have the member packages"),
        ({"pip": {"packages": ["a"], "index": "b"}}, ValueError, "no member 'index'"),
        ({"uv": {"packages": ["a"], "uv_check": "yes"}}, TypeError, "uv_check"),
        ({"pip": ["a"], "uv": ["b"]}, ValueError, "both pip and uv"),
        ({"worker_process_setup_hook": 1}, TypeError, "a function or its import path"),
        ({"worker_process_setup_hook": "hook"}, ValueError, "package.module.function"),
        ({"py_executable": 3}, TypeError, "py_executable"),
        ({"py_executable": " "}, ValueError, "names no interpreter"),
        ({"config": 3}, TypeError, "a dict or a RuntimeEnvConfig"),
        ({"config": {"timeout": 3}}, ValueError, "no member 'timeout'"),
        ({"config": {"setup_timeout_seconds": 0}}, ValueError, "above zero"),
        ({"config": {"setup_timeout_seconds": "x"}}, TypeError, "an int"),
        ({"conda": "base"}, NotImplementedError, "conda .* is not available .* pip or uv"),
        ({"image_uri": "x"}, NotImplementedError, "image_uri"),
        ({"container": {"image": "x"}}, NotImplementedError, "container"),
        ({"nsight": "default"}, NotImplementedError, "nsight"),
    ],
)
def test_wrong_fields_are_refused_where_they_are_written(
    fields: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        trygon.remote(runtime_env=fields)(lambda: None)
    with pytest.raises(error, match=message):
        task.options(runtime_env=fields)
    with pytest.raises(error, match=message):
        trygon.init(num_cpus=1, runtime_env=fields)
    with pytest.raises(error, match=message):
        RuntimeEnv(**fields)  # type: ignore[arg-type]
    assert not trygon.is_initialized()


def test_an_environment_that_is_no_dict_is_refused() -> None:
    for wrong in ("x", ["x"], 1):
        with pytest.raises(TypeError, match="runtime_env must be a dict or a RuntimeEnv"):
            task.options(runtime_env=wrong)
        with pytest.raises(TypeError, match="runtime_env must be a dict or a RuntimeEnv"):
            trygon.init(num_cpus=1, runtime_env=wrong)  # type: ignore[arg-type]


def test_the_public_types() -> None:
    environment = RuntimeEnv(
        env_vars={"A": "1"}, pip=["x"], config=RuntimeEnvConfig(setup_timeout_seconds=5), working_dir="/tmp"
    )
    assert environment == {
        "env_vars": {"A": "1"},
        "pip": {"packages": ["x"], "pip_check": False},
        "config": {"setup_timeout_seconds": 5, "eager_install": True, "log_files": []},
        "working_dir": "/tmp",
    }
    assert RuntimeEnv.deserialize(environment.serialize()) == environment
    environment["env_vars"] = {"A": "2"}
    assert environment.env_vars() == {"A": "2"}
    with pytest.raises(TypeError):
        environment["env_vars"] = 3
    with pytest.raises(ValueError, match="no field 'other'"):
        environment["other"] = 3
    assert RuntimeEnv() == {} == RuntimeEnv(pip=[], env_vars={})
    with pytest.raises(ValueError, match="above zero"):
        RuntimeEnvConfig(setup_timeout_seconds=0)
    with pytest.raises(TypeError, match="eager_install"):
        RuntimeEnvConfig(eager_install=3)  # type: ignore[arg-type]
    assert RuntimeEnvConfig(-1).to_dict()["setup_timeout_seconds"] == -1

"""Starting and ending the engine."""

import subprocess
import sys
import time

import pytest
import trygon


def test_context_prints_well_and_is_a_mapping():
    context = trygon.init(num_cpus=3, resources={"widget": 1.5})
    assert context["resources"]["CPU"] == 3
    assert context["resources"]["widget"] == 1.5
    assert set(context) >= {"node_id", "job_id", "resources", "node_ip_address"}
    assert "3 CPU" in repr(context) and "1.5 widget" in repr(context)
    assert context.python_version == sys.version.split()[0]
    assert dict(context.items())["node_id"] == context.address_info["node_id"]


def test_init_shutdown_init_again():
    for _ in range(3):
        trygon.init(num_cpus=1)
        assert trygon.is_initialized()
        assert trygon.get(trygon.remote(lambda: 1).remote()) == 1
        trygon.shutdown()
        assert not trygon.is_initialized()
    trygon.shutdown()


def test_second_init_is_refused_unless_asked_for():
    first = trygon.init(num_cpus=1)
    with pytest.raises(RuntimeError, match="started already"):
        trygon.init()
    assert trygon.init(ignore_reinit_error=True) is first


def test_first_use_starts_the_engine(monkeypatch):
    assert not trygon.is_initialized()
    assert trygon.get(trygon.put(5)) == 5
    assert trygon.is_initialized()
    trygon.shutdown()
    monkeypatch.setenv("TRYGON_ENABLE_AUTO_CONNECT", "0")
    with pytest.raises(trygon.exceptions.RaySystemError, match=r"trygon\.init\(\)"):
        trygon.put(5)


def test_context_manager_ends_it():
    with trygon.init(num_cpus=1):
        assert trygon.is_initialized()
    assert not trygon.is_initialized()


def test_twenty_logical_cpus():
    trygon.init(num_cpus=20)
    assert trygon.cluster_resources()["CPU"] == 20

    @trygon.remote
    def sleep():
        time.sleep(0.5)
        return 1

    trygon.get([sleep.remote() for _ in range(20)])
    began = time.monotonic()
    assert sum(trygon.get([sleep.remote() for _ in range(20)])) == 20
    assert time.monotonic() - began < 3


def test_old_references_and_functions_after_a_restart():
    @trygon.remote
    def f(x):
        return x

    trygon.init(num_cpus=1)
    old = f.remote(1)
    assert trygon.get(old) == 1
    trygon.shutdown()
    trygon.init(num_cpus=1)
    assert trygon.get(f.remote(2)) == 2
    with pytest.raises(trygon.exceptions.ObjectLostError, match="earlier session"):
        trygon.get(old)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"num_cpus": -1}, ValueError, "num_cpus"),
        ({"num_cpus": "2"}, TypeError, "num_cpus"),
        ({"object_store_memory": 1000}, ValueError, "75 MB"),
        ({"resources": {"CPU": 1}}, ValueError, "num_cpus"),
        ({"resources": [1]}, TypeError, "dict"),
        ({"namespace": 3}, TypeError, "namespace"),
        ({"local_mode": True}, RuntimeError, "local_mode"),
        ({"address": "auto"}, ConnectionError, "No running cluster"),
        ({"address": "ray://x:1"}, ConnectionError, "address"),
        ({"job_config": 5}, TypeError, "job_config"),
        ({"logging_config": 5}, TypeError, "logging_config"),
        ({"_system_config": 5}, TypeError, "_system_config"),
        ({"runtime_env": {"conda": "x"}}, NotImplementedError, "conda"),
        ({"num_cpu": 1}, RuntimeError, "num_cpus"),
    ],
)
def test_wrong_arguments(arguments, kind, text):
    with pytest.raises(kind, match=text):
        trygon.init(**arguments)
    assert not trygon.is_initialized()


def test_ray_defaults_are_accepted():
    trygon.init(
        num_cpus=1,
        address="local",
        include_dashboard=False,
        dashboard_port=8265,
        runtime_env=None,
        configure_logging=True,
    )


def test_import_is_cheap():
    code = (
        "import sys, time; began = time.process_time(); import trygon; took = time.process_time() - began;"
        "heavy = {'dataclasses', 'inspect', 'asyncio', 'typing', 'cloudpickle', 'subprocess', 'numpy', 'json'} &"
        " set(sys.modules);"
        "print(took * 1000, sorted(heavy))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", _with_path(code)], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    assert all("[]" in run.stdout for run in runs), runs[0].stdout
    assert min(float(run.stdout.split()[0]) for run in runs) < 15


def _with_path(code):
    return f"import sys; sys.path[:] = {sys.path!r}; " + code

"""Ray's environment variables: handed on, or named in one warning."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trygon

PROGRAM = """
import json, sys, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import ray
    {body}
    found["warnings"] = [str(warning.message) for warning in caught if "effect" in str(warning.message)]
print(json.dumps(found))
"""


def run(body, **variables):
    path = str(Path(trygon.__file__).resolve().parent.parent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"PYTHONPATH": os.pathsep.join([path, os.environ.get("PYTHONPATH", "")]), **variables}
    text = PROGRAM.format(body=body.replace("\n", "\n    "))
    done = subprocess.run(
        [sys.executable, "-m", "trygon.compat", "-c", text], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_namespace_and_resources():
    found = run(
        "ray.init(num_cpus=2)\n"
        "found = {'namespace': ray.get_runtime_context().namespace, 'have': ray.cluster_resources()}",
        RAY_NAMESPACE="from-ray",
        RAY_OVERRIDE_RESOURCES='{"CPU": 3, "special": 2}',
    )
    assert found["namespace"] == "from-ray" and found["have"]["CPU"] == 3 and found["have"]["special"] == 2
    assert found["warnings"] == []


@pytest.mark.parametrize(("address", "starts"), [("local", True), ("", True), ("10.0.0.1:6379", False)])
def test_address(address, starts):
    body = """found = {}
try:
    ray.init(num_cpus=1)
    found["started"] = True
except ConnectionError as error:
    found["error"] = str(error)"""
    found = run(body, RAY_ADDRESS=address)
    assert found.get("started", False) is starts
    assert starts or ("10.0.0.1:6379" in found["error"] and "RAY_ADDRESS" in found["error"])


def test_no_auto_connect():
    body = """found = {}
try:
    ray.put(1)
except ray.exceptions.RaySystemError as error:
    found["error"] = str(error)"""
    assert "init()" in run(body, RAY_ENABLE_AUTO_CONNECT="0")["error"]


def test_one_warning_names_what_has_no_effect():
    found = run(
        "import ray.util\nray.init(num_cpus=1)\nfound = {}",
        RAY_some_internal_flag="1",
        RAY_gcs_server_request_timeout_seconds="0",
        RAY_DEDUP_LOGS="0",
        RAY_AUTH_MODE="token",
    )
    (warning,) = found["warnings"]
    assert "RAY_some_internal_flag" in warning and "RAY_gcs_server_request_timeout_seconds" in warning
    assert "RAY_DEDUP_LOGS" not in warning and "RAY_AUTH_MODE" not in warning


def test_variables_set_after_the_import_count():
    body = """import os
os.environ["RAY_NAMESPACE"] = "late"
ray.init(num_cpus=1)
found = {"namespace": ray.get_runtime_context().namespace}"""
    assert run(body)["namespace"] == "late"


def test_job_config_of_a_submitted_job():
    found = run(
        "ray.init(num_cpus=1)\nfound = {'namespace': ray.get_runtime_context().namespace}",
        RAY_JOB_CONFIG_JSON_ENV_VAR='{"ray_namespace": "job", "metadata": {"a": "b"}}',
    )
    assert found["namespace"] == "job"


def test_trygons_own_variables_win():
    found = run(
        "ray.init(num_cpus=1)\nfound = {'namespace': ray.get_runtime_context().namespace}",
        RAY_NAMESPACE="ray",
        TRYGON_NAMESPACE="trygon",
    )
    assert found["namespace"] == "trygon"


def test_broken_resources_are_named(monkeypatch):
    monkeypatch.setenv("TRYGON_OVERRIDE_RESOURCES", "CPU=3")
    with pytest.raises(ValueError, match="TRYGON_OVERRIDE_RESOURCES"):
        trygon.init(num_cpus=1)


def test_cuda_variable_is_left_alone_if_asked(monkeypatch):
    monkeypatch.setenv("TRYGON_KEEP_CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    trygon.init(num_cpus=1, num_gpus=1)

    @trygon.remote(num_gpus=1)
    def look():
        return os.environ["CUDA_VISIBLE_DEVICES"], trygon.get_gpu_ids()

    assert trygon.get(look.remote()) == ("7", [0])

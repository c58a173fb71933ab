"""Ray's further arguments of `init`: logging, jobs, what has no effect; and names that are refused."""

import json
import logging
import os
import time
import warnings

import pytest
import trygon


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    for handler in list(root.handlers):
        if handler not in handlers:
            root.removeHandler(handler)
    root.setLevel(level)
    for name in ("trygon", "ray"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_one_warning_for_what_has_no_effect():
    with pytest.warns(UserWarning, match="no effect") as caught:
        trygon.init(
            num_cpus=1,
            include_dashboard=True,
            dashboard_port=9999,
            _temp_dir="/x",
            _system_config={"some_flag": 1},
            _metrics_export_port=8080,
        )
    (warning,) = caught
    text = str(warning.message)
    for name in ("include_dashboard", "dashboard_port", "_temp_dir", "_system_config", "_metrics_export_port"):
        assert name in text
    assert trygon.get(trygon.put(1)) == 1


def test_memory_is_a_resource():
    trygon.init(num_cpus=1, _memory=123_000_000)
    assert trygon.cluster_resources()["memory"] == 123_000_000
    trygon.shutdown()
    with pytest.raises(TypeError, match="_memory"):
        trygon.init(_memory="1")


def test_job_config(tmp_path):
    (tmp_path / "only_for_workers.py").write_text("VALUE = 11\n")
    config = trygon.job_config.JobConfig(ray_namespace="mine", code_search_path=[str(tmp_path)], metadata={"k": "v"})
    trygon.init(num_cpus=1, job_config=config)

    @trygon.remote
    def read():
        import only_for_workers

        return only_for_workers.VALUE

    assert trygon.get(read.remote()) == 11
    assert trygon.get_runtime_context().namespace == "mine" and config.metadata == {"k": "v"}


def test_actors_may_outlive_their_handles_by_default(monkeypatch):
    monkeypatch.setenv("TRYGON_DEFAULT_ACTOR_LIFETIME", "")
    trygon.init(num_cpus=1, job_config=trygon.job_config.JobConfig(default_actor_lifetime="detached"))

    @trygon.remote
    class Kept:
        def ping(self):
            return "pong"

    kept = Kept.options(name="kept").remote()
    trygon.get(kept.ping.remote())
    del kept
    time.sleep(0.5)
    assert trygon.get(trygon.get_actor("kept").ping.remote()) == "pong"
    trygon.shutdown()
    trygon.init(num_cpus=1)
    assert "TRYGON_DEFAULT_ACTOR_LIFETIME" not in os.environ


def test_an_argument_outranks_the_job_config():
    trygon.init(num_cpus=1, namespace="argument", job_config={"ray_namespace": "config"})
    assert trygon.get_runtime_context().namespace == "argument"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"metadata": {"a": 1}}, TypeError),
        ({"default_actor_lifetime": "for ever"}, ValueError),
        ({"jvm_options": ["-Xmx1g"]}, NotImplementedError),
        ({"code_search_path": "x"}, TypeError),
    ],
)
def test_wrong_job_configs(arguments, kind):
    with pytest.raises(kind):
        trygon.job_config.JobConfig(**arguments)


def test_log_lines_as_json(root_logger, capfd):
    config = trygon.LoggingConfig(encoding="JSON", log_level="WARNING", additional_log_standard_attrs=["name"])
    trygon.init(num_cpus=1, logging_config=config)

    @trygon.remote
    class Speaker:
        def speak(self):
            logging.getLogger("mine").warning("said %s", "this", extra={"order": 5})
            logging.getLogger("mine").info("not this")
            return True

    speaker = Speaker.options(name="speaker").remote()
    assert trygon.get(speaker.speak.remote())
    logging.getLogger("driver").error("from the driver")
    trygon.shutdown()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    (worker,) = [line for line in lines if line["message"] == "said this"]
    (driver,) = [line for line in lines if line["message"] == "from the driver"]
    assert worker["name"] == "mine" and worker["order"] == 5 and worker["levelname"] == "WARNING"
    assert worker["actor_name"] == "speaker" and worker["job_id"] == driver["job_id"] and worker["task_id"]
    assert len(lines) == 2 and "task_id" not in driver and driver["timestamp_ns"] > 0


def test_log_lines_as_text(root_logger, capfd):
    trygon.init(num_cpus=1, logging_config=trygon.LoggingConfig())
    logging.getLogger("driver").info("plain")
    trygon.shutdown()
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "plain" in line]
    assert "INFO" in line and "test_compat_init.py" in line and "job_id=" in line


def test_wrong_logging_configs():
    with pytest.raises(ValueError, match="TEXT, JSON"):
        trygon.LoggingConfig(encoding="XML")
    with pytest.raises(ValueError, match="no attribute"):
        trygon.LoggingConfig(additional_log_standard_attrs=["nonsense"])
    with pytest.raises(ValueError):
        trygon.LoggingConfig(log_level="LOUD")
    assert trygon.LoggingConfig() == trygon.LoggingConfig("TEXT", "INFO", [])


def test_form_of_the_engines_own_log(root_logger):
    trygon.init(num_cpus=1, logging_level="debug", logging_format="own %(message)s")
    logger = logging.getLogger("trygon")
    (handler,) = [handler for handler in logger.handlers if handler.formatter]
    assert logger.level == logging.DEBUG and handler.formatter._fmt == "own %(message)s"
    logger.removeHandler(handler)
    logger.propagate = True


@pytest.mark.parametrize("name", ["java_function", "cpp_function", "java_actor_class", "cpp_actor_class"])
def test_other_languages_are_refused(name):
    arguments = ("a", "b") if name in ("java_function", "cpp_actor_class") else ("a",)
    with pytest.raises(NotImplementedError, match=name):
        getattr(trygon, name)(*arguments)


def test_clients_are_refused():
    with pytest.raises(ConnectionError, match="one machine"):
        trygon.client("ray://host:10001")


def test_nothing_is_warned_of_without_need():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trygon.init(num_cpus=1, include_dashboard=False, dashboard_host="127.0.0.1", _system_config={})

"""init, shutdown, first use, contexts."""

import logging
from collections.abc import Mapping

import ray
from observe import case, raised, run

QUIET = {"include_dashboard": False, "logging_level": logging.ERROR, "log_to_driver": False}


def started(**arguments):
    ray.shutdown()
    return ray.init(**{**QUIET, "num_cpus": 1, **arguments})


@case
def before():
    return (
        ray.is_initialized(),
        ray.shutdown(),
    )


@case
def what_init_returns():
    context = started()
    return (
        isinstance(context, Mapping),
        context["node_id"] == context.address_info["node_id"] == ray.get_runtime_context().get_node_id(),
        "node_ip_address" in context,
        sorted(key for key in context if key in ("node_id", "node_ip_address", "address", "gcs_address")),
        context.get("no such key"),
        raised(lambda: context["no such key"]),
        len(context) == len(dict(context)),
        isinstance(context.dashboard_url, str),
        context.python_version.count("."),
        context.ray_version.split("+")[0],
        isinstance(context.ray_commit, str),
    )


@case
def twice():
    context = started()
    again = ray.init(ignore_reinit_error=True)
    return raised(ray.init), again["node_id"] == context["node_id"], ray.is_initialized()


@case
def as_a_context_manager():
    ray.shutdown()
    with ray.init(num_cpus=1, **QUIET) as context:
        inside = ray.is_initialized(), ray.get(ray.put(1))
    outside = ray.is_initialized()
    context = started()
    context.disconnect()
    return inside, outside, ray.is_initialized()


@case
def start_again():
    found = []
    for number in range(2):
        started()
        found.append(ray.get(ray.remote(lambda number=number: number).remote()))
    ray.shutdown()
    ray.shutdown()
    return found, ray.is_initialized()


@case
def remote_function_outlives_a_session():
    @ray.remote
    def f():
        return "f"

    started()
    first = ray.get(f.remote())
    started()
    return first, ray.get(f.remote())


@case
def namespaces():
    started(namespace="mine")
    named = ray.get_runtime_context().namespace
    started()
    return named, len(ray.get_runtime_context().namespace), raised(ray.init, namespace=5)


@case
def more_cpus_than_there_are():
    started(num_cpus=20)
    return ray.cluster_resources()["CPU"]


@case
def wrong_arguments():
    ray.shutdown()
    return {
        "unknown": raised(ray.init, no_such=1),
        "auto": raised(ray.init, address="auto"),
        "local_mode": raised(ray.init, local_mode=True),
        "namespace": raised(ray.init, namespace=5),
        "empty namespace": raised(ray.init, namespace=""),
        "store": raised(ray.init, object_store_memory=1),
        "negative": raised(ray.init, num_cpus=-1),
        "system config": raised(ray.init, _system_config=5),
        "left running": ray.is_initialized(),
    }


@case
def job_config():
    config = ray.job_config.JobConfig(ray_namespace="from config", metadata={"a": "b"})
    started(job_config=config)
    return ray.get_runtime_context().namespace, config.metadata, raised(ray.job_config.JobConfig, code_search_path="x")


@case
def logging_config():
    return (
        raised(ray.LoggingConfig, encoding="X"),
        raised(ray.LoggingConfig, additional_log_standard_attrs=["no such"]),
        ray.LoggingConfig(encoding="JSON", log_level="DEBUG").log_level,
        ray.LoggingConfig().encoding,
    )


@case
def logging_in_workers():
    ray.shutdown()
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        logging_config=ray.LoggingConfig(encoding="JSON", log_level="ERROR"),
    )

    @ray.remote
    def record():
        import io
        import json
        import logging

        root = logging.getLogger()
        text = io.StringIO()
        root.handlers[0].setStream(text)
        logging.getLogger("a").error("said %d", 1, extra={"more": 2})
        logging.getLogger("a").info("not said")
        (line,) = text.getvalue().splitlines()
        return json.loads(line)

    line = ray.get(record.remote())
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    return sorted(line), line["message"], line["levelname"], line["more"], line["task_name"], len(line["task_id"])


@case
def accepted_arguments():
    started(
        dashboard_host="127.0.0.1",
        dashboard_port=8265,
        configure_logging=True,
        logging_format="%(message)s",
        ignore_reinit_error=True,
        _temp_dir=None,
        _system_config={},
        _node_ip_address="127.0.0.1",
        object_store_memory=200_000_000,
    )
    return ray.get(ray.put(1))


run()

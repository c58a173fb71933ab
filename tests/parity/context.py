"""The runtime context, resources and nodes."""

import os

import ray
from observe import case, raised, run


def facts():
    context = ray.get_runtime_context()
    return {
        "job": len(context.get_job_id()),
        "node": len(context.get_node_id()),
        "worker": len(context.get_worker_id()),
        "task": context.get_task_id() and len(context.get_task_id()),
        "task name": context.get_task_name(),
        "actor": context.get_actor_id() and len(context.get_actor_id()),
        "actor name": context.get_actor_name(),
        "placement group": context.get_placement_group_id(),
        "namespace": context.namespace,
        "runtime env": context.get_runtime_env_string(),
        "devices": context.get_accelerator_ids()["GPU"],
        "gpus": ray.get_gpu_ids(),
        "captures": context.should_capture_child_tasks_in_placement_group,
    }


@case
def driver():
    return facts()


@case
def task():
    return ray.get(ray.remote(facts).options(name="named").remote())


@case
def task_function_name():
    names = ray.get(ray.remote(lambda: 1).remote()), ray.get(ray.remote(function_name).options(name="other").remote())
    return names[1].rpartition(".")[2]


def function_name():
    return ray.get_runtime_context().get_task_function_name()


@case
def actor():
    @ray.remote
    class Asker:
        def ask(self):
            return facts()

        def own(self):
            context = ray.get_runtime_context()
            return (
                context.current_actor == ray.get_runtime_context().current_actor,
                context.was_current_actor_reconstructed,
                context.get_actor_id() == context.current_actor._actor_id.hex(),
            )

    return (
        ray.get(Asker.remote().ask.remote()),
        ray.get(Asker.options(name="asker").remote().ask.remote())["actor name"],
        ray.get(Asker.remote().own.remote()),
    )


@case
def same_everywhere():
    def ids():
        context = ray.get_runtime_context()
        return context.get_job_id(), context.get_node_id()

    return ray.get(ray.remote(ids).remote()) == ids()


@case
def resources_of_tasks():
    def held():
        return ray.get_runtime_context().get_assigned_resources()

    remote = ray.remote(held)
    return ray.get(
        [
            remote.remote(),
            remote.options(num_cpus=2).remote(),
            remote.options(num_cpus=0).remote(),
            remote.options(num_cpus=0.5, resources={"widget": 1}).remote(),
        ]
    )


@case
def gpus():
    @ray.remote(num_gpus=1)
    def one():
        return ray.get_gpu_ids(), os.environ.get("CUDA_VISIBLE_DEVICES")

    @ray.remote(num_gpus=2)
    def two():
        return sorted(ray.get_gpu_ids()), sorted(os.environ["CUDA_VISIBLE_DEVICES"].split(","))

    @ray.remote(num_gpus=0.5)
    def half():
        return len(ray.get_gpu_ids())

    @ray.remote
    def none():
        return ray.get_gpu_ids()

    ids, visible = ray.get(one.remote())
    return len(ids), visible in ("0", "1"), ray.get(two.remote()), ray.get(half.remote()), ray.get(none.remote())


@case
def outside_of_an_actor():
    return raised(lambda: ray.get_runtime_context().current_actor)


@case
def older_forms():
    context = ray.get_runtime_context()
    return (
        type(context.job_id).__name__,
        type(context.node_id).__name__,
        sorted(key for key in context.get() if key in ("job_id", "node_id", "namespace")),
        context.job_id.hex() == context.get_job_id(),
    )


@case
def nodes():
    (node,) = ray.nodes()
    keys = ["NodeID", "Alive", "NodeManagerAddress", "NodeManagerHostname", "NodeManagerPort", "ObjectManagerPort"]
    keys += ["ObjectStoreSocketName", "RayletSocketName", "MetricsExportPort", "NodeName", "alive", "Resources"]
    keys += ["Labels", "RuntimeEnvAgentPort", "DeathReason", "DeathReasonMessage"]
    return (
        {key: key in node for key in keys},
        node["Alive"],
        node["alive"],
        node["NodeID"] == ray.get_runtime_context().get_node_id(),
        {key: node["Resources"].get(key) for key in ("CPU", "GPU", "widget")},
    )


@case
def cluster_resources():
    whole = ray.cluster_resources()
    return (
        {key: whole[key] for key in ("CPU", "GPU", "widget")},
        "memory" in whole,
        "object_store_memory" in whole,
        any(key.startswith("node:") for key in whole),
    )


@case
def available_resources():
    import time

    @ray.remote(num_cpus=3, resources={"widget": 1})
    class Holder:
        def ping(self):
            return 1

    holder = Holder.remote()
    ray.get(holder.ping.remote())
    for _ in range(100):
        left = ray.available_resources()
        if left.get("CPU") == 1 and left.get("widget") == 1:
            break
        time.sleep(0.05)
    return {key: left.get(key) for key in ("CPU", "widget")}


@case
def temporary_folder():
    context = ray.get_runtime_context()
    return os.path.isdir(context.get_temp_dir()), isinstance(context.get_session_name(), str)


run(num_cpus=4, num_gpus=2, resources={"widget": 2}, namespace="parity")

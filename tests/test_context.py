"""The runtime context, nodes and resources."""

import os

import pytest
import trygon


def test_driver(engine):
    context = trygon.get_runtime_context()
    assert context.get_node_id() == engine["node_id"]
    assert context.get_job_id() == engine["job_id"] and len(context.get_job_id()) == 8
    assert len(context.get_worker_id()) == 56
    assert context.get_task_id() is None or len(context.get_task_id()) == 48
    assert context.get_actor_id() is None and context.get_actor_name() is None
    assert context.get_assigned_resources() == {}
    assert context.namespace
    with pytest.deprecated_call():
        assert context.node_id == trygon.NodeID.from_hex(engine["node_id"])
    assert trygon.get_gpu_ids() == []
    with pytest.raises(RuntimeError):
        context.current_actor  # noqa: B018
    assert os.path.isdir(context.get_temp_dir()) and context.get_session_name().startswith("session_")


def test_task(engine):
    @trygon.remote
    def ask():
        context = trygon.get_runtime_context()
        return (
            context.get_task_id(),
            context.get_task_name(),
            context.get_node_id(),
            context.get_job_id(),
            context.get_actor_id(),
        )

    ref = ask.remote()
    task_id, name, node_id, job_id, actor_id = trygon.get(ref)
    assert task_id == ref.task_id().hex()
    assert name == "ask" and actor_id is None
    assert (node_id, job_id) == (engine["node_id"], engine["job_id"])
    assert trygon.get(ask.options(name="renamed").remote())[1] == "renamed"


def test_actor(engine):
    @trygon.remote
    class Asker:
        def ask(self):
            context = trygon.get_runtime_context()
            return (
                context.get_actor_id(),
                context.get_actor_name(),
                context.was_current_actor_reconstructed,
                context.namespace,
            )

    asker = Asker.options(name="asker").remote()
    actor_id, name, again, namespace = trygon.get(asker.ask.remote())
    assert actor_id == asker._actor_id.hex() and name == "asker" and not again
    assert namespace == trygon.get_runtime_context().namespace


def test_assigned_resources(engine):
    @trygon.remote(num_cpus=2, resources={"widget": 0.5})
    def ask():
        return trygon.get_runtime_context().get_assigned_resources()

    assert trygon.get(ask.remote()) == {"CPU": 2.0, "widget": 0.5}


def test_gpus_are_told_apart():
    trygon.init(num_cpus=4, num_gpus=2)
    assert trygon.cluster_resources()["GPU"] == 2

    @trygon.remote(num_gpus=1)
    class Holder:
        def ids(self):
            import os

            return trygon.get_gpu_ids(), os.environ.get("CUDA_VISIBLE_DEVICES")

    one, two = Holder.remote(), Holder.remote()
    results = trygon.get([one.ids.remote(), two.ids.remote()], timeout=20)
    assert sorted(ids for ids, _ in results) == [[0], [1]]
    assert all(visible == str(ids[0]) for ids, visible in results)

    @trygon.remote(num_gpus=1)
    def task():
        return trygon.get_gpu_ids()

    del one
    assert trygon.get(task.remote(), timeout=20) in ([0], [1])
    trygon.kill(two)


def test_resources(engine):
    assert trygon.cluster_resources()["CPU"] == 4
    assert trygon.cluster_resources()["widget"] == 2
    assert trygon.available_resources()["CPU"] == 4
    nodes = trygon.nodes()
    assert len(nodes) == 1
    node = nodes[0]
    assert node["NodeID"] == engine["node_id"] and node["Alive"] is True and node["Resources"]["CPU"] == 4
    assert node["NodeManagerAddress"]


def test_namespace():
    trygon.init(num_cpus=1, namespace="mine")
    assert trygon.get_runtime_context().namespace == "mine"
    assert trygon.get(trygon.remote(lambda: trygon.get_runtime_context().namespace).remote()) == "mine"


def test_util(engine):
    assert trygon.util.get_node_ip_address()
    assert trygon.util.list_named_actors() == []
    assert trygon.util.list_named_actors(all_namespaces=True) == []


def test_init_inside_a_task_is_refused(engine):
    @trygon.remote
    def inside():
        assert trygon.is_initialized()
        trygon.shutdown()
        assert trygon.is_initialized()
        trygon.init(ignore_reinit_error=True)
        trygon.init()

    with pytest.raises(RuntimeError, match="started already"):
        trygon.get(inside.remote())


def test_the_program_of_the_driver_is_seen_in_workers(engine):
    import os
    import sys

    assert trygon.get(trygon.remote(os.getcwd).remote()) == os.getcwd()
    assert trygon.get(trygon.remote(lambda: sys.argv).remote()) == sys.argv
    assert trygon.get(trygon.remote(lambda: __import__("sys").prefix).remote()) == sys.prefix

"""What can be imported, from where, and what it is."""

import importlib
import inspect

import ray
from observe import case, raised, run

EXPORTED = """init shutdown is_initialized remote get put wait cancel kill get_actor get_gpu_ids method nodes timeline
cluster_resources available_resources get_runtime_context java_function java_actor_class cpp_function client
actor util ObjectRef ObjectRefGenerator DynamicObjectRefGenerator LoggingConfig Language
ActorClassID ActorID NodeID JobID WorkerID FunctionID ObjectID TaskID UniqueID PlacementGroupID SCRIPT_MODE WORKER_MODE
__version__ exceptions cloudpickle runtime_env""".split()

MODULES = """ray ray.actor ray.exceptions ray.cloudpickle ray.runtime_env ray.runtime_context ray.remote_function
ray.job_config ray.dag ray.types ray.internal ray.util ray.util.actor_pool ray.util.queue ray.util.multiprocessing
ray.util.joblib ray.util.placement_group ray.util.scheduling_strategies ray.util.metrics
ray.util.accelerators ray.util.annotations ray.util.collective ray.util.debug
ray.util.serialization ray.experimental ray.experimental.internal_kv
ray.experimental.tqdm_ray""".split()

IN_UTIL = """accelerators ActorPool as_completed disable_log_once_globally enable_periodic_logging log_once
placement_group placement_group_table get_placement_group get_current_placement_group get_node_ip_address map_unordered
remove_placement_group inspect_serializability register_serializer deregister_serializer
list_named_actors""".split()


@case
def exported():
    return {name: hasattr(ray, name) for name in EXPORTED}


@case
def modules():
    found = {}
    for name in MODULES:
        try:
            importlib.import_module(name)
            found[name] = True
        except ImportError:
            found[name] = False
    return found


@case
def in_util():
    return {name: hasattr(ray.util, name) for name in IN_UTIL}


@case
def from_imports():
    from ray.actor import ActorClass, ActorHandle, exit_actor
    from ray.exceptions import GetTimeoutError, RayTaskError
    from ray.remote_function import RemoteFunction
    from ray.runtime_context import RuntimeContext, get_runtime_context

    return (
        all(inspect.isclass(kind) for kind in (ActorClass, ActorHandle, RemoteFunction, RuntimeContext)),
        callable(exit_actor) and callable(get_runtime_context),
        issubclass(GetTimeoutError, Exception) and RayTaskError is ray.exceptions.RayTaskError,
    )


@case
def version():
    return ray.__version__.split("+")[0]


@case
def modes():
    return (ray.SCRIPT_MODE, ray.WORKER_MODE)


@case
def languages():
    return sorted(member for member in dir(ray.Language) if member.isupper())


@case
def accelerators():
    import ray.util.accelerators as accelerators

    names = "NVIDIA_TESLA_V100 NVIDIA_A100 NVIDIA_H100 NVIDIA_L4 INTEL_GAUDI AMD_INSTINCT_MI250 GOOGLE_TPU_V4"
    return {name: getattr(accelerators, name) for name in names.split()}


@case
def all_accelerators():
    import ray.util.accelerators.accelerators as accelerators

    return {name: getattr(accelerators, name) for name in dir(accelerators) if name.isupper()}


@case
def remote_makes():
    @ray.remote
    def f():
        return 1

    @ray.remote
    class A:
        pass

    def g():
        return 2

    return (
        type(f).__name__,
        isinstance(A, ray.actor.ActorClass),
        raised(f),
        raised(A),
        type(ray.remote(g)).__name__,
        raised(ray.remote, 5),
        raised(ray.remote, g, 5),
        f.__name__ if hasattr(f, "__name__") else None,
    )


@case
def subclass_of_actor():
    @ray.remote
    class Base:
        pass

    def derive():
        class Derived(Base):
            pass

        return Derived

    return raised(derive), ray.actor.ActorClassInheritanceException.__name__


@case
def no_such_name():
    return raised(getattr, ray, "no_such_name"), raised(importlib.import_module, "ray.no_such_module")


@case
def cloudpickle():
    offset = 3
    function = ray.cloudpickle.loads(ray.cloudpickle.dumps(lambda x: x + offset))
    return function(1), callable(ray.cloudpickle.CloudPickler)


run()

"""Exceptions: hierarchy, constructors, fields, pickling. Texts are each engine's own."""

import pickle

import ray
import ray.exceptions as exceptions
from observe import case, describe, run

NAMES = sorted(
    name
    for name, kind in vars(exceptions).items()
    if isinstance(kind, type) and issubclass(kind, ray.exceptions.RayError) and not name.startswith("_")
)
# What both packages must have; further ones of either are its own.
KNOWN = """ActorAlreadyExistsError ActorDiedError ActorHandleNotFoundError ActorPlacementGroupRemoved
ActorUnavailableError ActorUnschedulableError AsyncioActorExit AuthenticationError CrossLanguageError GetTimeoutError
LocalRayletDiedError NodeDiedError ObjectFetchTimedOutError ObjectFreedError ObjectLostError
ObjectReconstructionFailedError ObjectRefStreamEndOfStreamError ObjectStoreFullError
OufOfBandObjectRefSerializationException OutOfDiskError OutOfMemoryError OwnerDiedError PendingCallsLimitExceeded
PlasmaObjectNotAvailable RayActorError RayCgraphCapacityExceeded RayChannelError RayChannelTimeoutError
RayDirectTransportError RayError RaySystemError RayTaskError ReferenceCountingAssertionError RpcError
RuntimeEnvSetupError StreamingGeneratorReplayInconsistentError TaskCancelledError TaskPlacementGroupRemoved
TaskUnschedulableError UnserializableException UserCodeException WorkerCrashedError""".split()


@case
def hierarchy():
    return {name: describe(getattr(exceptions, name)()) if name in PLAIN else kinds(name) for name in KNOWN}


def kinds(name):
    kind = getattr(exceptions, name)
    return " < ".join(base.__name__ for base in kind.__mro__[:-2] if not base.__name__.startswith("_"))


PLAIN = [name for name in KNOWN if "Removed" in name or name in ("WorkerCrashedError", "AsyncioActorExit")]


@case
def nothing_is_missing():
    return [name for name in KNOWN if name not in NAMES]


def fields(error, *names):
    return {name: getattr(error, name) for name in names}


@case
def constructors():
    task_error = exceptions.RayTaskError("f", "text", ValueError("x"), "title", 3, "1.2.3.4", actor_repr="A()")
    return {
        "task": fields(task_error, "function_name", "traceback_str", "cause", "proctitle", "pid", "ip", "actor_repr"),
        "actor": fields(
            exceptions.RayActorError("ab", "msg", True, True), "actor_id", "error_msg", "actor_init_failed", "preempted"
        ),
        "died": fields(exceptions.ActorDiedError(task_error), "actor_init_failed", "preempted"),
        "unavailable": fields(exceptions.ActorUnavailableError("m", b"\1" * 16), "actor_id", "preempted"),
        "lost": fields(
            exceptions.ObjectLostError("ab" * 28, b"", "here"), "object_ref_hex", "owner_address", "call_site"
        ),
        "reconstruction": fields(
            exceptions.ObjectReconstructionFailedError("ab", reason_message="why"), "object_ref_hex", "reason_message"
        ),
        "system": fields(exceptions.RaySystemError("m", "tb"), "client_exc", "traceback_str"),
        "environment": fields(exceptions.RuntimeEnvSetupError("m"), "error_message"),
        "cancelled": fields(exceptions.TaskCancelledError(error_message="m"), "task_id", "error_message"),
        "rpc": fields(exceptions.RpcError("m", 14), "message", "rpc_code"),
        "node": fields(exceptions.NodeDiedError("m"), "message"),
        "memory": fields(exceptions.OutOfMemoryError("m"), "message"),
        "unschedulable": fields(exceptions.TaskUnschedulableError("m"), "error_message"),
        "exists": fields(exceptions.ActorAlreadyExistsError("m"), "error_message"),
    }


def samples():
    task_error = exceptions.RayTaskError("f", "text", ValueError("x"))
    lost = ("ab" * 28, None, "")
    return [
        task_error,
        task_error.as_instanceof_cause(),
        exceptions.RayActorError("ab", "msg"),
        exceptions.ActorDiedError(),
        exceptions.ActorDiedError(task_error),
        exceptions.ActorUnavailableError("m", None),
        exceptions.GetTimeoutError("m"),
        exceptions.ObjectLostError(*lost),
        exceptions.OwnerDiedError(*lost),
        exceptions.ObjectFreedError(*lost),
        exceptions.ReferenceCountingAssertionError(*lost),
        exceptions.RaySystemError("m"),
        exceptions.RuntimeEnvSetupError("m"),
        exceptions.TaskCancelledError(),
        exceptions.WorkerCrashedError(),
        exceptions.OutOfMemoryError("m"),
        exceptions.NodeDiedError("m"),
        exceptions.PendingCallsLimitExceeded("m"),
        exceptions.TaskUnschedulableError("m"),
        exceptions.ActorAlreadyExistsError("m"),
        exceptions.UnserializableException("m"),
    ]


@case
def pickling():
    found = []
    for error in samples():
        again = ray.cloudpickle.loads(ray.cloudpickle.dumps(error))
        found.append((describe(again), type(again).__name__ == type(error).__name__, str(again) == str(error)))
    return found


@case
def plain_pickling():
    return [
        str(pickle.loads(pickle.dumps(error))) == str(error) for error in samples() if "(" not in type(error).__name__
    ]


@case
def texts():
    return [
        str(exceptions.GetTimeoutError("m")),
        str(exceptions.PendingCallsLimitExceeded("m")),
        str(exceptions.RayTaskError("f", "text", ValueError("x"))),
        str(exceptions.RayActorError("ab", "msg")),
        str(exceptions.NodeDiedError("m")),
        str(exceptions.ActorAlreadyExistsError("m")),
        "m" in str(exceptions.RaySystemError("m")),
        "m" in str(exceptions.RuntimeEnvSetupError("m")),
        "m" in str(exceptions.ActorUnavailableError("m", None)),
        "ab" * 28 in str(exceptions.ObjectLostError("ab" * 28, None, "")),
        "here" in str(exceptions.ObjectLostError("ab" * 28, None, "here")),
        bool(str(exceptions.WorkerCrashedError())),
        bool(str(exceptions.ActorDiedError())),
    ]


@case
def both_kinds():
    error = exceptions.RayTaskError("f", "text", KeyError("x")).as_instanceof_cause()
    return isinstance(error, KeyError), isinstance(error, exceptions.RayTaskError), type(error).__name__, error.cause


@case
def caught_as():
    return (
        issubclass(exceptions.GetTimeoutError, TimeoutError),
        issubclass(exceptions.ActorAlreadyExistsError, ValueError),
        issubclass(exceptions.ActorDiedError, exceptions.RayActorError),
        issubclass(exceptions.ReferenceCountingAssertionError, AssertionError),
    )


run()

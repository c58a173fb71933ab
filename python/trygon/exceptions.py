"""Every exception that Trygon raises, with Ray's names and hierarchy. Classes only; what fills them is
`trygon._core.errors`.

RayError
├─ RayTaskError                        user code raised; raised as a class that is also the user's own
│  └─ CrossLanguageError
├─ TaskCancelledError
├─ WorkerCrashedError                  a worker died under a task
├─ LocalRayletDiedError, NodeDiedError
├─ RayActorError
│  ├─ ActorDiedError                   for good
│  └─ ActorUnavailableError            for now
├─ ObjectStoreFullError, OutOfDiskError, OutOfMemoryError
├─ ObjectLostError
│  └─ ObjectFetchTimedOutError, ObjectFreedError, OwnerDiedError, ObjectReconstructionFailedError,
│     ReferenceCountingAssertionError
├─ GetTimeoutError                     also a TimeoutError
├─ PendingCallsLimitExceeded, RuntimeEnvSetupError, TaskUnschedulableError, ActorUnschedulableError, …
└─ RaySystemError                      a defect of the engine itself

ActorAlreadyExistsError and ActorHandleNotFoundError are also ValueErrors.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class RayError(Exception):
    """Base of everything that the engine raises."""


class RayTaskError(RayError):
    """User code raised in a task or an actor's method.

    What `get` raises is an instance of this class and, where the user's class can be rebuilt, of that class too.
    `str()` gives the remote traceback, the user's own frames only; `cause` is the user's exception.
    """

    function_name: str = ""
    traceback_str: str = ""
    cause: BaseException | None = None
    proctitle: str = ""
    pid: int = 0
    ip: str = ""
    type_name: str = ""
    message: str = ""

    def __str__(self) -> str:
        return self.traceback_str or super().__str__()

    def __reduce__(self) -> Any:
        from trygon._core.errors import reduce_task_error

        return reduce_task_error(self)

    def as_instanceof_cause(self) -> RayTaskError:
        """This error as an instance of the user's class as well, where that is possible."""
        from trygon._core.errors import as_instance_of_cause

        return as_instance_of_cause(self)


class CrossLanguageError(RayTaskError):
    """Code in another language raised."""


class TaskCancelledError(RayError):
    """The result of a cancelled task was asked for."""

    task_id: str | None = None


class WorkerCrashedError(RayError):
    """The process that ran a task died, and no retry was left. The text names the one cause."""


class LocalRayletDiedError(RayError):
    """The daemon of this machine died."""


class NodeDiedError(RayError):
    """The machine that held the task died."""


class RayActorError(RayError):
    """A call could not be answered because of its actor's state."""

    actor_id: str | None = None
    preempted: bool = False
    actor_init_failed: bool = False
    cause: BaseException | None = None


class ActorDiedError(RayActorError):
    """The actor is dead for good."""


class ActorUnavailableError(RayActorError):
    """The actor cannot be reached now; the call may or may not have run."""


class RaySystemError(RayError):
    """Something inside the engine went wrong."""


class AuthenticationError(RayError):
    """A credential is missing or was refused."""


class UserCodeException(RayError):
    """Wraps what user code raised where no task is involved."""


class ObjectStoreFullError(RayError):
    """The object store is full and nothing in it can be dropped."""


class OutOfDiskError(RayError):
    """The disk that objects spill to is full."""


class OutOfMemoryError(RayError):
    """A process was stopped because it used more memory than it may."""


class ObjectLostError(RayError):
    """Every copy of an object is gone."""

    object_ref_hex: str = ""


class ObjectFetchTimedOutError(ObjectLostError):
    """An object could not be fetched in time."""


class ObjectFreedError(ObjectLostError):
    """The object was freed by hand."""


class OwnerDiedError(ObjectLostError):
    """The process that owned the object died."""


class ObjectReconstructionFailedError(ObjectLostError):
    """A lost object could not be made again."""


class ReferenceCountingAssertionError(ObjectLostError, AssertionError):
    """An object was deleted while a reference to it lived."""


class GetTimeoutError(RayError, TimeoutError):
    """`get` did not end within its timeout."""


class PlasmaObjectNotAvailable(RayError):
    """An object in the store was not there in time."""


class RpcError(RayError):
    """A call between two processes of the engine failed."""


class AsyncioActorExit(RayError):
    """An asynchronous actor ends itself."""


class RuntimeEnvSetupError(RayError):
    """The environment that a task or an actor asked for could not be made."""


class TaskPlacementGroupRemoved(RayError):
    """The placement group of a task was removed."""


class ActorPlacementGroupRemoved(RayError):
    """The placement group of an actor was removed."""


class TaskUnschedulableError(RayError):
    """No node can ever meet what the task asks for."""


class ActorUnschedulableError(RayError):
    """No node can ever meet what the actor asks for."""


class PendingCallsLimitExceeded(RayError):
    """An actor has as many unanswered calls as it allows."""


class ObjectRefStreamEndOfStreamError(RayError):
    """A stream of results has ended."""


class StreamingGeneratorReplayInconsistentError(RaySystemError):
    """A repeated generator gave another number of items than before."""


class OufOfBandObjectRefSerializationException(RayError):
    """A reference was pickled outside the engine where that is forbidden. (The spelling is Ray's.)"""


class RayChannelError(RayError):
    """A channel of a compiled graph failed."""


class RayChannelTimeoutError(RayChannelError, TimeoutError):
    """A channel of a compiled graph was too slow."""


class RayCgraphCapacityExceeded(RayError):
    """A compiled graph has too many executions in flight."""


class RayDirectTransportError(RayError):
    """A direct transfer between devices failed."""


class UnserializableException(RayError):
    """An exception could not be rebuilt here."""


class ActorAlreadyExistsError(ValueError, RayError):
    """The name is taken by a living actor of the namespace."""


class ActorHandleNotFoundError(ValueError, RayError):
    """The handle belongs to another session, or its actor is unknown here."""


__all__ = [
    "ActorAlreadyExistsError",
    "ActorDiedError",
    "ActorHandleNotFoundError",
    "ActorPlacementGroupRemoved",
    "ActorUnavailableError",
    "ActorUnschedulableError",
    "AsyncioActorExit",
    "AuthenticationError",
    "CrossLanguageError",
    "GetTimeoutError",
    "LocalRayletDiedError",
    "NodeDiedError",
    "ObjectFetchTimedOutError",
    "ObjectFreedError",
    "ObjectLostError",
    "ObjectReconstructionFailedError",
    "ObjectRefStreamEndOfStreamError",
    "ObjectStoreFullError",
    "OufOfBandObjectRefSerializationException",
    "OutOfDiskError",
    "OutOfMemoryError",
    "OwnerDiedError",
    "PendingCallsLimitExceeded",
    "PlasmaObjectNotAvailable",
    "RayActorError",
    "RayCgraphCapacityExceeded",
    "RayChannelError",
    "RayChannelTimeoutError",
    "RayDirectTransportError",
    "RayError",
    "RaySystemError",
    "RayTaskError",
    "ReferenceCountingAssertionError",
    "RpcError",
    "RuntimeEnvSetupError",
    "StreamingGeneratorReplayInconsistentError",
    "TaskCancelledError",
    "TaskPlacementGroupRemoved",
    "TaskUnschedulableError",
    "UnserializableException",
    "UserCodeException",
    "WorkerCrashedError",
]

"""Every exception that Trygon raises, with Ray's names and hierarchy. Classes only; what fills them is
`trygon._core.errors`.

RayError
├─ RayTaskError                        user code raised; raised as a class that is also the user's own
├─ CrossLanguageError
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
   └─ RayChannelError, RayCgraphCapacityExceeded, RayDirectTransportError, StreamingGeneratorReplayInconsistentError

ActorAlreadyExistsError and ActorHandleNotFoundError are also ValueErrors.
"""

from __future__ import annotations

from trygon._core.error_codes import RayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Described(RayError):
    """An error that says something even if it is given no text."""

    _DEFAULT = ""

    def __init__(self, message: str = "", *rest: object) -> None:
        super().__init__(*((message, *rest) if message or rest else ()))

    def __str__(self) -> str:
        return super().__str__() or self._DEFAULT


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
    actor_repr: str | None = None
    actor_id: str | None = None

    def __init__(
        self,
        function_name: str = "",
        traceback_str: str = "",
        cause: BaseException | None = None,
        proctitle: str | None = None,
        pid: int | None = None,
        ip: str | None = None,
        actor_repr: str | None = None,
        actor_id: str | None = None,
    ) -> None:
        super().__init__(function_name, traceback_str, cause, proctitle, pid, ip)
        import os

        self.function_name, self.traceback_str, self.cause = function_name, traceback_str, cause
        self.proctitle = function_name if proctitle is None else proctitle
        self.pid = os.getpid() if pid is None else pid
        self.ip = "127.0.0.1" if ip is None else ip
        self.actor_repr, self.actor_id = actor_repr, actor_id

    def __str__(self) -> str:
        return self.traceback_str or self.message or super().__str__()

    def __reduce__(self) -> Any:
        from trygon._core.errors import reduce_task_error

        return reduce_task_error(self)

    def as_instanceof_cause(self) -> RayTaskError:
        """This error as an instance of the user's class as well, where that is possible."""
        from trygon._core.errors import as_instance_of_cause

        return as_instance_of_cause(self)

    def make_dual_exception_instance(self) -> RayTaskError:
        """Ray's other name of `as_instanceof_cause`."""
        return self.as_instanceof_cause()


class CrossLanguageError(RayError):
    """Code in another language raised."""


class TaskCancelledError(RayError):
    """The result of a cancelled task was asked for. `task_id` names it where it is known."""

    def __init__(self, task_id: Any = None, error_message: str | None = None) -> None:
        if isinstance(task_id, str):
            task_id, error_message = None, task_id
        super().__init__(*(value for value in (task_id, error_message) if value is not None))
        self.task_id = task_id
        self.error_message = error_message

    def __str__(self) -> str:
        if self.error_message:
            return self.error_message
        return "The task was cancelled." if self.task_id is None else f"The task {self.task_id} was cancelled."

    task_id: str | None = None


class WorkerCrashedError(_Described):
    """The process that ran a task died, and no retry was left. The text names the one cause."""

    _DEFAULT = "The worker of this task died."


class LocalRayletDiedError(_Described):
    """The daemon of this machine died."""

    _DEFAULT = "The daemon of the task's machine died."


class NodeDiedError(_Described):
    """The machine that held the task died."""

    _DEFAULT = "The machine that ran the task died."

    @property
    def message(self) -> str:
        """The text."""
        return str(self)


class RayActorError(RayError):
    """A call could not be answered because of its actor's state."""

    BASE_ERROR_MSG = "The actor could not answer the call."

    actor_id: str | None = None
    error_msg: str = ""
    preempted: bool = False
    actor_init_failed: bool = False
    cause: BaseException | None = None

    def __init__(
        self,
        actor_id: str | None = None,
        error_msg: str = BASE_ERROR_MSG,
        actor_init_failed: bool = False,
        preempted: bool = False,
    ) -> None:
        super().__init__(*(() if actor_id is None and error_msg == self.BASE_ERROR_MSG else (actor_id, error_msg)))
        self.actor_id, self.error_msg = actor_id, error_msg
        self.actor_init_failed, self.preempted = actor_init_failed, preempted

    def __str__(self) -> str:
        return self.error_msg


class ActorDiedError(RayActorError):
    """The actor is dead for good. `cause` is what its constructor raised, if that is why."""

    BASE_ERROR_MSG = "The actor died before it answered the call."

    def __init__(self, cause: RayTaskError | str | None = None) -> None:
        if isinstance(cause, RayTaskError):
            super().__init__(None, f"The actor could not be made: its constructor raised.\n{cause}", True)
            self.actor_id, self.cause = cause.actor_id, cause
        else:
            super().__init__(None, cause or self.BASE_ERROR_MSG)
        self.args = () if cause is None else (cause,)


class ActorUnavailableError(RayActorError):
    """The actor cannot be reached now; the call may or may not have run."""

    def __init__(self, error_message: str = "The actor cannot be reached now.", actor_id: bytes | None = None) -> None:
        super().__init__(None if actor_id is None else actor_id.hex(), error_message)
        self.args = (error_message, actor_id)


class RaySystemError(RayError):
    """Something inside the engine went wrong. `client_exc` is what, `traceback_str` where, if that is known."""

    def __init__(self, client_exc: Any = "", traceback_str: str | None = None) -> None:
        super().__init__(*((client_exc,) if traceback_str is None else (client_exc, traceback_str)))
        self.client_exc, self.traceback_str = client_exc, traceback_str

    def __str__(self) -> str:
        return f"{self.client_exc}\n{self.traceback_str}" if self.traceback_str else str(self.client_exc)


class AuthenticationError(RayError):
    """A credential is missing or was refused."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class UserCodeException(RayError):
    """Wraps what user code raised where no task is involved."""


class ObjectStoreFullError(_Described):
    """The object store is full and nothing in it can be dropped."""

    _DEFAULT = "The object store is full of objects that are referred to."


class OutOfDiskError(_Described):
    """The disk that objects spill to is full."""

    _DEFAULT = "The disk for objects is full."


class OutOfMemoryError(_Described):
    """A process was stopped because it used more memory than it may."""

    _DEFAULT = "A process was stopped for its memory use."

    @property
    def message(self) -> str:
        """The text."""
        return str(self)


class ActorOutOfMemoryError(ActorDiedError, OutOfMemoryError):
    """The actor is dead for good: its process was stopped because it used more memory than it may."""


class ObjectLostError(RayError):
    """Every copy of an object is gone. `object_ref_hex` names it, `call_site` where its reference was made."""

    _DEFAULT = "cannot be had any more: every copy of it is gone"

    object_ref_hex: str = ""
    owner_address: bytes | None = None
    call_site: str = ""

    def __init__(
        self,
        object_ref_hex: str = "",
        owner_address: bytes | None = None,
        call_site: str = "",
        *,
        message: str | None = None,
    ) -> None:
        super().__init__(object_ref_hex, owner_address, call_site)
        self.object_ref_hex, self.owner_address, self.call_site = object_ref_hex, owner_address, call_site
        self._message = message

    def __str__(self) -> str:
        if self._message is not None:
            return self._message
        made = f" Its reference was made at {self.call_site}." if self.call_site else ""
        return f"Object {self.object_ref_hex} {self._DEFAULT}.{made}"


class ObjectFetchTimedOutError(ObjectLostError):
    """An object could not be fetched in time."""

    _DEFAULT = "could not be fetched in time: no process that has it was found"


class ObjectFreedError(ObjectLostError):
    """The object was freed by hand."""

    _DEFAULT = "was freed"


class OwnerDiedError(ObjectLostError):
    """The process that owned the object died."""

    _DEFAULT = "is lost because the process that owned it died"


class ObjectReconstructionFailedError(ObjectLostError):
    """A lost object could not be made again; `reason` and `reason_message` say why."""

    _DEFAULT = "is lost and could not be made again"

    def __init__(
        self,
        object_ref_hex: str = "",
        reason: Any = None,
        reason_message: str | None = None,
        owner_address: Any = None,
        call_site: str = "",
        *,
        message: str | None = None,
    ) -> None:
        super().__init__(object_ref_hex, owner_address, call_site, message=message)
        self.reason, self.reason_message = reason, reason_message

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text} ({self.reason_message})" if self.reason_message else text


class ReferenceCountingAssertionError(ObjectLostError, AssertionError):
    """An object was deleted while a reference to it lived."""

    _DEFAULT = "was deleted while a reference to it lived"


class GetTimeoutError(RayError, TimeoutError):
    """`get` did not end within its timeout."""


class PlasmaObjectNotAvailable(RayError):
    """An object in the store was not there in time."""


class RpcError(RayError):
    """A call between two processes of the engine failed."""

    def __init__(self, message: str = "", rpc_code: int | None = None) -> None:
        super().__init__(*((message,) if rpc_code is None else (message, rpc_code)))
        self.message, self.rpc_code = message, rpc_code

    def __str__(self) -> str:
        return self.message


class AsyncioActorExit(RayError):
    """An asynchronous actor ends itself."""


class RuntimeEnvSetupError(RayError):
    """The environment that a task or an actor asked for could not be made. `error_message` says why."""

    def __init__(self, error_message: str | None = None) -> None:
        super().__init__(*(() if error_message is None else (error_message,)))
        self.error_message = error_message

    def __str__(self) -> str:
        return self.error_message or "The runtime environment could not be made."


class TaskPlacementGroupRemoved(_Described):
    """The placement group of a task was removed."""

    _DEFAULT = "The placement group of this task was removed."


class ActorPlacementGroupRemoved(_Described):
    """The placement group of an actor was removed."""

    _DEFAULT = "The placement group of this actor was removed."


class TaskUnschedulableError(RayError):
    """No node can ever meet what the task asks for."""

    def __init__(self, error_message: str = "No node can run this task.") -> None:
        super().__init__(error_message)
        self.error_message = error_message


class ActorUnschedulableError(RayError):
    """No node can ever meet what the actor asks for."""

    def __init__(self, error_message: str = "No node can hold this actor.") -> None:
        super().__init__(error_message)
        self.error_message = error_message


class PendingCallsLimitExceeded(RayError):
    """An actor has as many unanswered calls as it allows."""


class ObjectRefStreamEndOfStreamError(RayError):
    """A stream of results has ended."""


class StreamingGeneratorReplayInconsistentError(RaySystemError):
    """A repeated generator gave another number of items than before."""


class OufOfBandObjectRefSerializationException(RayError):
    """A reference was pickled outside the engine where that is forbidden. (The spelling is Ray's.)"""


class RayChannelError(RaySystemError):
    """A channel of a compiled graph failed."""


class RayChannelTimeoutError(RayChannelError, TimeoutError):
    """A channel of a compiled graph was too slow."""


class RayCgraphCapacityExceeded(RaySystemError):
    """A compiled graph has too many executions in flight."""


class RayDirectTransportError(RaySystemError):
    """A direct transfer between devices failed."""


class UnserializableException(RayError):
    """An exception could not be rebuilt here; its text is the traceback of where it was raised."""

    def __init__(self, original_stack_trace: str = "") -> None:
        super().__init__(original_stack_trace)
        self._original_stack_trace = original_stack_trace

    def __str__(self) -> str:
        return f"The exception cannot be rebuilt in this process. Where it was raised:\n{self._original_stack_trace}"


class ActorAlreadyExistsError(ValueError, RayError):
    """The name is taken by a living actor of the namespace."""

    def __init__(self, error_message: str = "") -> None:
        super().__init__(error_message)
        self.error_message = error_message


class ActorHandleNotFoundError(ValueError, RayError):
    """The handle belongs to another session, or its actor is unknown here."""

    def __init__(self, error_message: str = "") -> None:
        super().__init__(error_message)
        self.error_message = error_message


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

"""The base of all exceptions of `trygon.exceptions`, and their codes.

`trygon explain CODE` prints a page about one: what happened, why, what to do.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

CODES = {
    "RayTaskError": "TRY0001",
    "TaskCancelledError": "TRY0002",
    "WorkerCrashedError": "TRY0003",
    "LocalRayletDiedError": "TRY0004",
    "NodeDiedError": "TRY0005",
    "ActorDiedError": "TRY0006",
    "ActorUnavailableError": "TRY0007",
    "OutOfMemoryError": "TRY0008",
    "ObjectStoreFullError": "TRY0009",
    "OutOfDiskError": "TRY0010",
    "ObjectLostError": "TRY0011",
    "ObjectFetchTimedOutError": "TRY0012",
    "ObjectFreedError": "TRY0013",
    "OwnerDiedError": "TRY0014",
    "ObjectReconstructionFailedError": "TRY0015",
    "ReferenceCountingAssertionError": "TRY0016",
    "GetTimeoutError": "TRY0017",
    "RuntimeEnvSetupError": "TRY0018",
    "TaskPlacementGroupRemoved": "TRY0019",
    "ActorPlacementGroupRemoved": "TRY0020",
    "TaskUnschedulableError": "TRY0021",
    "ActorUnschedulableError": "TRY0022",
    "PendingCallsLimitExceeded": "TRY0023",
    "StreamingGeneratorReplayInconsistentError": "TRY0024",
    "RaySystemError": "TRY0025",
    "AuthenticationError": "TRY0026",
    "ActorAlreadyExistsError": "TRY0027",
    "ActorHandleNotFoundError": "TRY0028",
    "RayChannelError": "TRY0029",
    "RayChannelTimeoutError": "TRY0030",
    "RayCgraphCapacityExceeded": "TRY0031",
    "UnserializableException": "TRY0032",
    "OufOfBandObjectRefSerializationException": "TRY0033",
    "RpcError": "TRY0034",
}


class RayError(Exception):
    """Base of everything that the engine raises. `code` names the page that `trygon explain` prints about the error."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        error = super().__new__(cls, *args, **kwargs)
        code = cls.code
        # Shown below the text in a traceback. What user code raised needs no page of ours.
        if code is not None and code != CODES["RayTaskError"]:
            error.__notes__ = [f"{code}: `trygon explain {code}` says why this happens and what to do."]
        return error

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = next((CODES[base.__name__] for base in cls.__mro__ if base.__name__ in CODES), None)

    code: str | None = None
    # Where programs look for it, and pickles.
    __module__ = "trygon.exceptions"

    def __reduce__(self) -> Any:
        # Constructors differ and may want what is not in `args`: what was made is copied, nothing is called again.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[RayError], args: tuple[Any, ...], state: dict[str, Any]) -> RayError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error

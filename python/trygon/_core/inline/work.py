"""One call to be run in this process: its arguments, its results, and how user code is run and its errors are kept."""

from __future__ import annotations

import threading
from contextvars import Context, ContextVar
from types import GeneratorType

from trygon._core.inline.values import Encoded, Entry, Failure, InlineRef, export_holding, lost, new_task_id
from trygon._core.serialization import unpickle_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trygon._core.inline.actors import Actor
    from trygon._core.inline.engine import Engine

QUEUED, RUNNING, DONE = range(3)

# What runs in this thread or in this asyncio task.
current_work: ContextVar[Work | None] = ContextVar("current_work", default=None)


class Work:
    """A task, an actor's call or an actor's constructor. Its fields change under the engine's lock."""

    __slots__ = (
        "__weakref__",
        "_arguments",
        "_keywords",
        "_load",
        "actor",
        "attempt",
        "cancel",
        "children",
        "dependencies",
        "engine",
        "entries",
        "group",
        "is_cancelled",
        "is_interrupted",
        "keeps_arguments",
        "max_retries",
        "name",
        "num_returns",
        "parent",
        "resources",
        "retry_exceptions",
        "state",
        "task_id",
        "thread",
    )
    is_constructor = False

    def __init__(
        self,
        engine: Engine,
        name: str,
        load: Callable[[], Callable[..., Any]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        *,
        num_returns: int = 1,
        max_retries: int = 0,
        retry_exceptions: Any = False,
        actor: Actor | None = None,
        resources: dict[str, float] | None = None,
    ) -> None:
        self.engine, self.name, self._load, self.actor = engine, name, load, actor
        self.num_returns, self.max_retries, self.retry_exceptions = num_returns, max_retries, retry_exceptions
        self.resources = resources or {}
        self.task_id = new_task_id()
        self.dependencies: list[Entry] = []
        self._arguments = [self._take(value) for value in args]
        self._keywords = {key: self._take(value) for key, value in (kwargs or {}).items()}
        self.state, self.attempt, self.thread = QUEUED, 0, 0
        self.entries: list[Entry] = []
        self.group = ""
        # A constructor may have to run again.
        self.keeps_arguments = False
        self.is_cancelled = self.is_interrupted = False
        self.cancel: Callable[[], object] | None = None
        self.parent = current_work.get()
        # Children are told when this is cancelled.
        self.children: dict[int, Work] = {}
        if self.parent is not None:
            self.parent.children[id(self)] = self

    def _take(self, value: Any) -> Entry | Encoded:
        if type(value) is InlineRef:
            if value._entry.engine is not self.engine:
                raise lost("an ObjectRef of an earlier session was passed; objects end with shutdown()")
            self.dependencies.append(value._entry)
            return value._entry
        return Encoded(value)

    def results(self) -> Any:
        """What the caller gets: a reference, several, or None."""
        self.entries = [Entry(self.engine, self, self.task_id, index) for index in range(self.num_returns)]
        if self.num_returns == 1:
            return InlineRef(self.entries[0])
        return [InlineRef(entry) for entry in self.entries] or None

    def failed_dependency(self) -> Failure | None:
        """The error of the first argument that has none to give."""
        for entry in self.dependencies:
            if isinstance(entry.outcome, Failure):
                return entry.outcome
        return None

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments as this call's own copies."""
        return [value.value() for value in self._arguments], {
            key: value.value() for key, value in self._keywords.items()
        }

    def release(self) -> None:
        """It is done: nothing of its arguments is kept."""
        if not self.keeps_arguments:
            self._arguments, self._keywords, self.dependencies = [], {}, []
        if self.parent is not None:
            self.parent.children.pop(id(self), None)
            self.parent = None
        if self.actor is not None:
            self.actor.pending -= not self.is_constructor

    def run_for(self, target: Any) -> Encoded | Failure | list[Encoded] | None:
        """Runs it, whatever it is run for."""
        return self.run()

    def run(self) -> Encoded | Failure | list[Encoded]:
        """Runs it in a context of its own, as often as its retries allow, and returns what came of it. Errors of user
        code are returned; Ctrl-C and a debugger's `quit` are raised.
        """
        # A task sees none of its caller's context variables.
        outcome: Encoded | Failure | list[Encoded] = Context().run(self._run)
        return outcome

    def _run(self) -> Any:
        current_work.set(self)
        failure = self.failed_dependency()
        if failure is not None:
            return failure
        while True:
            try:
                args, kwargs = self.arguments()
                return self.encode(self._load()(*args, **kwargs))
            except BaseException as error:
                outcome = self.failure_of(error)
                if outcome is not None:
                    return outcome

    async def run_async(self) -> Any:
        """As `run`, in an event loop; coroutines are awaited."""
        from asyncio import CancelledError

        current_work.set(self)
        failure = self.failed_dependency()
        if failure is not None:
            return failure
        while True:
            try:
                args, kwargs = self.arguments()
                value = self._load()(*args, **kwargs)
                if hasattr(value, "__await__"):
                    value = await value
                return self.encode(value)
            except BaseException as error:
                if isinstance(error, CancelledError) and self.is_cancelled:
                    return cancelled(self.name)
                outcome = self.failure_of(error)
                if outcome is not None:
                    return outcome

    def settle(self, outcome: Any) -> None:
        """What a constructor does with what came of it."""

    def is_runnable(self) -> bool:
        """Whether a helper may take it."""
        return True

    def encode(self, value: Any) -> Any:
        """The call's results as bytes."""
        if self.num_returns > 0 and type(value) is GeneratorType:
            return self._first_items(value)
        if self.num_returns == 1:
            return Encoded(value)
        if self.num_returns == 0:
            return []
        from trygon._core.hooks import split_returns

        return [Encoded(one) for one in split_returns(value, self.num_returns, self.name)]

    def _first_items(self, values: Any) -> Any:
        """As many items as there are results; from one that raises on, the error."""
        items: list[Encoded | Failure] = []
        try:
            for value in values:
                items.append(Encoded(value))
                if len(items) == self.num_returns:
                    break
        except Exception as error:
            failure = self.failure_of(error) if items else None
            if failure is None:
                raise
            items += [failure] * (self.num_returns - len(items))
        if len(items) < self.num_returns:
            raise ValueError(f"{self.name} has num_returns={self.num_returns}, but it yielded {len(items)} values.")
        return items[0] if self.num_returns == 1 else items

    def failure_of(self, error: BaseException) -> Failure | None:
        """What is kept of an error of user code; None when the call has to run again."""
        if self.is_cancelled and (self.actor is not None or _is_interruption(error)):
            return cancelled(self.name)
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise error
        if type(error).__name__ == "BdbQuit":
            raise error
        if isinstance(error, SystemExit):
            return self._exited(error)
        from trygon._core.errors import encode_error

        encoded = encode_error(error, self.name)
        if (self.attempt < self.max_retries or self.max_retries == -1) and self._is_retryable(error):
            self.attempt += 1
            return None
        return Failure(encoded)

    def _is_retryable(self, error: BaseException) -> bool:
        kinds = self.retry_exceptions
        if isinstance(kinds, bytes):
            kinds = unpickle_value(kinds, [])
        if isinstance(kinds, (list, tuple)):
            from trygon._core.errors import original_cause

            return isinstance(original_cause(error), tuple(kinds))
        return bool(kinds)

    def _exited(self, error: SystemExit) -> Failure | None:
        if self.actor is not None:
            return self.actor.left(self, error)
        if self.attempt < self.max_retries or self.max_retries == -1:
            self.attempt += 1
            return None
        message = f"sys.exit({'' if error.code is None else error.code}) was called"
        return Failure(
            kind="worker_died",
            details={
                "name": self.name,
                "cause_kind": "user_exit",
                "message": message,
                "attempts": self.attempt + 1,
                "pid": self.engine.pid,
            },
        )


def _is_interruption(error: BaseException) -> bool:
    from asyncio import CancelledError

    from trygon.exceptions import TaskCancelledError

    return isinstance(error, (KeyboardInterrupt, CancelledError, TaskCancelledError))


def cancelled(name: str) -> Failure:
    """What a cancelled call leaves."""
    return Failure(kind="cancelled", details={"name": name, "message": name})


def loader(engine: Engine, exporter: Callable[[], bytes]) -> Callable[[], Callable[..., Any]]:
    """What gives the function or class that user code runs: a copy by way of bytes, as another process would have it.
    What it closes over lives as long as the session.
    """
    body = export_holding(engine, exporter)
    loaded: list[Any] = []

    def load() -> Any:
        if not loaded:
            from trygon._core.serialization import load_exported

            loaded.append(load_exported(body))
        return loaded[0]

    return load

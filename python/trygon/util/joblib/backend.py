"""The backend: joblib's batches are calls of a crew."""

from __future__ import annotations

import os
from concurrent.futures import Future

from joblib.parallel import (  # type: ignore[import-not-found, unused-ignore]
    AutoBatchingMixin,
    BatchedCalls,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
)

import trygon
from trygon.util._calls import Call, original_error
from trygon.util._crew import Crew, end_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Arguments from this size on are stored once for all calls, instead of being sent with each.
_SHARED_BYTES = 2**20
_DEEPEST_PARALLEL_LEVEL = 1


class TrygonBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Runs joblib's calls in processes of the engine; they stay for as long as the backend does, so that what they
    have imported need not be imported again.

    `ray_remote_args` are options of the actors that the processes are, such as `{"num_gpus": 1}`.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    default_n_jobs = -1

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        ray_remote_args: dict[str, Any] | None = None,
        **backend_kwargs: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads, **backend_kwargs)
        if nesting_level:
            # A library's `Parallel(n_jobs=None)` inside a call means no processes of its own, as with joblib's
            # backends: otherwise each of n processes would start n more.
            self.default_n_jobs = 1
        self._remote_args = ray_remote_args
        self._crew: Crew | None = None
        # Large arguments of the current call by identity; holding them keeps the identities unique.
        self._shared: dict[int, tuple[Any, Any]] = {}

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many processes `n_jobs` means: negative numbers count from the number of CPUs of the cluster."""
        if n_jobs == 0:
            raise ValueError("n_jobs must not be 0: a positive number of processes, or -1 for all CPUs.")
        if n_jobs is None:
            return 1
        if n_jobs > 0:
            return n_jobs
        cpus = int(trygon.cluster_resources().get("CPU", 1))
        return max(cpus + 1 + n_jobs, 1)

    def configure(
        self, n_jobs: int = 1, parallel: Any = None, prefer: Any = None, require: Any = None, **options: Any
    ) -> int:
        """Makes the processes, or keeps those that there are."""
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        unknown = set(options) - {"ray_remote_args"} - _OTHERS_OPTIONS
        if unknown:
            raise ValueError(
                f"The joblib backend of Trygon has no option {', '.join(sorted(unknown))}; it has ray_remote_args."
            )
        self.parallel = parallel
        remote_args = options.get("ray_remote_args", self._remote_args)
        if self._crew is None or self._crew.size != n_jobs or self._crew.is_closed or remote_args != self._remote_args:
            self._remote_args = remote_args
            self._hire(n_jobs)
        return n_jobs

    def _hire(self, n_jobs: int) -> None:
        self._dismiss("The joblib backend was given another number of processes.")
        environment = {}
        if self.inner_max_num_threads is not None:
            environment = dict.fromkeys(self.MAX_NUM_THREADS_VARS, str(self.inner_max_num_threads))
        self._crew = Crew(n_jobs, initializer=_prepare, initargs=(environment,), actor_options=self._remote_args)
        end_with(self, self._crew, "The joblib backend was dropped.")

    def _dismiss(self, reason: str) -> None:
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.end(RuntimeError(reason))

    def submit(self, func: Any, callback: Callable[[Any], object] | None = None) -> Future[Any]:
        """Sends one batch."""
        future = _BatchFuture()
        if callback is not None:
            future.add_done_callback(callback)
        if self._crew is None:
            raise RuntimeError("The joblib backend has no processes: it was aborted.")
        self._crew.submit([Call("call_once", self._with_shared(func), ((), {}), future.take, calls_back=_always)])
        return future

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """What a batch returned."""
        return out.result()

    def stop_call(self) -> None:
        """Frees what was stored for the call."""
        self._shared.clear()

    def terminate(self) -> None:
        """At the end of a call; the processes stay."""
        self._shared.clear()
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Ends what runs, after an error."""
        crew = self._crew
        self._dismiss("Another call of the same joblib.Parallel failed.")
        self._shared.clear()
        if ensure_ready and crew is not None:
            self._hire(crew.size)

    def get_nested_backend(self) -> tuple[Any, int | None]:
        """What `joblib.Parallel` uses inside a call: this backend once more if it says `n_jobs`, then one after the
        other."""
        level = (self.nesting_level or 0) + 1
        if level > _DEEPEST_PARALLEL_LEVEL:
            return SequentialBackend(nesting_level=level), None
        return TrygonBackend(nesting_level=level, ray_remote_args=self._remote_args), None

    def __reduce__(self) -> Any:
        return _rebuild, (self.nesting_level, self.inner_max_num_threads, self._remote_args)

    # --- large arguments

    def _with_shared(self, batch: Any) -> Any:
        if not isinstance(batch, BatchedCalls):
            return batch
        items = [
            (function, tuple(map(self._share, args)), {name: self._share(value) for name, value in kwargs.items()})
            for function, args, kwargs in batch.items
        ]
        return _Batch(items, batch._backend, batch._n_jobs)

    def _share(self, value: Any) -> Any:
        size = getattr(value, "nbytes", None)
        if not isinstance(size, int) or size < _SHARED_BYTES:
            return value
        known = self._shared.get(id(value))
        if known is None:
            known = self._shared[id(value)] = (value, trygon.put(value))
        return _Shared(known[1])


# Options that joblib passes to every backend, or that are of other backends and mean nothing here.
_OTHERS_OPTIONS = frozenset(("max_nbytes", "mmap_mode", "temp_folder", "verbose", "context", "idle_worker_timeout"))


class _BatchFuture(Future):  # type: ignore[type-arg]
    def take(self, value: Any, error: BaseException | None) -> None:
        """The answer of the crew."""
        if not self.set_running_or_notify_cancel():
            return
        if error is not None:
            self.set_exception(original_error(error))
        else:
            self.set_result(value)


class _Shared:
    """Stands for an argument that is stored."""

    __slots__ = ("reference",)

    def __init__(self, reference: Any) -> None:
        self.reference = reference


class _Batch:
    """A batch with its large arguments taken out; calling it puts them back."""

    def __init__(self, items: list[Any], backend: Any, n_jobs: int | None) -> None:
        self.items, self.backend, self.n_jobs = items, backend, n_jobs

    def __call__(self) -> list[Any]:
        items = [
            (function, tuple(map(_fetch, args)), {name: _fetch(value) for name, value in kwargs.items()})
            for function, args, kwargs in self.items
        ]
        return BatchedCalls(items, (self.backend, self.n_jobs))()  # type: ignore[no-any-return]


def _fetch(value: Any) -> Any:
    return trygon.get(value.reference) if isinstance(value, _Shared) else value


def _prepare(environment: dict[str, str]) -> None:
    os.environ.update(environment)


def _rebuild(nesting_level: int | None, threads: int | None, remote_args: dict[str, Any] | None) -> TrygonBackend:
    return TrygonBackend(nesting_level=nesting_level, inner_max_num_threads=threads, ray_remote_args=remote_args)


def _always() -> bool:
    return True

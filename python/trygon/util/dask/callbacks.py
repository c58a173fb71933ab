"""Hooks into a computation: around each submission, around each task where it runs, and at the end."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from dask.callbacks import Callback  # type: ignore[import-not-found, unused-ignore]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

FIELDS = ("ray_presubmit", "ray_postsubmit", "ray_pretask", "ray_posttask", "ray_postsubmit_all", "ray_finish")


class Hooks(NamedTuple):
    """The hooks of one callback object, or None for those that it has not."""

    ray_presubmit: Any
    ray_postsubmit: Any
    ray_pretask: Any
    ray_posttask: Any
    ray_postsubmit_all: Any
    ray_finish: Any


class TrygonDaskCallback(Callback):  # type: ignore[misc]
    """Hooks, given by keyword or as methods of a subclass with an underscore before their name (`_ray_pretask`).

    - `ray_presubmit(task, key, deps)`: before a task is submitted. What it returns, unless None, is taken for the
      result, and the task is not run.
    - `ray_postsubmit(task, key, deps, object_ref)`: after that.
    - `ray_pretask(key, object_refs)`: where the task runs, before it. What it returns is handed to
    - `ray_posttask(key, result, pre_state)`: where the task ran, after it.
    - `ray_postsubmit_all(object_refs, dsk)`: after all were submitted, with the references of what was asked for.
    - `ray_finish(result)`: with the result.

    Used with `with`, or registered; as dask's own callbacks are.
    """

    ray_active: set[Hooks] = set()

    def __init__(self, **hooks: Callable[..., Any]) -> None:
        for field in FIELDS:
            hook = hooks.pop(field, None)
            if hook is not None:
                setattr(self, f"_{field}", hook)
        super().__init__(**hooks)

    @property
    def _ray_callback(self) -> Hooks:
        return Hooks(*[getattr(self, f"_{field}", None) for field in FIELDS])

    def __enter__(self) -> Self:
        self._entered = self._ray_callback
        TrygonDaskCallback.ray_active.add(self._entered)
        super().__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        TrygonDaskCallback.ray_active.discard(self._entered)
        super().__exit__(*details)

    def register(self) -> None:
        """Has the hooks called from here on."""
        self._entered = self._ray_callback
        TrygonDaskCallback.ray_active.add(self._entered)
        super().register()

    def unregister(self) -> None:
        """Undoes `register`."""
        TrygonDaskCallback.ray_active.discard(self._entered)
        super().unregister()


@contextlib.contextmanager
def local_ray_callbacks(callbacks: Any = None) -> Iterator[set[Hooks]]:
    """The hooks that count for one computation: those given, else those that are active. Computations inside it have
    none.
    """
    active = TrygonDaskCallback.ray_active
    chosen = set(active) if callbacks is None else {_normal(callback) for callback in callbacks}
    TrygonDaskCallback.ray_active = set()
    try:
        yield chosen
    finally:
        TrygonDaskCallback.ray_active = active


def _normal(callback: Any) -> Hooks:
    if isinstance(callback, TrygonDaskCallback):
        return callback._ray_callback
    if isinstance(callback, Hooks):
        return callback
    raise TypeError(f"ray_callbacks must be RayDaskCallback objects, but {type(callback).__name__} was given.")


def unpack_ray_callbacks(callbacks: Any) -> Hooks:
    """For each field the list of hooks, or None if no callback has it."""
    columns = [[hook for hook in column if hook is not None] for column in zip(*callbacks, strict=True)]
    return Hooks(*[column or None for column in columns or [[]] * len(FIELDS)])


class ProgressBarCallback(TrygonDaskCallback):
    """Shows how many tasks of a computation are done."""

    def __init__(self) -> None:
        super().__init__()
        self._references: list[Any] = []

    def _ray_postsubmit(self, task: Any, key: Any, deps: Any, object_ref: Any) -> None:
        self._references.append(object_ref)

    def _ray_postsubmit_all(self, object_refs: Any, dsk: Any) -> None:
        import trygon
        from trygon._core.progress_bar import tqdm

        waiting, self._references = self._references, []
        bar = tqdm(desc="dask", total=len(waiting), unit="task")
        try:
            while waiting:
                ready, waiting = trygon.wait(waiting, num_returns=len(waiting), timeout=0.1)
                bar.update(len(ready))
        finally:
            bar.close()

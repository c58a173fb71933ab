"""Dask's graphs as tasks of the engine: each task of the graph is one, and what it needs are its arguments.

The whole graph is submitted at once; results in between live only until the last task that needs them has run.
"""

from __future__ import annotations

from collections.abc import Mapping

import dask  # type: ignore[import-not-found, unused-ignore]
from dask._task_spec import (  # type: ignore[import-not-found, unused-ignore]
    Alias,
    DataNode,
    Task,
    convert_legacy_graph,
)
from dask.callbacks import local_callbacks, unpack_callbacks  # type: ignore[import-not-found, unused-ignore]

import trygon
from trygon.util.dask.callbacks import Hooks, local_ray_callbacks, unpack_ray_callbacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEFAULT_SHUFFLE = "tasks"


def enable_dask_on_trygon(shuffle: str | None = _DEFAULT_SHUFFLE, use_shuffle_optimization: bool | None = True) -> Any:
    """Has dask compute with the engine from here on; used with `with`, only inside it. `shuffle` is the way in which
    dataframes are shuffled. `use_shuffle_optimization` has no effect: dask's own optimizer does what it did.
    """
    settings: dict[str, Any] = {"scheduler": trygon_dask_get}
    if shuffle is not None:
        settings["dataframe.shuffle.method"] = shuffle
    return dask.config.set(settings)


def disable_dask_on_trygon() -> Any:
    """Undoes `enable_dask_on_trygon`."""
    return dask.config.set({"scheduler": None, "dataframe.shuffle.method": None})


def dataframe_optimize(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """The graph as it is: what Ray's function of this name rewrote, dask's optimizer has done by now."""
    return dsk


def trygon_dask_get(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """A scheduler for dask: computes `keys` of the graph `dsk`.

    `ray_remote_args` are options of all tasks; `dask.annotate(ray_remote_args=...)` gives options to some.
    `ray_callbacks` are hooks, see `TrygonDaskCallback`. With `ray_persist` the results are references.
    """
    return _get(dsk, keys, kwargs, one_by_one=False)


def trygon_dask_get_sync(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """Like `trygon_dask_get`, one task after the other: for looking for errors."""
    return _get(dsk, keys, kwargs, one_by_one=True)


def trygon_dask_persist(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """Like `trygon_dask_get`; the results are references to what stays in the object store."""
    return _get(dsk, keys, {**kwargs, "ray_persist": True}, one_by_one=False)


def _get(dsk: Any, keys: Any, kwargs: dict[str, Any], *, one_by_one: bool) -> Any:
    persist = kwargs.get("ray_persist", False)
    common = kwargs.get("ray_remote_args") or {}
    progress = kwargs.get("_ray_enable_progress_bar")
    chosen = kwargs.get("ray_callbacks")
    if progress:
        from trygon.util.dask.callbacks import ProgressBarCallback

        chosen = [*(chosen or ()), ProgressBarCallback()]
    with local_ray_callbacks(chosen) as ray_callbacks, local_callbacks(kwargs.get("callbacks")) as dask_callbacks:
        hooks = unpack_ray_callbacks(ray_callbacks)
        graph = _Graph(dsk, _flat(keys), common, hooks, one_by_one=one_by_one)
        graph.observe(dask_callbacks)
        references = graph.references(keys)
        for hook in hooks.ray_postsubmit_all or ():
            hook([graph.references(key) for key in _flat(keys)], dsk)
        graph.wait_for_all()
        result = references if persist else _values(references)
        for hook in hooks.ray_finish or ():
            hook(result)
        graph.finish(failed=False)
        return result


class _Graph:
    """One computation."""

    def __init__(self, dsk: Any, wanted: list[Any], common: dict[str, Any], hooks: Hooks, *, one_by_one: bool) -> None:
        self._options = _options_by_key(dsk, common)
        self._common = {**common, **_remote_args(dask.get_annotations())}
        if not isinstance(dsk, Mapping):
            dsk = dsk.__dask_graph__()
        self._tasks = convert_legacy_graph(dict(dsk))
        self._wanted, self._hooks, self._one_by_one = wanted, hooks, one_by_one
        # References by key, or values that hooks or the graph itself gave.
        self._known: dict[Any, Any] = {}
        self._uses: dict[Any, int] = {}
        self._dsk = dsk
        self._observers: Any = ([], [], [], [], [])
        self._state: dict[str, Any] = {}
        self._submitted: list[tuple[Any, Any]] = []

    def observe(self, callbacks: Any) -> None:
        """Calls dask's own callbacks; everything else follows."""
        if callbacks:
            self._observers = tuple([hook for hook in column if hook] for column in unpack_callbacks(callbacks))
        start, start_state, *_ = self._observers
        for hook in start:
            hook(self._dsk)
        order = self._order()
        self._state = {"waiting": {}, "ready": list(order), "running": set(), "finished": set(), "cache": {}}
        for hook in start_state:
            hook(self._dsk, self._state)
        try:
            for key in order:
                self._submit(key)
        except BaseException:
            self.finish(failed=True)
            raise

    def _order(self) -> list[Any]:
        """What has to be computed, each after what it needs."""
        order: list[Any] = []
        seen = set()
        stack = [(key, False) for key in reversed(self._wanted)]
        while stack:
            key, is_ready = stack.pop()
            if is_ready:
                order.append(key)
            elif key not in seen:
                seen.add(key)
                task = self._tasks.get(key)
                if task is None:
                    raise ValueError(f"The graph has no task {key!r}, which is asked for or needed by another task.")
                stack.append((key, True))
                for needed in task.dependencies:
                    self._uses[needed] = self._uses.get(needed, 0) + 1
                    stack.append((needed, False))
        for key in self._wanted:
            self._uses[key] = self._uses.get(key, 0) + 1
        return order

    def _submit(self, key: Any) -> None:
        task = self._tasks[key]
        if isinstance(task, DataNode):
            value = task()
            self._known[key] = value if isinstance(value, trygon.ObjectRef) else trygon.put(value)
            return
        needed = {name: self._known[name] for name in task.dependencies}
        if isinstance(task, Alias):
            self._known[key] = needed[task.target]
        else:
            self._known[key] = self._run(key, task, needed)
        for name in needed:
            self._uses[name] -= 1
            if not self._uses[name]:
                # What still runs keeps what it needs; this would keep it until the end.
                del self._known[name]

    def _run(self, key: Any, task: Any, needed: dict[Any, Any]) -> Any:
        hooks = self._hooks
        for hook in hooks.ray_presubmit or ():
            given = hook(task, key, needed)
            if given is not None:
                return given if isinstance(given, trygon.ObjectRef) else trygon.put(given)
        for hook in self._observers[2]:
            hook(key, self._dsk, self._state)
        options = self._options.get(key) or self._common
        run = _run_task.options(name=f"dask:{_short(key)}", **options) if options else _run_task
        around = (hooks.ray_pretask, hooks.ray_posttask) if hooks.ray_pretask or hooks.ray_posttask else None
        reference = run.remote(task, key, around, _holds_reference(task), tuple(needed), *needed.values())
        for hook in hooks.ray_postsubmit or ():
            hook(task, key, needed, reference)
        if self._one_by_one:
            trygon.wait([reference])
            trygon.get(reference)
        if any(self._observers):
            self._submitted.append((key, reference))
        return reference

    def references(self, keys: Any) -> Any:
        """What was asked for, in its nesting."""
        if isinstance(keys, list):
            return tuple(self.references(key) for key in keys)
        return self._known[keys]

    def wait_for_all(self) -> None:
        """Tells dask's callbacks of each task that is done; without them there is nothing to wait for here."""
        if not self._submitted:
            return
        from trygon.util.helpers import as_completed

        posttask = self._observers[3]
        keys = {reference: key for key, reference in self._submitted}
        self._state["ready"].clear()
        self._state["running"].update(key for key, _ in self._submitted)
        for reference in as_completed([reference for _, reference in self._submitted], yield_obj_refs=True):
            key = keys[reference]
            self._state["running"].discard(key)
            self._state["finished"].add(key)
            for hook in posttask:
                hook(key, reference, self._dsk, self._state, "trygon")

    def finish(self, *, failed: bool) -> None:
        """The end, for dask's callbacks."""
        for hook in self._observers[4]:
            hook(self._dsk, self._state, failed)


def _run_in_worker(
    task: Any, key: Any, around: Any, holds_reference: bool, names: tuple[Any, ...], *values: Any
) -> Any:
    pre_task, post_task = around or (None, None)
    if holds_reference:
        task = _with_values(task)
    states = [hook(key, values) for hook in pre_task or ()]
    result = task(dict(zip(names, values, strict=True)))
    for index, hook in enumerate(post_task or ()):
        hook(key, result, states[index] if index < len(states) else None)
    return result


_run_task = trygon.remote(_run_in_worker)


# --- What was persisted stands in later graphs as references, and dask may have fused those into tasks.


def _holds_reference(node: Any) -> bool:
    if isinstance(node, trygon.ObjectRef):
        return True
    if isinstance(node, DataNode):
        return isinstance(node.value, trygon.ObjectRef)
    if isinstance(node, Task):
        return any(map(_holds_reference, node.args)) or any(map(_holds_reference, node.kwargs.values()))
    if type(node) is dict:
        return any(map(_holds_reference, node.values()))
    return False


def _with_values(node: Any) -> Any:
    """The task with values in the places of references."""
    if isinstance(node, trygon.ObjectRef):
        return trygon.get(node)
    if isinstance(node, DataNode) and isinstance(node.value, trygon.ObjectRef):
        return DataNode(node.key, trygon.get(node.value))
    if isinstance(node, Task):
        changed = node.copy()
        changed.args = tuple(map(_with_values, node.args))
        changed.kwargs = {name: _with_values(value) for name, value in node.kwargs.items()}
        return changed
    if type(node) is dict:
        return {key: _with_values(value) for key, value in node.items()}
    return node


def _flat(keys: Any) -> list[Any]:
    if isinstance(keys, list):
        return [key for part in keys for key in _flat(part)]
    return [keys]


def _values(references: Any) -> Any:
    """The values of nested references, fetched together."""
    flat: list[Any] = []

    def collect(part: Any) -> None:
        if isinstance(part, tuple):
            for one in part:
                collect(one)
        else:
            flat.append(part)

    collect(references)
    values = iter(trygon.get(flat))

    def build(part: Any) -> Any:
        return tuple(build(one) for one in part) if isinstance(part, tuple) else next(values)

    return build(references)


def _short(key: Any) -> str:
    text = str(key[0] if isinstance(key, tuple) and key else key)
    return text.rpartition("-")[0] or text


def _remote_args(annotations: Any) -> dict[str, Any]:
    if "resources" in annotations:
        raise ValueError("dask.annotate(resources=...) has no meaning here; use dask.annotate(ray_remote_args={...}).")
    return dict(annotations.get("ray_remote_args") or {})


def _options_by_key(dsk: Any, common: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    """Options of the tasks that were made under `dask.annotate(ray_remote_args=...)`."""
    found: dict[Any, dict[str, Any]] = {}
    outside = _remote_args(dask.get_annotations())
    if hasattr(dsk, "__dask_annotations__"):
        annotations = dsk.__dask_annotations__()
        for key, options in _remote_args(annotations).items():
            found[key] = {**common, **outside, **options}
        return found
    for layer in getattr(dsk, "layers", {}).values():
        if layer.annotations:
            options = {**common, **outside, **_remote_args(layer.annotations)}
            found.update(dict.fromkeys(layer, options))
    return found

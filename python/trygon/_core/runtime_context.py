"""`get_runtime_context()`: where the calling code runs."""

from __future__ import annotations

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._core import ids
    from trygon._core.actor_handle import ActorHandle


def _unsupported(what: str) -> NotImplementedError:
    return NotImplementedError(f"get_runtime_context().{what} is not supported by this version of Trygon.")


def _deprecated(name: str, instead: str) -> None:
    import warnings

    warnings.warn(
        f"get_runtime_context().{name} is deprecated; use {instead} instead.", DeprecationWarning, stacklevel=3
    )


def _running_function() -> str | None:
    """The user's function that the engine called in this thread: the outermost frame above the worker's own."""
    import sys

    frame: Any = sys._getframe()
    while frame is not None and frame.f_back is not None:
        if frame.f_back.f_globals.get("__name__") == "trygon._core.worker_main":
            return f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    return None


# Kinds of devices that programs for Ray look up; those that this machine has are filled in.
_DEVICE_KINDS = ("GPU", "TPU", "neuron_cores", "HPU", "NPU", "RBLN", "FURIOSA", "TTNPU", "MBLT")


class RuntimeContext:
    """Asks the engine at each call, so it may be kept."""

    def get_job_id(self) -> str:
        """The job's id, hexadecimal."""
        return str(_native.context()["job_id"])

    def get_node_id(self) -> str:
        """The machine's id, hexadecimal."""
        return str(_native.context()["node_id"])

    def get_worker_id(self) -> str:
        """This process's id, hexadecimal."""
        return str(_native.context()["worker_id"])

    def get_task_id(self) -> str | None:
        """The running task's id, hexadecimal; None in the driver."""
        return _native.context()["task_id"] or None

    def get_task_name(self) -> str | None:
        """The running task's name, `Class.method` in an actor; None in the driver."""
        context = _native.context()
        if context["mode"] != "worker":
            return None
        name: str = context["task_name"] or ""
        if context["actor_id"] and "." not in name:
            from trygon._core.actor_handle import meta_of
            from trygon._core.worker_main import current_actor_meta

            meta = current_actor_meta()
            if meta:
                known = meta_of(meta)
                name = f"{known.class_name}.{name}" if name in known.methods else name
        return name or None

    def get_task_function_name(self) -> str | None:
        """The running function's name with its module, whatever the task is called; None in the driver."""
        context = _native.context()
        if context["mode"] != "worker":
            return None
        if context["actor_id"]:
            from trygon._core.actor_handle import meta_of
            from trygon._core.worker_main import current_actor_meta

            meta = current_actor_meta()
            return f"{meta_of(meta).module}.{self.get_task_name()}" if meta else self.get_task_name()
        return _running_function() or self.get_task_name()

    def get_actor_id(self) -> str | None:
        """The actor's id, hexadecimal; None outside of actors."""
        return _native.context()["actor_id"] or None

    def get_actor_name(self) -> str | None:
        """The actor's name, empty if it has none; None outside of actors."""
        context = _native.context()
        return str(context.get("actor_name") or "") if context["actor_id"] else None

    @property
    def namespace(self) -> str:
        """The namespace that names of actors are looked up in."""
        return str(_native.context()["namespace"])

    @property
    def was_current_actor_reconstructed(self) -> bool:
        """Whether this is not the actor's first life."""
        return bool(_native.context().get("actor_incarnation"))

    @property
    def current_actor(self) -> ActorHandle:
        """A handle on the actor that this code runs in."""
        actor_id = self.get_actor_id()
        if actor_id is None:
            raise RuntimeError("current_actor exists only in a method of an actor.")
        from trygon._core.actor_handle import rebuild_handle
        from trygon._core.worker_main import current_actor_meta

        meta = _native.context().get("actor_meta") or current_actor_meta()
        return rebuild_handle(bytes.fromhex(actor_id), None, meta)

    def get_assigned_resources(self) -> dict[str, float]:
        """What the running task or actor holds; empty in the driver."""
        context = _native.context()
        return dict(context["resources"]) if context["mode"] == "worker" else {}

    def get_accelerator_ids(self) -> dict[str, list[str]]:
        """Which devices the running task or actor holds."""
        devices: dict[str, list[int]] = _native.context()["devices"]
        none: dict[str, list[str]] = {kind: [] for kind in _DEVICE_KINDS}
        return {**none, **{name: [str(index) for index in indices] for name, indices in devices.items()}}

    def get_resource_ids(self) -> dict[str, list[str]]:
        """Ray's older name of `get_accelerator_ids`."""
        _deprecated("get_resource_ids()", "get_accelerator_ids()")
        return self.get_accelerator_ids()

    def get_runtime_env_string(self) -> str:
        """The runtime environment of this process as JSON; `{}` for the plain one."""
        import json

        return json.dumps(self.runtime_env, sort_keys=True)

    @property
    def runtime_env(self) -> dict[str, Any]:
        """The runtime environment of this process; empty for the plain one."""
        from trygon._core.runtime_env import state
        from trygon._core.runtime_env.public import RuntimeEnv

        return RuntimeEnv(_validate=False, **(state.current["fields"] if state.current else {}))

    def get_node_labels(self) -> dict[str, str]:
        """The machine's labels."""
        from trygon._core.state import nodes

        here = self.get_node_id()
        return next((dict(node["Labels"]) for node in nodes() if node["NodeID"] == here), {})

    def get_placement_group_id(self) -> str | None:
        """The id of the placement group that this code runs in, hexadecimal; None outside of groups."""
        return _native.context()["placement_group_id"] or None

    @property
    def current_placement_group_id(self) -> ids.PlacementGroupID:
        """The id of the placement group that this code runs in; nil outside of groups."""
        from trygon._core.ids import PlacementGroupID

        text = self.get_placement_group_id()
        return PlacementGroupID.nil() if text is None else PlacementGroupID.from_hex(text)

    @property
    def should_capture_child_tasks_in_placement_group(self) -> bool:
        """Whether what this code submits runs in its placement group, unless it says where."""
        return bool(_native.context()["placement_group_captures"])

    @property
    def gcs_address(self) -> str:
        """The machine's address."""
        return str(_native.context()["node_address"])

    def is_canceled(self) -> bool:
        """Whether the running task or call was cancelled: a call of an actor, which is not interrupted, looks here.

        RuntimeError in the driver.
        """
        if _native.context()["mode"] != "worker":
            raise RuntimeError("is_canceled() tells a task or an actor's call about itself; the driver is neither.")
        return _native.is_canceled()

    def get_temp_dir(self) -> str:
        """A folder for temporary files: `TRYGON_TMPDIR`, else the system's. The engine itself keeps none."""
        import os
        import tempfile

        return os.environ.get("TRYGON_TMPDIR") or tempfile.gettempdir()

    def get_session_name(self) -> str:
        """A name that this run of the engine has alone."""
        return f"session_{_native.context()['node_id'][:32]}"

    # Ray's older forms.

    def get(self) -> dict[str, Any]:
        """Everything as a dict."""
        _deprecated("get()", "the get_...() methods")
        from trygon._core import ids

        found: dict[str, Any] = {
            "job_id": ids.JobID.from_hex(self.get_job_id()),
            "node_id": ids.NodeID.from_hex(self.get_node_id()),
            "namespace": self.namespace,
        }
        task, actor = self.get_task_id(), self.get_actor_id()
        if task is not None:
            found["task_id"] = ids.TaskID.from_hex(task)
        if actor is not None:
            found["actor_id"] = ids.ActorID.from_hex(actor)
        return found

    @property
    def job_id(self) -> ids.JobID:
        """The job."""
        _deprecated("job_id", "get_job_id()")
        from trygon._core.ids import JobID

        return JobID.from_hex(self.get_job_id())

    @property
    def node_id(self) -> ids.NodeID:
        """The machine."""
        _deprecated("node_id", "get_node_id()")
        from trygon._core.ids import NodeID

        return NodeID.from_hex(self.get_node_id())

    @property
    def task_id(self) -> ids.TaskID | None:
        """The running task."""
        _deprecated("task_id", "get_task_id()")
        from trygon._core.ids import TaskID

        text = self.get_task_id()
        return None if text is None else TaskID.from_hex(text)

    @property
    def actor_id(self) -> ids.ActorID | None:
        """The actor."""
        _deprecated("actor_id", "get_actor_id()")
        from trygon._core.ids import ActorID

        text = self.get_actor_id()
        return None if text is None else ActorID.from_hex(text)


_context = RuntimeContext()


def get_runtime_context() -> RuntimeContext:
    """Where the calling code runs: job, node, task, actor, resources."""
    _native.context()
    return _context


def get_gpu_ids() -> list[int]:
    """The GPUs that the running task or actor holds; in the driver, none."""
    return [int(index) for index in _native.context()["devices"].get("GPU", [])]

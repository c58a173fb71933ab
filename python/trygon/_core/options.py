"""Options of tasks and actors: every name that Ray knows is known here; what is not supported yet is refused by its
name.

Validation happens where the option is written (`@remote(...)`, `.options(...)`), so nothing is checked per call.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Check = Callable[[str, Any], None]

GRANULARITY = 10_000
_RESERVED = ("CPU", "GPU", "memory", "object_store_memory")
_MOST_RETURNS = 1000
_DEMANDING = ("accelerator_type", "label_selector", "fallback_strategy", "scheduling_strategy")
_PLACING = (
    "scheduling_strategy",
    "placement_group",
    "placement_group_bundle_index",
    "placement_group_capture_child_tasks",
)


def _amount(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"The option {name} must be a number, but {type(value).__name__} was given.")
    if not 0 <= value < float("inf"):
        raise ValueError(f"The option {name} must be a number >= 0, but {value} was given.")
    if value and round(value * GRANULARITY) == 0:
        raise ValueError(f"The option {name} cannot be finer than 0.0001, but {value} was given.")


def _devices(name: str, value: Any) -> None:
    _amount(name, value)
    if value is not None and value > 1 and value != int(value):
        raise ValueError(
            f"The option {name} must be a whole number above 1 (a task shares one device or has whole ones), got"
            f" {value}."
        )


def _memory(name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise TypeError(f"The option {name} must be a number of bytes, but {type(value).__name__} was given.")
    if value is not None and value < 0:
        raise ValueError(f"The option {name} must be >= 0 bytes, but {value} was given.")


def check_resources(name: str, value: Any) -> None:
    """Custom resources: names to amounts, none of the built-in names."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise TypeError(f"The option {name} must be a dict of names and amounts, but {type(value).__name__} was given.")
    for resource, amount in value.items():
        if not isinstance(resource, str):
            raise TypeError(f"Names in {name} must be str, but {resource!r} was given.")
        if resource in _RESERVED:
            instead = {"CPU": "num_cpus", "GPU": "num_gpus"}.get(resource, resource)
            raise ValueError(f"Use the option {instead} instead of naming {resource} in {name}.")
        _amount(f"{name}[{resource!r}]", amount)


def _integer(least: int, *, or_none: bool = True) -> Check:
    def check(name: str, value: Any) -> None:
        if value is None and or_none:
            return
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"The option {name} must be an int, but {type(value).__name__} was given.")
        if value < least:
            raise ValueError(f"The option {name} must be >= {least}, but {value} was given.")

    return check


def _num_returns(name: str, value: Any) -> None:
    if value in ("streaming", "dynamic"):
        return
    if isinstance(value, str):
        raise ValueError(f'The option {name} must be an int >= 0, "streaming" or "dynamic", but {value!r} was given.')
    _integer(0)(name, value)
    if value is not None and value > _MOST_RETURNS:
        raise ValueError(
            f"The option {name} can be {_MOST_RETURNS} at most, but {value} was given; return a list of references"
            " instead."
        )


def _backpressure(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"The option {name} must be an int, but {type(value).__name__} was given.")
    if value == 0:
        raise ValueError(
            f"The option {name} must be at least 1, the most items that wait to be taken, or -1 for no limit, but 0 was"
            " given."
        )


def _text(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"The option {name} must be a str, but {type(value).__name__} was given.")
    if value == "":
        raise ValueError(f"The option {name} must not be empty.")


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"The option {name} must be True or False, but {type(value).__name__} was given.")


def _retry_exceptions(name: str, value: Any) -> None:
    from trygon._core.retries import check_retry_exceptions

    check_retry_exceptions(name, value)


def _checkpoint(name: str, value: Any) -> None:
    if value is not None:
        from trygon._core.checkpoint.settings import check

        check(name, value)


def _accelerator_type(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"The option {name} must be a str such as 'A100', but {type(value).__name__} was given.")


def check_init_labels(labels: Any) -> dict[str, str]:
    """Labels of a node, as `init` takes them."""
    if labels is None:
        return {}
    from trygon._core.scheduling import check_labels

    return check_labels("labels of init()", labels)


def _not_for_tasks(name: str, value: Any) -> None:
    if value is not None:
        raise ValueError(f"The option {name} is not for tasks; give it to init(), or leave it out.")


def _scheduling(check_name: str) -> Check:
    """A check of `scheduling.py`, which few programs need."""

    def check(name: str, value: Any) -> None:
        if value is not None:
            from trygon._core import scheduling

            getattr(scheduling, check_name)(name, value)

    return check


def _bundle_index(name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise TypeError(f"The option {name} must be an int, but {type(value).__name__} was given.")


def _flag_or_none(name: str, value: Any) -> None:
    if value is not None:
        _flag(name, value)


def unsupported(name: str, value: Any) -> NotImplementedError:
    """The refusal of something that Ray has and Trygon does not have yet."""
    return NotImplementedError(
        f"The option {name}={value!r} is not supported by this version of Trygon; leave it out, or use its default."
    )


def _default_only(*defaults: Any) -> Check:
    def check(name: str, value: Any) -> None:
        if not any(value is default or (type(value) is type(default) and value == default) for default in defaults):
            raise unsupported(name, value)

    return check


def _max_pending_calls(name: str, value: Any) -> None:
    _integer(-1)(name, value)
    if value == 0:
        raise ValueError(f"The option {name} must be -1 (no limit) or at least 1, but 0 was given.")


def _lifetime(name: str, value: Any) -> None:
    if value not in (None, "detached", "non_detached"):
        raise ValueError(f"The option {name} must be None, 'detached' or 'non_detached', but {value!r} was given.")


def _concurrency_groups(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise TypeError(f"The option {name} must be a dict of names and limits, but {type(value).__name__} was given.")
    for group, limit in value.items():
        if not isinstance(group, str) or not group:
            raise TypeError(f"Names in {name} must be non-empty str, but {group!r} was given.")
        _integer(1, or_none=False)(f"{name}[{group!r}]", limit)


def check_runtime_env(name: str, value: Any) -> None:
    """A runtime environment: None, a dict or a RuntimeEnv."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise TypeError(f"The option {name} must be a dict or a RuntimeEnv, but {type(value).__name__} was given.")
    if value:
        from trygon._core.runtime_env.fields import check_fields

        check_fields(value)


_COMMON: dict[str, Check] = {
    "num_cpus": _amount,
    "num_gpus": _devices,
    "memory": _memory,
    "resources": check_resources,
    "name": _text,
    "accelerator_type": _accelerator_type,
    "label_selector": _scheduling("check_selector"),
    "fallback_strategy": _scheduling("check_fallback"),
    "runtime_env": check_runtime_env,
    "scheduling_strategy": _scheduling("check_strategy"),
    "placement_group": _scheduling("check_group"),
    "placement_group_bundle_index": _bundle_index,
    "placement_group_capture_child_tasks": _flag_or_none,
    # What runs is on record only for programs that ask for it.
    "enable_task_events": _flag,
    "_labels": _default_only(None, {}),
    "_metadata": _default_only(None),
}

TASK_OPTIONS: dict[str, Check] = {
    **_COMMON,
    "object_store_memory": _not_for_tasks,
    "num_returns": _num_returns,
    "max_retries": _integer(-1),
    "retry_exceptions": _retry_exceptions,
    "max_calls": _integer(0),
    "_generator_backpressure_num_objects": _backpressure,
    "_num_objects_per_yield": _integer(1),
}

ACTOR_OPTIONS: dict[str, Check] = {
    **_COMMON,
    "object_store_memory": _memory,
    "namespace": _text,
    "get_if_exists": _flag,
    "max_restarts": _integer(-1),
    "max_task_retries": _integer(-1),
    "checkpoint": _checkpoint,
    "lifetime": _lifetime,
    "max_concurrency": _integer(1),
    "max_pending_calls": _max_pending_calls,
    "concurrency_groups": _concurrency_groups,
    "allow_out_of_order_execution": _flag_or_none,
    "enable_tensor_transport": _default_only(False),
    "_actor_generator_backpressure_num_objects": _backpressure,
}

METHOD_OPTIONS: dict[str, Check] = {
    "num_returns": _num_returns,
    "max_task_retries": _integer(-1),
    "name": _text,
    "concurrency_group": _text,
    "retry_exceptions": _retry_exceptions,
    # What runs is on record only for programs that ask for it.
    "enable_task_events": _flag,
    "tensor_transport": _default_only(None),
    "_generator_backpressure_num_objects": _backpressure,
    "_num_objects_per_yield": _integer(1),
}


def check_options(options: Mapping[str, Any], known: Mapping[str, Check], what: str) -> None:
    """Refuses unknown names (ValueError), wrong types (TypeError), wrong values (ValueError), and what is not
    supported yet
    (NotImplementedError)."""
    for name, value in options.items():
        check = known.get(name)
        if check is None:
            raise ValueError(_unknown(name, known, what))
        check(name, value)


def _unknown(name: str, known: Mapping[str, Check], what: str) -> str:
    from difflib import get_close_matches

    public = sorted(option for option in known if not option.startswith("_"))
    close = get_close_matches(name, public, 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"{what} has no option {name}.{hint} Its options are: {', '.join(public)}."


def check_task_options(options: Mapping[str, Any], *, in_options_call: bool) -> None:
    """Checks options of a task."""
    check_options(options, TASK_OPTIONS, "A task")
    if in_options_call:
        check_items_per_yield(options)
    if in_options_call and "max_calls" in options:
        raise ValueError("The option max_calls belongs to the function: give it to @remote(...), not to .options(...).")


def check_items_per_yield(options: Mapping[str, Any]) -> None:
    """Refuses to change for one call what the function itself yields."""
    if options.get("_num_objects_per_yield", 1) != 1:
        raise ValueError(
            "The option _num_objects_per_yield belongs to the function: give it to @remote(...) or @method(...), not to"
            " .options(...)."
        )


def check_actor_options(options: Mapping[str, Any], *, in_options_call: bool) -> None:
    """Checks options of an actor."""
    check_options(options, ACTOR_OPTIONS, "An actor")
    if in_options_call and "concurrency_groups" in options:
        raise ValueError(
            "The option concurrency_groups belongs to the class: give it to @remote(...), not to .options(...)."
        )
    if options.get("get_if_exists") and not options.get("name"):
        raise ValueError("The option get_if_exists needs a name: there is nothing to look for without one.")
    if options.get("max_task_retries") and not options.get("max_restarts"):
        # Ray accepts this: retries then only help while the actor is unreachable.
        return


def _explicit(options: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {name: float(amount) for name, amount in (options.get("resources") or {}).items()}
    if options.get("num_gpus"):
        found["GPU"] = float(options["num_gpus"])
    if options.get("memory"):
        found["memory"] = float(options["memory"])
    if options.get("object_store_memory"):
        found["object_store_memory"] = float(options["object_store_memory"])
    return {name: amount for name, amount in found.items() if amount}


def environment_of(options: Mapping[str, Any]) -> Callable[[], bytes] | None:
    """What prepares the runtime environment of these options and returns its key; None when they name none."""
    fields = options.get("runtime_env")
    if not fields:
        return None

    def prepare() -> bytes:
        from trygon._core.runtime_env.prepare import environment_key

        return environment_key(fields)

    return prepare


def _demands(options: Mapping[str, Any]) -> dict[str, float]:
    if not any(options.get(name) for name in _DEMANDING):
        return {}
    from trygon._core.scheduling import demands

    return demands(options)


def placement(options: Mapping[str, Any], resources: Mapping[str, float], name: str) -> tuple[str, bool] | None:
    """Where in which placement group; None when the options do not say."""
    if not any(option in options for option in _PLACING):
        return None
    from trygon._core import scheduling

    return scheduling.placement(options, resources, name)


def task_resources(options: Mapping[str, Any]) -> dict[str, float]:
    """What one task holds while it runs; one CPU unless it says otherwise."""
    num_cpus = options.get("num_cpus")
    cpus = 1.0 if num_cpus is None else float(num_cpus)
    return {**({"CPU": cpus} if cpus else {}), **_explicit(options), **_demands(options)}


def actor_resources(options: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """What placing an actor takes, and what it holds while it lives. With nothing said: one CPU to place it, none to
    live.
    """
    named = [options.get(name) for name in ("num_cpus", "num_gpus", "memory", "resources")]
    if all(value is None for value in named):
        return {"CPU": 1.0, **_demands(options)}, _explicit(options)
    needed = task_resources(options)
    from trygon._core.scheduling import PLACES

    # Where it may be is asked once: it does not move.
    return needed, {name: amount for name, amount in needed.items() if not name.startswith(PLACES)}

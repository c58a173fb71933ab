"""`LoggingConfig`: one form of log lines for the program and its workers, each line with where it was written.

The driver sets up its own root logger and puts the configuration into the environment that the daemon and so the
workers inherit; a worker reads it before its first task.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import LogRecord
    from typing import Any

VARIABLE = "TRYGON_LOGGING_CONFIG"
_ENCODINGS = ("TEXT", "JSON")
_STANDARD_ATTRIBUTES = frozenset(
    ("name", "msg", "args", "levelname", "levelno", "pathname", "filename", "module", "exc_info", "exc_text")
    + ("stack_info", "lineno", "funcName", "created", "msecs", "relativeCreated", "thread", "threadName")
    + ("processName", "process", "taskName", "message", "asctime")
)
_ALWAYS = ("asctime", "levelname", "message", "filename", "lineno", "process")


class LoggingConfig:
    """How the program and its workers log.

    `encoding` is "TEXT" (lines with `key=value` at the end) or "JSON" (one object a line); `log_level` a level of the
    standard library; `additional_log_standard_attrs` names attributes of `logging.LogRecord` to add. Each line tells
    job, worker and node, and in workers the task and actor. ValueError for an unknown encoding, level or attribute.
    """

    def __init__(
        self,
        encoding: str = "TEXT",
        log_level: int | str = "INFO",
        additional_log_standard_attrs: list[str] | None = None,
    ) -> None:
        if encoding not in _ENCODINGS:
            raise ValueError(f"The encoding of LoggingConfig must be one of {', '.join(_ENCODINGS)}, not {encoding!r}.")
        import logging

        # Raises ValueError or TypeError for what is no level.
        logging.Handler(log_level)
        attributes = list(additional_log_standard_attrs or ())
        for name in attributes:
            if name not in _STANDARD_ATTRIBUTES:
                known = ", ".join(sorted(_STANDARD_ATTRIBUTES))
                raise ValueError(f"{name!r} is no attribute of a log record; the attributes are: {known}.")
        self.encoding, self.log_level, self.additional_log_standard_attrs = encoding, log_level, attributes

    def __repr__(self) -> str:
        return (
            f"LoggingConfig(encoding={self.encoding!r}, log_level={self.log_level!r},"
            f" additional_log_standard_attrs={self.additional_log_standard_attrs!r})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LoggingConfig) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(repr(self))

    def to_json(self) -> str:
        """As text, for the environment of workers."""
        import json

        return json.dumps(vars(self))


def apply(config: LoggingConfig) -> None:
    """Makes the root logger and the engine's own write to stderr in this form."""
    import logging

    _forget_former()
    handler = logging.StreamHandler()
    handler.setLevel(config.log_level)
    handler.setFormatter(_formatter(config))
    handler._trygon = True  # type: ignore[attr-defined]
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(config.log_level)
    # What was set for the engine's loggers alone gives way.
    for name in ("trygon", "ray"):
        logging.getLogger(name).setLevel(config.log_level)


def apply_in_worker() -> None:
    """Sets up logging as the driver said, if it did."""
    text = os.environ.get(VARIABLE)
    if text:
        import json

        apply(LoggingConfig(**json.loads(text)))


def _forget_former() -> None:
    import logging

    root = logging.getLogger()
    for handler in list(root.handlers):
        if getattr(handler, "_trygon", False):
            root.removeHandler(handler)


def where() -> dict[str, Any]:
    """Job, worker, node, and in workers task and actor, as log lines name them. Empty while the engine does not run."""
    from trygon import _native

    try:
        context = _native.context() if _native.is_initialized() else None
    except Exception:
        context = None
    if context is None:
        return {}
    found = {name: context.get(name) for name in ("job_id", "worker_id", "node_id", "actor_id")}
    if context.get("mode") == "worker":
        found["task_id"], found["task_name"] = context.get("task_id"), context.get("task_name")
        found["task_func_name"] = context.get("task_function_name") or context.get("task_name")
        found["actor_name"] = context.get("actor_name")
    return {name: value for name, value in found.items() if value}


def _extra(record: LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra=`."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD_ATTRIBUTES and not name.startswith("_")
    }


def _formatter(config: LoggingConfig) -> Any:
    import logging
    import time

    attributes = config.additional_log_standard_attrs

    def fields(record: LogRecord) -> dict[str, Any]:
        chosen = {name: getattr(record, name, None) for name in attributes}
        return {**chosen, **_extra(record), **where(), "timestamp_ns": time.time_ns()}

    class Json(logging.Formatter):
        """One JSON object a line."""

        def format(self, record: LogRecord) -> str:
            """The record as JSON."""
            import json

            record.message = record.getMessage()
            record.asctime = self.formatTime(record)
            line = {name: getattr(record, name) for name in _ALWAYS}
            if record.exc_info:
                line["exc_text"] = self.formatException(record.exc_info)
            if record.stack_info:
                line["stack_info"] = self.formatStack(record.stack_info)
            return json.dumps({**line, **fields(record)}, default=str)

    class Text(logging.Formatter):
        """A line for people, with `key=value` at its end."""

        def format(self, record: LogRecord) -> str:
            """The record as text."""
            return " ".join([super().format(record), *(f"{name}={value}" for name, value in fields(record).items())])

    if config.encoding == "JSON":
        return Json()
    return Text("%(asctime)s\t%(levelname)s %(filename)s:%(lineno)s -- %(message)s")

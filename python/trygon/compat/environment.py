"""Ray's environment variables: those that mean something here are handed on under Trygon's names, the others are named
in one warning.
"""

from __future__ import annotations

import os
import warnings

# Ray's variable and Trygon's.
_SAME_MEANING = {
    "RAY_ADDRESS": "TRYGON_ADDRESS",
    "RAY_NAMESPACE": "TRYGON_NAMESPACE",
    "RAY_DEDUP_LOGS": "TRYGON_DEDUP_LOGS",
    "RAY_LOG_TO_DRIVER": "TRYGON_LOG_TO_DRIVER",
    "RAY_ENABLE_AUTO_CONNECT": "TRYGON_ENABLE_AUTO_CONNECT",
    "RAY_OVERRIDE_RESOURCES": "TRYGON_OVERRIDE_RESOURCES",
    "RAY_JOB_CONFIG_JSON_ENV_VAR": "TRYGON_JOB_CONFIG_JSON",
    "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "TRYGON_KEEP_CUDA_VISIBLE_DEVICES",
    "RAY_PROFILING": "TRYGON_TIMELINE",
    "RAY_max_lineage_bytes": "TRYGON_MAX_LINEAGE_BYTES",
    "RAY_TMPDIR": "TRYGON_TMPDIR",
    "RAY_DEBUG_POST_MORTEM": "TRYGON_DEBUG_POST_MORTEM",
    "RAY_memory_usage_threshold": "TRYGON_MEMORY_USAGE_THRESHOLD",
    "RAY_memory_monitor_refresh_ms": "TRYGON_MEMORY_MONITOR_REFRESH_MS",
    "RAY_task_oom_retries": "TRYGON_TASK_OOM_RETRIES",
    "RAY_task_oom_retry_delay_base_ms": "TRYGON_TASK_OOM_RETRY_DELAY_BASE_MS",
    "RAY_worker_oom_score_adjustment": "TRYGON_WORKER_OOM_SCORE_ADJUSTMENT",
}
# What these ask for needs nothing done: there is no folder, no token, no report of usage, no import to warn about.
_NOTHING_TO_DO = frozenset(
    (
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO",
        "RAY_AUTH_MODE",
        "RAY_AUTH_TOKEN",
        "RAY_AUTH_TOKEN_PATH",
        "RAY_BACKEND_LOG_LEVEL",
        "RAY_CHDIR_TO_TRIAL_DIR",
        "RAY_COLOR_PREFIX",
        "RAY_DISABLE_IMPORT_WARNING",
        "RAY_DISABLE_DOCKER_CPU_WARNING",
        "RAY_DEBUG",
        "RAY_IGNORE_UNHANDLED_ERRORS",
        "RAY_IGNORE_VERSION_MISMATCH",
        "RAY_LOGGER_LEVEL",
        "RAY_START_HOOK",
        "RAY_USAGE_STATS_ENABLED",
        "RAY_USAGE_STATS_PROMPT_ENABLED",
        "RAY_WORKER_NICENESS",
    )
)

_warned: set[str] = set()


def apply() -> None:
    """Sets Trygon's variables from Ray's, where Trygon's own are not set. Warns once about those without effect."""
    unknown = []
    for name in sorted(os.environ):
        if not name.startswith("RAY_"):
            continue
        own = _SAME_MEANING.get(name)
        if own is not None:
            os.environ.setdefault(own, os.environ[name])
        elif name not in _NOTHING_TO_DO and name not in _warned:
            unknown.append(name)
    if unknown:
        _warned.update(unknown)
        warnings.warn(
            f"These environment variables of Ray have no effect under Trygon: {', '.join(unknown)}.",
            UserWarning,
            stacklevel=3,
        )

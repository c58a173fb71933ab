"""What the programs of this folder share: cases that are run one after the other, and their observations as JSON.

A program runs unchanged under Ray and under `trygon.compat`; equal JSON means equal behaviour as far as it looks.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys

_LIMIT_S = 60
_cases = []


def case(function):
    """Registers a function without arguments; what it returns or raises is the observation of its name."""
    _cases.append(function)
    return function


class TookTooLong(BaseException):
    """A case did not end in time."""


def run(**init_arguments):
    """Runs the cases, under one engine if arguments for `init` are given, and writes what they showed."""
    import warnings

    import ray

    warnings.simplefilter("ignore")
    if init_arguments:
        import logging

        arguments = {"include_dashboard": False, "logging_level": logging.ERROR, "log_to_driver": False}
        ray.init(**{**arguments, **init_arguments})
    signal.signal(signal.SIGALRM, _too_long)
    wanted = sys.argv[1:]
    found = {}
    for function in _cases:
        if wanted and function.__name__ not in wanted:
            continue
        signal.alarm(_LIMIT_S)
        try:
            found[function.__name__] = canonical(function())
        except (Exception, TookTooLong, KeyboardInterrupt, SystemExit) as error:
            found[function.__name__] = {"raised": describe(error)}
            if os.environ.get("PARITY_TRACE"):
                import traceback

                traceback.print_exc()
        finally:
            signal.alarm(0)
    ray.shutdown()
    text = json.dumps(found, indent=1, sort_keys=True)
    path = os.environ.get("PARITY_OUT")
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    else:
        print(text)


def _too_long(*_):
    raise TookTooLong(f"not done after {_LIMIT_S} s")


def describe(error):
    """An exception's class and bases, by name; names that start with an underscore are nobody's business."""
    names = [kind.__name__ for kind in type(error).__mro__ if not kind.__name__.startswith("_")]
    return " < ".join(names[: names.index("BaseException")] if "BaseException" in names else names)


def raised(function, *arguments, **options):
    """What calling raises, described; "nothing" if it does not."""
    try:
        value = function(*arguments, **options)
    except Exception as error:
        return describe(error)
    return f"nothing, but {type(value).__name__}"


def canonical(value):
    """The value as JSON, with what JSON cannot tell apart kept apart."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [canonical(item) for item in value]}
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((canonical(item) for item in value), key=repr)}
    if isinstance(value, dict):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, BaseException):
        return {"error": describe(value)}
    if isinstance(value, type):
        return {"class": value.__name__}
    if type(value).__module__ == "numpy":
        with contextlib.suppress(AttributeError):
            return {"array": str(value.dtype), "shape": list(value.shape), "values": canonical(value.tolist())}
    return {"instance": type(value).__name__}

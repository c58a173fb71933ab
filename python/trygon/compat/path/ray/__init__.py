"""What a new Python finds as `ray` when its parent runs under Trygon: installs the real alias and steps aside."""

try:
    from trygon.compat.ray import install
except ImportError as error:
    raise ImportError(
        "This process was started by a program that runs on Trygon in place of Ray, but Trygon cannot be imported"
        f" here ({error}). Install it for this Python too, or take the folder {__path__[0]!r} out of PYTHONPATH.",
        name="ray",
    ) from error

install()

__all__ = ["install"]

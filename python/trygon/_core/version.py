"""The package's version; the same as the binary's."""

VERSION = "0.1.0"
# What `ray.__version__` says when Trygon stands in for Ray: programs compare it.
RAY_COMPATIBLE_VERSION = f"2.60.0+trygon.{VERSION}"
version = RAY_COMPATIBLE_VERSION
commit = ""

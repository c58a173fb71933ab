"""The package's version; the same as the binary's."""

VERSION = "0.1.0"

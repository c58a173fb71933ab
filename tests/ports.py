"""Ports that nobody uses, for tests that run beside others."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A TCP port that is free on loopback now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])

"""Runtime environments: the types that Ray's programs import from here."""

from trygon._core.runtime_env.public import RuntimeEnv, RuntimeEnvConfig

__all__ = ["RuntimeEnv", "RuntimeEnvConfig"]

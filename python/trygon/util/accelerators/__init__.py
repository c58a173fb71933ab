"""Names of accelerators, for the option `accelerator_type`."""

from __future__ import annotations

from trygon.util.accelerators import accelerators as _accelerators
from trygon.util.accelerators.accelerators import *  # noqa: F403

# Ray's older names.
NVIDIA_TESLA_A100 = _accelerators.NVIDIA_A100

__all__ = sorted([name for name in vars(_accelerators) if name.isupper()] + ["NVIDIA_TESLA_A100"])

"""Durations as Helm's flags take them."""

from __future__ import annotations

import re

from sametag.errors import UsageError

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

_PART = r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)"


def seconds(duration: str) -> float:
    """Read a duration such as `1m30s`. Source: https://pkg.go.dev/time#ParseDuration.

    Raises:
        UsageError: It is none, or it is negative.
    """
    if duration == "0":
        return 0.0
    if not re.fullmatch(f"(?:{_PART})+", duration, re.ASCII):
        raise UsageError(f"{duration} is not a duration", "write it as 90s, 5m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, duration, re.ASCII))

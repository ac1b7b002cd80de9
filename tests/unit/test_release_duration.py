"""Durations as Helm's flags take them."""

from __future__ import annotations

import pytest

from sametag.errors import UsageError
from sametag.helm.duration import seconds


@pytest.mark.parametrize(
    ("duration", "expected"),
    [("0", 0), ("90s", 90), ("5m0s", 300), ("1h30m", 5400), ("1.5m", 90), (".5s", 0.5), ("1m1ms", 60.001)],
)
def test_a_duration_is_gos(duration: str, expected: float) -> None:
    assert seconds(duration) == pytest.approx(expected)


@pytest.mark.parametrize("duration", ["", "90", "s", "-5s", "5 m", "1d", "٣s", "1s1"])
def test_what_is_none_is_said(duration: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        seconds(duration)

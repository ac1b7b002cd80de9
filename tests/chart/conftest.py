"""What the chart's tests share: the real Helms."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rendering import Chart

if TYPE_CHECKING:
    from pathlib import Path


def needed(variable: str) -> str:
    value = os.environ.get(variable)
    assert value, f"{variable} is not set: make test sets it"
    return value


@pytest.fixture
def helm(request: pytest.FixtureRequest) -> str:
    """A real Helm: Helm 4, or each that `rendering.BOTH_HELMS` names.

    The goldens prove that both render the same, so both are asked only where values are read, merged and checked.
    """
    return needed(f"SAMETAG_{getattr(request, 'param', 'HELM4')}")


@pytest.fixture
def render(helm: str, tmp_path: Path) -> Chart:
    return Chart(helm, tmp_path)

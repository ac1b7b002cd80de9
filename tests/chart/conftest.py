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


@pytest.fixture(params=["HELM4", "HELM3"])
def helm(request: pytest.FixtureRequest) -> str:
    """A real Helm: every test runs on both."""
    return needed(f"SAMETAG_{request.param}")


@pytest.fixture
def render(helm: str, tmp_path: Path) -> Chart:
    return Chart(helm, tmp_path)

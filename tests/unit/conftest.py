"""What the unit tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fake_api import ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    """A running API server whose kubeconfig is `api.kubeconfig`."""
    with ApiServer(tmp_path / "kubeconfig") as server:
        yield server

"""What a revision costs in the cluster: its Secret may have 1 MiB, and there are thirty of them."""

from __future__ import annotations

import base64
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from gifinator import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Ran
    from gifinator import Kubectl


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_the_schema_takes_little_of_a_revision(
    run: Callable[..., Ran], namespace: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    """Two releases of the chart, one without its schema, and the size of what the API server keeps of each."""
    chart = ROOT / "chart"
    without = shutil.copytree(chart, tmp_path / "chart")
    (without / "values.schema.json").unlink()
    service = {"command": ["/app"], "replicas": 0}
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps({"image": {"repository": "app", "tag": "1"}, "services": {"web": service}}))

    sizes = []
    for name, folder in (("all", chart), ("less", without)):
        assert run("helm", "install", name, str(folder), "--namespace", namespace, "--values", str(values)).code == 0
        release = kubectl("get", "secret", f"sh.helm.release.v1.{name}.v1", "-n", namespace, "-o", "json")
        sizes.append(len(base64.b64decode(json.loads(release)["data"]["release"])))

    print(f"{sizes[0]:,} bytes, {sizes[1]:,} without the schema")
    assert 1_000 < sizes[0] - sizes[1] <= 40_000

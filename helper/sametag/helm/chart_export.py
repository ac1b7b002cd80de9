"""The chart that a revision was made of, from Helm's record: a rollback needs no chart of the user's."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from sametag.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from sametag.helm.revision import Revision


def write_chart(revision: Revision, folder: Path) -> None:
    """Write the chart of a revision into an empty folder, for Helm to read.

    Raises:
        ClusterError: The record was tampered with.
        UsageError: The chart has dependencies, which Helm does not record.
    """
    chart = revision.record["chart"]
    if chart["metadata"].get("dependencies"):
        raise UsageError(
            f"{revision} was made of {revision.chart}, whose dependencies Helm does not keep",
            f"sametag upgrade {revision.release} --chart CHART --tag TAG deploys the tag with a chart of yours",
        )
    try:
        _write(revision, chart, folder)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ClusterError(f"{revision} holds a chart that cannot be read") from error


def _write(revision: Revision, chart: dict[str, Any], folder: Path) -> None:
    # JSON is YAML.
    (folder / "Chart.yaml").write_text(json.dumps(chart["metadata"]))
    (folder / "values.yaml").write_text(json.dumps(chart.get("values") or {}))
    if chart.get("schema"):
        (folder / "values.schema.json").write_bytes(base64.b64decode(chart["schema"]))
    for file in (*(chart.get("templates") or ()), *(chart.get("files") or ())):
        path = folder / file["name"]
        if ".." in path.parts or not path.is_relative_to(folder):
            raise ClusterError(f"{revision} holds a chart with a file outside of it: {file['name']}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(file.get("data") or ""))

"""Unpack, check and pack the records that Helm stores as revisions, and extract their charts.

A Secret (or a ConfigMap) holds base64 of gzip of JSON. Source: helm.sh/helm/v4/pkg/release/v1, Release
"""

from __future__ import annotations

import base64
import copy
import gzip
import io
import json
import time
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lightkube.resources.core_v1 import ConfigMap, Secret

from sametag.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from sametag.helm.revision import Revision

_GZIP = b"\x1f\x8b"

# A Secret has at most 1 MiB; Helm never writes a record that is larger than this when unpacked.
_SIZE_LIMIT = 64 * 1024 * 1024


class DamageError(Exception):
    """A record cannot be read as a revision; the message is the reason."""


def checked(record: dict[str, Any], release: str) -> dict[str, Any]:
    """Return a checked record of this release.

    Raises:
        DamageError: It is not a record of Helm, is damaged, or belongs to another release.
    """
    name = record.get("name") or release
    if name != release:
        raise DamageError(f"it is of release {str(name)[:60]!r}")
    version = record.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise DamageError("its version is not a positive integer")
    _check_info(record.get("info"))
    _check_chart(record.get("chart"))
    if not isinstance(record.get("config"), dict | None):
        raise DamageError("its config is not a map")
    # Helm omits an empty manifest.
    if not isinstance(record.get("manifest"), str | None):
        raise DamageError("its manifest is not a string")
    _check_hooks(record.get("hooks"))
    return {**record, "name": name}


def _check_info(info: Any) -> None:
    if not isinstance(info, dict):
        raise DamageError("it has no info")
    if not isinstance(info.get("status"), str):
        raise DamageError("its status is not a string")
    if not isinstance(info.get("description"), str | None):
        raise DamageError("its description is not a string")
    for key in ("last_deployed", *(["deleted"] if info["status"].startswith("uninstall") else [])):
        if not _is_time(info.get(key)):
            raise DamageError(f"its {key} is not a time")


def _is_time(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _check_chart(chart: Any) -> None:
    metadata = chart.get("metadata") if isinstance(chart, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(metadata.get(key), str) for key in ("name", "version")):
        raise DamageError("it has no chart with a name and a version")
    if not isinstance(chart.get("values"), dict | None):
        raise DamageError("its chart's values are not a map")


def _check_hooks(hooks: Any) -> None:
    if not isinstance(hooks, list | None):
        raise DamageError("its hooks are not a list")
    for hook in hooks or ():
        texts = ("kind", "name", "path", "manifest")
        if not isinstance(hook, dict) or not all(isinstance(hook.get(key, ""), str) for key in texts):
            raise DamageError("one of its hooks is not a map of strings")
        if not isinstance(hook.get("events"), list | None) or not isinstance(hook.get("last_run"), dict | None):
            raise DamageError("one of its hooks has no events, or no last run")
        if not _ran_at_times(hook.get("last_run") or {}):
            raise DamageError("one of its hooks ran at what is not a time")


def _ran_at_times(last: dict[str, Any]) -> bool:
    return all(_is_time(last[key]) for key in ("started_at", "completed_at") if last.get(key))


def unpacked(item: Secret | ConfigMap) -> tuple[str, dict[str, Any]]:
    """Return a stored record, as text and parsed.

    Raises:
        DamageError: It is not a record.
    """
    stored = (item.data or {}).get("release")
    if not stored:
        raise DamageError("it has no release")
    try:
        # The data of a Secret is base64 once more; that of a ConfigMap is not.
        packed = base64.b64decode(stored, validate=True)
        if not packed.startswith(_GZIP):
            packed = base64.b64decode(packed, validate=True)
    except ValueError as error:
        raise DamageError("it is not base64") from error
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            content = file.read(_SIZE_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DamageError("it is not gzip") from error
    if len(content) > _SIZE_LIMIT:
        raise DamageError(f"it is larger than {_SIZE_LIMIT // 1024 // 1024} MiB")
    try:
        text = content.decode()
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamageError("it is not JSON") from error
    if not isinstance(record, dict):
        raise DamageError("it is not a map")
    return text, record


def pack(item: Secret | ConfigMap, text: str, status: str) -> None:
    """Store a record as Helm does, including the status in the label by which Helm finds it."""
    packed = base64.b64encode(gzip.compress(text.encode()))
    item.data = {"release": (base64.b64encode(packed) if isinstance(item, Secret) else packed).decode()}
    if item.metadata:
        item.metadata = copy.copy(item.metadata)
        item.metadata.labels = {
            **(item.metadata.labels or {}),
            "status": status,
            "modifiedAt": str(int(time.time())),
        }


def with_info(text: str, info: dict[str, Any]) -> str:
    """Replace `info` in the JSON of a record. All other text stays, because Python may write Go's numbers differently.

    Args:
        text: A JSON object with an `info`.
        info: The new one.
    """
    decode = json.JSONDecoder().raw_decode
    position = 1
    while True:
        key, position = decode(text, _next(text, position))
        begin = _next(text, position)
        _, position = decode(text, begin)
        if key == "info":
            return text[:begin] + json.dumps(info, ensure_ascii=False, separators=(",", ":")) + text[position:]


def _next(text: str, position: int) -> int:
    """Return the position of the next key or value of a JSON object."""
    while text[position] in " \t\r\n:,":
        position += 1
    return position


def write_chart(revision: Revision, folder: Path) -> None:
    """Write the chart of a revision into an empty directory, for Helm to read.

    Raises:
        ClusterError: The record was tampered with.
        UsageError: The chart has dependencies, which Helm does not record.
    """
    chart = revision.record["chart"]
    if chart["metadata"].get("dependencies"):
        raise UsageError(
            f"{revision} was created from {revision.chart}, whose dependencies Helm does not keep",
            f"sametag upgrade {revision.release} --chart CHART --tag TAG deploys the tag with your own chart",
        )
    try:
        _write_files(revision, chart, folder)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ClusterError(f"{revision} contains a chart that cannot be read") from error


def _write_files(revision: Revision, chart: dict[str, Any], folder: Path) -> None:
    # JSON is YAML.
    (folder / "Chart.yaml").write_text(json.dumps(chart["metadata"]))
    (folder / "values.yaml").write_text(json.dumps(chart.get("values") or {}))
    if chart.get("schema"):
        (folder / "values.schema.json").write_bytes(base64.b64decode(chart["schema"]))
    for file in (*(chart.get("templates") or ()), *(chart.get("files") or ())):
        path = folder / file["name"]
        if ".." in path.parts or not path.is_relative_to(folder):
            raise ClusterError(f"{revision} contains a chart with a file outside of it: {file['name']}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(file.get("data") or ""))

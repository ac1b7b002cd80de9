"""What a record has to hold to be one of Helm's: a revision that is read from it answers every question.

Source: helm.sh/helm/v4/pkg/release/v1, Release
"""

from __future__ import annotations

from datetime import datetime
from typing import Any


class DamageError(Exception):
    """What is stored cannot be read as a revision; the message says why."""


def checked(record: dict[str, Any], release: str) -> dict[str, Any]:
    """Return a record with its release's name.

    Raises:
        DamageError: It is none of Helm's, or is damaged, or another release's.
    """
    name = record.get("name") or release
    if name != release:
        raise DamageError(f"it is of release {str(name)[:60]!r}")
    version = record.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise DamageError("its version is not a number from 1")
    _check_info(record.get("info"))
    _check_chart(record.get("chart"))
    if not isinstance(record.get("config"), dict | None):
        raise DamageError("its config is not a map")
    # Helm leaves out an empty manifest.
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

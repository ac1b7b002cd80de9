"""From a field of a rendered object back to the setting that it comes from: where the chart puts what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sametag.values import Path

Object = dict[str, Any]

# A step of a field as the server writes it: .name, [0], [cpu] or [name="web",protocol="TCP"].
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")

_TEMPLATES = (("spec", "jobTemplate", "spec", "template"), ("spec", "template"))

# Where the settings of a kind go that has one group of settings for its spec.
_SPECS: dict[str, Path] = {
    "CronJob": ("cronJob",),
    "GRPCRoute": ("route",),
    "HTTPRoute": ("route",),
    "HorizontalPodAutoscaler": ("autoscaling",),
    "Ingress": ("ingress",),
    "Job": ("job",),
    "NetworkPolicy": ("networkPolicy",),
    "PodDisruptionBudget": ("podDisruptionBudget",),
    "PodMonitor": ("monitor",),
    "Role": ("rules",),
    "ScaledObject": ("keda",),
    "Service": ("service",),
    "ServiceAccount": ("serviceAccount",),
    "ServiceMonitor": ("monitor",),
}

# Settings that have another name than the field.
_FIELDS: dict[Path, Path] = {
    ("livenessProbe",): ("probes", "liveness"),
    ("readinessProbe",): ("probes", "readiness"),
    ("startupProbe",): ("probes", "startup"),
    ("serviceAccountName",): ("serviceAccount", "name"),
    ("updateStrategy",): ("strategy",),
    ("podManagementPolicy",): ("statefulSet", "podManagementPolicy"),
    ("persistentVolumeClaimRetentionPolicy",): ("statefulSet", "persistentVolumeClaimRetentionPolicy"),
    ("ordinals",): ("statefulSet", "ordinals"),
}

# What the server's words are about where it names no field: admission never does.
_WORDS: tuple[tuple[str, Path], ...] = (
    ("PriorityClass", ("priorityClassName",)),
    ("RuntimeClass", ("runtimeClassName",)),
    ("service account", ("serviceAccount",)),
    ("hostPort", ("ports",)),
    ("securityContext.privileged|allowPrivilegeEscalation|capabilities", ("securityContext",)),
    ("runAsNonRoot|runAsUser|seccomp", ("podSecurityContext",)),
    ("exceeded quota.*(cpu|memory|storage)=", ("resources",)),
)

# Entries of these lists are settings by their names.
_NAMED = {"env", "ports", "volumes", "volumeMounts", "volumeClaimTemplates"}


def origin(obj: Object, field: str, words: str = "") -> Path:
    """Return the path below a service of the setting that a field of one of its objects comes from, or should.

    What is behind the setting follows as it is in the object; the caller finds out how far that is in the values.

    Args:
        obj: The object.
        field: As the server writes it; empty where it names none.
        words: What the server says, which tells the setting where it names no field.
    """
    kind = obj["kind"]
    if not field:
        told = next((path for pattern, path in _WORDS if re.search(pattern, words)), ())
        return told or (() if kind in ("Job", "CronJob") else _SPECS.get(kind, ()))
    steps = _steps(obj, field)
    if kind in ("ConfigMap", "Secret", "PersistentVolumeClaim"):
        return _entry(obj, steps)
    for prefix in ((), *_TEMPLATES):
        if kind == "Pod" or (prefix and steps[: len(prefix)] == prefix):
            return _of_pod(obj, prefix, steps[len(prefix) :])
    if steps[:1] != ("spec",) and kind != "Role":
        return steps[1:] if steps[:1] == ("metadata",) else ()
    return _of_spec(obj, kind, steps[1:])


def _steps(obj: Object, field: str) -> Path:
    """Read a field; an entry of a list that is named by its keys becomes its index."""
    steps: Path = ()
    here: Any = obj
    for name, selector in _STEP.findall(field):
        step: str | int = name or selector
        if selector.isdigit():
            step = int(selector)
        elif "=" in selector:
            step = _index(here, dict(re.findall(r'(\w+)="?([^",]*)"?', selector)))
        here = _child(here, step)
        steps = (*steps, step)
    return steps


def _index(entries: Any, wanted: dict[str, str]) -> int:
    alike = (
        number
        for number, entry in enumerate(entries if isinstance(entries, list) else ())
        if all(str(entry.get(key)) == value for key, value in wanted.items() if key in entry)
    )
    return next(alike, 0)


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = _child(value, step)
    return value


def _of_pod(obj: Object, prefix: Path, steps: Path) -> Path:
    if steps[:1] == ("metadata",):
        return ("podLabels" if steps[1:2] == ("labels",) else "podAnnotations", *steps[2:])
    spec, steps = _at(obj, (*prefix, "spec")) or {}, steps[1:]
    if steps[:2] == ("containers", 0):
        return _named(spec["containers"][0], steps[2:])
    if steps[:1] == ("containers",) and len(steps) > 1:
        # The first is the service's own.
        return ("sidecars", int(steps[1]) - 1, *steps[2:])
    if steps[:1] == ("securityContext",):
        return ("podSecurityContext", *steps[1:])
    return _named(spec, steps)


def _of_spec(obj: Object, kind: str, steps: Path) -> Path:
    if kind == "CronJob" and steps[:2] == ("jobTemplate", "spec"):
        return ("job", *steps[2:])
    if kind == "Service" and steps[:1] == ("ports",):
        return _named(obj["spec"], steps)
    if kind == "Ingress" and steps[:1] == ("rules",) and "host" in steps:
        return ("ingress", "hosts", *steps[1:2])
    if kind in ("ServiceMonitor", "PodMonitor"):
        return ("monitor", *steps[2:])
    if kind in _SPECS:
        return (*_SPECS[kind], *steps)
    return _named(obj["spec"], steps)


def _named(spec: Object, steps: Path) -> Path:
    """Turn a field of a map into a setting: entries of some lists are settings by their names."""
    if steps[:1] in _FIELDS:
        return (*_FIELDS[steps[:1]], *steps[1:])
    if len(steps) < 2 or steps[0] not in _NAMED:  # noqa: PLR2004 - the list, and the number of an entry
        return steps
    entry = _at(spec, steps[:2]) or {}
    name = str(entry.get("name") or (entry.get("metadata") or {}).get("name"))
    if steps[0] == "volumeClaimTemplates":
        return ("volumes", name, "claim", *steps[3:])
    return (*_volume(name), *steps[2:]) if steps[0] in ("volumes", "volumeMounts") else (steps[0], name, *steps[2:])


def _volume(name: str) -> Path:
    """Return the setting of a volume that the chart named."""
    if name.startswith("writable-"):
        return ("writablePaths",)
    for prefix, setting in (("config-", "config"), ("secret-", "secrets")):
        if name.startswith(prefix):
            return (setting, name.removeprefix(prefix))
    return ("volumes", name)


def _entry(obj: Object, steps: Path) -> Path:
    """Return the setting of an object that is called after its service and an entry of it."""
    setting = {"ConfigMap": "config", "Secret": "secrets", "PersistentVolumeClaim": "volumes"}[obj["kind"]]
    return (setting, obj["metadata"]["name"], *(("claim", *steps[1:]) if setting == "volumes" else steps))

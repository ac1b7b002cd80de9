"""Paths of Kubernetes objects in the words of the chart's values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sametag.diff.objects import Path

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")

_PROBES = {"livenessProbe": "liveness", "readinessProbe": "readiness", "startupProbe": "startup"}

# What is one word for a pod, and another for the workload or the container.
_OF_PODS = {
    ("metadata", "annotations"): "podAnnotations",
    ("metadata", "labels"): "podLabels",
    ("spec", "securityContext"): "podSecurityContext",
}

# Labels and annotations that the chart makes of the tag, of its own version, and of the config.
_DERIVED = ("app.kubernetes.io/version", "helm.sh/chart", "checksum/config")


def setting(kind: str, service: str, path: Path) -> tuple[str, bool]:
    """Return a path as users write it below a service, and whether its value follows from the tag or the chart.

    Args:
        kind: The object's.
        service: The service's name, which is its main container's too.
        path: In the object.
    """
    words = _of_workload(service, path) if kind in _WORKLOADS else _of_others(kind, path)
    return ".".join(words).replace(".[", "["), path[-1] in _DERIVED


def _of_workload(service: str, path: Path) -> Path:
    match path:
        case ("spec", "jobTemplate", *rest):
            return _of_workload(service, tuple(rest))
        case ("spec", "template", "spec", "containers", container, *rest) if container == f"[{service}]":
            return _of_container(tuple(rest))
        case ("spec", "template", "spec", ("containers" | "initContainers") as field, container, *rest):
            return ("sidecars" if field == "containers" else field, container, *_of_container(tuple(rest)))
        case ("spec", "template", level, field, *rest):
            return (_OF_PODS.get((level, field), field), *rest)
        case ("spec" | "metadata", *rest):
            return tuple(rest)
    return path


def _of_container(path: Path) -> Path:
    match path:
        case ("env", variable, "value" | "valueFrom", *rest):
            return ("env", variable.strip("[]"), *rest)
        case ("env", variable):
            return ("env", variable.strip("[]"))
        case (probe, *rest) if probe in _PROBES:
            return ("probes", _PROBES[probe], *rest)
    return path


def _of_others(kind: str, path: Path) -> Path:
    match path:
        case ("spec" | "metadata", *rest):
            return (kind, *rest)
    return (kind, *path)

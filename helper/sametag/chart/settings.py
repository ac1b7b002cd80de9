"""Map a field of a rendered object back to the setting that it comes from.

`diff`, `status` and `validate --server` name settings through this module alone, so that what they print can be typed
into values.yaml. `tests/chart/test_settings.py` changes every setting in turn and compares.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.values.paths import get

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sametag.values import Path

Object = dict[str, Any]
Service = dict[str, Any]

#: Labels and annotations that the chart derives from the image, its own version, and the content of files.
DERIVED = frozenset({"app.kubernetes.io/name", "app.kubernetes.io/version", "checksum/config", "helm.sh/chart"})

# A step of a field as the server writes it: .name, [0], [cpu] or [name="web",protocol="TCP"].
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")

_TEMPLATES = (("spec", "jobTemplate", "spec", "template"), ("spec", "template"))

# The setting that holds the spec of an object of this kind.
_SPECS: Mapping[str, Path] = {
    "CronJob": ("cronJob",),
    "GRPCRoute": ("route",),
    "HTTPRoute": ("route",),
    "HorizontalPodAutoscaler": ("autoscaling",),
    "Ingress": ("ingress",),
    "Job": ("job",),
    "NetworkPolicy": ("networkPolicy",),
    "PodDisruptionBudget": ("podDisruptionBudget",),
    "PodMonitor": ("monitor",),
    "ScaledObject": ("keda",),
    "Service": ("service",),
    "ServiceAccount": ("serviceAccount",),
    "ServiceMonitor": ("monitor",),
}

# The setting whose entry an object of this kind is called after: `config.app` makes the ConfigMap RELEASE-SERVICE-app.
_ENTRIES = {"ConfigMap": "config", "PersistentVolumeClaim": "volumes", "Secret": "secrets"}

_POD_FIELDS: Mapping[str, Path] = {
    "automountServiceAccountToken": ("serviceAccount", "automountToken"),
    "imagePullSecrets": ("image", "pullSecrets"),
    "securityContext": ("podSecurityContext",),
    "serviceAccountName": ("serviceAccount", "name"),
}

_PROBES = {"livenessProbe": "liveness", "readinessProbe": "readiness", "startupProbe": "startup"}

_OF_STATEFUL_SETS = ("ordinals", "persistentVolumeClaimRetentionPolicy", "podManagementPolicy")

_HOOK = {
    "helm.sh/hook": "on",
    "helm.sh/hook-delete-policy": "deletePolicy",
    "helm.sh/hook-weight": "weight",
}


def merge(under: Service, over: Service) -> Service:
    """Merge a service over `defaults`: maps merge, lists and scalars of the service win, null removes.

    The rule is the chart's (`sametag.merge` in _prepare.tpl).
    """
    merged = dict(under)
    for key, value in over.items():
        there = under.get(key)
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(there, value) if isinstance(value, dict) and isinstance(there, dict) else value
    return merged


def services_in(values: Object) -> dict[str, Service]:
    """Return the merged settings of each service, from values over the chart's own; anything but a map is omitted."""
    defaults, services = values.get("defaults"), values.get("services")
    under = merge({}, defaults) if isinstance(defaults, dict) else {}
    written = services.items() if isinstance(services, dict) else ()
    return {name: merge(under, own) for name, own in written if isinstance(own, dict)}


def field_path(obj: Object, field: str) -> Path:
    """Read a field as the API server writes it, such as `spec.containers[name="web"].env[0]`.

    Returns:
        The path in the object; a list entry that the server identifies by its keys becomes its index.
    """
    path: Path = ()
    value: Any = obj
    for name, selector in _STEP.findall(field):
        step: str | int = name or selector
        if selector.isdigit():
            step = int(selector)
        elif "=" in selector:
            step = _index(value, dict(re.findall(r'(\w+)="?([^",]*)"?', selector)))
        value = get(value, (step,))
        path = (*path, step)
    return path


def setting_of(obj: Object, path: Path, service: Service | None = None) -> Path:
    """Return the setting, below its service, that a field of one of the chart's objects comes from.

    The rest of the path below a setting follows as in the object. A field without its own setting leads to the setting
    that would change it, or to the nearest one above it. `image` is the release's one image.

    Args:
        obj: The object.
        path: A key or an index for each level of the object.
        service: What its service has, `defaults` included; it decides between the two forms that some settings have.
    """
    service = service or {}
    kind = str(obj["kind"])
    for prefix in ((), *_TEMPLATES):
        if kind == "Pod" or (prefix and path[: len(prefix)] == prefix):
            return _of_pod(get(obj, prefix) or {}, path[len(prefix) :], service)
    match path:
        case ("metadata", "labels", label):
            in_monitor = label in ((service.get("monitor") or {}).get("labels") or {})
            return ("monitor", "labels", label) if in_monitor and _SPECS.get(kind) == ("monitor",) else path[1:]
        case ("metadata", "annotations", annotation):
            return _annotation(kind, annotation, service)
        case ("metadata", *rest):
            return tuple(rest)
    if kind in _ENTRIES:
        return _of_entry(obj, kind, path, service)
    if kind == "Role":
        return path
    if kind == "RoleBinding":
        return ("serviceAccount", "name") if path[:1] == ("subjects",) else ()
    return _of_spec(obj, kind, path[1:], service) if path[:1] == ("spec",) else ()


def object_setting(kind: str) -> Path:
    """Return the setting below a service that makes an object of this kind; empty for the workload itself."""
    if kind in ("CronJob", "Job"):
        return ()
    return ("rules",) if kind in ("Role", "RoleBinding") else _SPECS.get(kind, ())


def _annotation(kind: str, annotation: str | int, service: Service) -> Path:
    if annotation in _HOOK:
        return ("hook", _HOOK[str(annotation)])
    for group in _SPECS.get(kind, ()):
        if annotation in ((service.get(str(group)) or {}).get("annotations") or {}):
            return (group, "annotations", annotation)
    return ("annotations", annotation)


def _of_pod(pod: Object, path: Path, service: Service) -> Path:
    spec = pod.get("spec") or {}
    match path:
        case ("metadata", "labels", label):
            of_pods = label in (service.get("podLabels") or {}) or label not in (service.get("labels") or {})
            return ("podLabels" if of_pods else "labels", label)
        case ("metadata", "annotations", *rest):
            return ("podAnnotations", *rest)
        case ("spec", "containers", 0, *rest):
            return _of_container(get(spec, ("containers", 0)) or {}, tuple(rest), service)
        case ("spec", "containers", int(number), *rest):
            return ("sidecars", number - 1, *_of_helper(get(spec, path[1:3]), tuple(rest), service, number - 1))
        case ("spec", "initContainers", int(number), *rest):
            return (*path[1:3], *_of_helper(get(spec, path[1:3]), tuple(rest), service, number))
        case ("spec", "volumes", int(), *rest):
            return _of_volume(str((get(spec, path[1:3]) or {}).get("name")), tuple(rest), service)
        case ("spec", str(field), *rest):
            return (*_POD_FIELDS.get(field, (field,)), *rest)
    return ()


def _of_container(container: Object, path: Path, service: Service) -> Path:
    match path:
        case ("image",):
            return ("image",)
        case ("imagePullPolicy",):
            return ("image", "pullPolicy")
        case ("env", int(number), *rest):
            return ("env", *_of_variable(get(container, path[:2]) or {}, number, tuple(rest), service.get("env")))
        case ("envFrom", int(number), *rest):
            return _of_env_from(number, tuple(rest), service)
        case ("ports", int(), *rest):
            name = str((get(container, path[:2]) or {}).get("name"))
            return ("ports", name, *(step for step in rest if step != "name"))
        case ("volumeMounts", int(), *rest):
            mount = get(container, path[:2]) or {}
            return _of_mount(mount, tuple(rest), service)
        case (str(field), *rest) if field in _PROBES:
            return ("probes", *_of_probe(_PROBES[field], tuple(rest), service.get("probes") or {}))
        case ("lifecycle", "preStop", *_) if "preStop" not in (service.get("lifecycle") or {}):
            return ("preStopDelaySeconds",)
    return path


def _of_helper(container: Any, path: Path, service: Service, number: int) -> Path:
    """Return the setting below an init container or a sidecar: as in Kubernetes, except that env may be a map."""
    if path[:1] != ("env",) or len(path) == 1:
        return path
    written = [
        entry.get("env")
        for setting in ("sidecars", "initContainers")
        if isinstance(entry := get(service, (setting, number)), dict) and entry.get("name") == container.get("name")
    ]
    variable = get(container, path[:2]) or {}
    return ("env", *_of_variable(variable, int(path[1]), path[2:], written[0] if written else None))


def _of_variable(variable: Object, number: int, path: Path, written: Any) -> Path:
    """Return the setting below `env`, which is a map of names or a list in Kubernetes' form."""
    name = str(variable.get("name"))
    if isinstance(written, list):
        numbers = [at for at, entry in enumerate(written) if isinstance(entry, dict) and entry.get("name") == name]
        return (numbers[0] if numbers else number, *path)
    short = written.get(name) if isinstance(written, dict) else None
    if path[:1] != ("valueFrom",):
        return (name,)
    if not isinstance(short, dict) or "valueFrom" in short:
        return (name, *path)
    source = {"secretKeyRef": "secret", "configMapKeyRef": "configMap", "fieldRef": "field"}
    match path[1:]:
        case (str(reference), "name" | "fieldPath") if reference in source:
            return (name, source[reference])
        case (_, str(key)):
            return (name, key)
    return (name,)


def _of_env_from(number: int, path: Path, service: Service) -> Path:
    made = [
        (setting, entry)
        for setting in ("config", "secrets")
        for entry, files in sorted((service.get(setting) or {}).items())
        if isinstance(files, dict) and files.get("env")
    ]
    return (*made[number], "env") if number < len(made) else ("envFrom", number - len(made), *path)


def _of_probe(probe: str, path: Path, written: Object) -> Path:
    """Return the setting below `probes`, which has a short form: a port and a path for all three."""
    if written.get(probe) or "port" not in written or not path:
        return (probe, *path)
    if path[-1] == "port":
        return ("port",)
    if path[-1] == "path":
        return ("readinessPath" if probe == "readiness" and written.get("readinessPath") else "path",)
    return (probe, *path)


def _of_mount(mount: Object, path: Path, service: Service) -> Path:
    volume = _volume(str(mount.get("name")), service)
    return volume if volume[0] == "writablePaths" or path == ("name",) else (*volume, *path)


def _of_volume(name: str, path: Path, service: Service) -> Path:
    volume = _volume(name, service)
    match (volume[0], *path):
        case ("writablePaths", "emptyDir", *rest):
            return (*volume, *rest)
        case ("config" | "secrets", "configMap" | "secret", "name" | "secretName"):
            return (*volume, "existing")
        case ("volumes", "persistentVolumeClaim", *_) if "claim" in (get(service, volume) or {}):
            return (*volume, "claim")
        case (_, "name"):
            return volume
    return (*volume, *path)


def _volume(name: str, service: Service) -> Path:
    """Return the setting of a volume, which the chart names after its purpose."""
    if name in (service.get("volumes") or {}):
        return ("volumes", name)
    if name.startswith("writable-"):
        digest = name.removeprefix("writable-")
        folders = (folder for folder in service.get("writablePaths") or {} if _digest(folder) == digest)
        return ("writablePaths", *list(folders)[:1])
    for prefix, setting in (("config-", "config"), ("secret-", "secrets")):
        if name.startswith(prefix):
            return (setting, name.removeprefix(prefix))
    return ("volumes", name)


def _digest(folder: str) -> str:
    """Shorten a path as the chart does (`sametag.writable` in _volumes.tpl)."""
    import hashlib

    return hashlib.sha256(folder.encode()).hexdigest()[:8]


def _of_entry(obj: Object, kind: str, path: Path, service: Service) -> Path:
    """Return the setting of an object that is named after its service and an entry of it."""
    setting, name = _ENTRIES[kind], str(obj["metadata"]["name"])
    called = [entry for entry in service.get(setting) or {} if name.endswith(f"-{entry}")]
    entry = (setting, max(called, key=len)) if called else (setting,)
    return (*entry, "claim", *path[1:]) if kind == "PersistentVolumeClaim" else (*entry, *path)


def _of_spec(obj: Object, kind: str, path: Path, service: Service) -> Path:
    match (kind, *path):
        case ("CronJob", "jobTemplate", "spec", *rest):
            return ("job", *rest)
        case ("Service", "ports", int(), *rest):
            return _of_port(get(obj, ("spec", *path[:2])) or {}, tuple(rest), service)
        case ("Service", "clusterIP") if (service.get("service") or {}).get("headless"):
            return ("service", "headless")
        case ("Ingress", "rules", int(number), "host"):
            return ("ingress", "hosts", number)
        case ("Ingress", "rules", int(), "http", "paths", int(number), *rest):
            return ("ingress", *_of_ingress_path(number, tuple(rest)))
        case ("Ingress", "rules", *_):
            return ("ingress", "hosts")
        case ("HTTPRoute" | "GRPCRoute", "rules", int(), *rest):
            return ("route", *_of_route(tuple(rest)))
        case ("NetworkPolicy", *_):
            return _of_policy(path, service)
        case ("ServiceMonitor" | "PodMonitor", "endpoints" | "podMetricsEndpoints", int(), *rest):
            return ("monitor", *rest)
        case ("StatefulSet", "volumeClaimTemplates", int(), *rest):
            name = get(obj, ("spec", *path[:2], "metadata", "name"))
            return ("volumes", str(name), "claim", *rest[1:])
        case ("StatefulSet" | "DaemonSet", "updateStrategy", *rest):
            return ("strategy", *rest)
        case ("StatefulSet", str(field), *_) if field in _OF_STATEFUL_SETS:
            return ("statefulSet", *path)
    return (*_SPECS.get(kind, ()), *path)


def _of_ingress_path(number: int, path: Path) -> Path:
    if path == ("path",):
        return ("paths", number)
    return path if path == ("pathType",) else ("port",)


def _of_port(port: Object, path: Path, service: Service) -> Path:
    name = str(port.get("name"))
    written = (service.get("ports") or {}).get(name) or {}
    if path == ("port",) and "port" not in written:
        return ("ports", name, "containerPort")
    return ("ports", name, *(step for step in path if step not in ("name", "targetPort")))


def _of_route(path: Path) -> Path:
    match path:
        case ("matches", int(number), "path", "value"):
            return ("paths", number)
        case ("matches", int(number), "method", *rest):
            return ("methods", number, *rest)
        case ("matches", *_):
            return ("paths",)
        case ("backendRefs", *_):
            return ("port",)
    return path


def _of_policy(path: Path, service: Service) -> Path:
    policy = service.get("networkPolicy") or {}
    match path:
        case ("ingress", 0, "ports", int(number), *_) if number < len(service.get("ports") or {}):
            return ("ports", sorted(service["ports"])[number], "containerPort" if path[-1] == "port" else path[-1])
        case ("ingress", 0, "from", int(number), *_) if number < len(policy.get("allowFrom") or ()):
            return ("networkPolicy", "allowFrom", number)
        case ("ingress", *_):
            return ("networkPolicy", "allowFrom")
        # The first rule allows DNS.
        case ("egress", int(number), *_) if 0 < number <= len(policy.get("allowTo") or ()):
            return ("networkPolicy", "allowTo", number - 1)
        case ("egress", *_):
            return ("networkPolicy", "allowTo")
    return ("networkPolicy",)


def _index(entries: Any, wanted: Mapping[str, str]) -> int:
    alike = (
        number
        for number, entry in enumerate(entries if isinstance(entries, list) else ())
        if all(str(entry.get(key)) == value for key, value in wanted.items() if key in entry)
    )
    return next(alike, 0)

"""Rules about the containers of a pod, their mounts and their security contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.chart.service import integer, listed, mapping, maps, string, strings
from sametag.validation.finding import RuleHit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Service, Tree
    from sametag.values import Path

# Lists whose entries Kubernetes identifies by these fields.
_UNIQUE: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("env",), ("name",)),
    (("hostAliases",), ("ip",)),
    (("topologySpreadConstraints",), ("topologyKey", "whenUnsatisfiable")),
    (("podSecurityContext", "sysctls"), ("name",)),
    (("keda", "triggers"), ("name",)),
)
_SPAWNED = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


# Kubernetes' defaults.
_DEFAULTS = {"protocol": "TCP"}


def repeated_name(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects containers, ports or other entries with the same name."""
    containers = {service.name}
    for path, container in service.helpers():
        name = container.get("name")
        if isinstance(name, str) and name in containers:
            yield RuleHit((*path, "name"), "duplicates the name of another container in the pod")
        containers.add(string(name))
        yield from repeats((*path, "ports"), container.get("ports"), ("name",))
        yield from repeats((*path, "ports"), container.get("ports"), ("containerPort", "protocol"))
        for field in ("devicePath", "name"):
            yield from repeats((*path, "volumeDevices"), container.get("volumeDevices"), (field,))
        yield from repeats((*path, "env"), container.get("env"), ("name",))
    for at, fields in _UNIQUE:
        yield from repeats(at, service.get(*at), fields)


def repeats(path: Path, entries: Any, fields: tuple[str, ...]) -> Iterator[RuleHit]:
    """Yield the entries of a list that repeat the fields of an earlier one."""
    seen: set[tuple[Any, ...]] = set()
    for index, entry in maps(entries):
        value = tuple(_scalar(entry.get(field)) or _DEFAULTS.get(field) for field in fields)
        if value[0] is None:
            continue
        if value in seen:
            words = " ".join(str(part) for part in value if part is not None)
            text = f"is {words}, the same as another entry of {path[-1]}"
            yield RuleHit((*path, index, fields[0]), text, "remove or change one of them")
        seen.add(value)


def _scalar(value: Any) -> Any:
    return None if isinstance(value, dict | list) else value


def repeated_volume(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects two volumes with the same name."""
    volumes = service.map("volumes")
    for setting, prefix in (("config", "config-"), ("secrets", "secret-")):
        for entry, files in service.map(setting).items():
            if prefix + entry in volumes and mapping(files).get("mountPath"):
                text = f"has the same name as the volume of {setting}.{entry}"
                yield RuleHit(("volumes", prefix + entry), text, "rename it", at_key=True)


def unknown_volume(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects a mount of a volume that the pod does not have."""
    mounts = [
        ((*path, setting, index, "name"), mount.get("name"))
        for path, container in service.helpers()
        for setting in ("volumeMounts", "volumeDevices")
        for index, mount in maps(container.get(setting))
    ]
    volumes = _volumes(service) if mounts else []
    for at, volume in mounts:
        if isinstance(volume, str) and volume not in volumes:
            yield RuleHit(at, f"refers to unknown volume {volume} {listed('volumes', volumes)}")


def _volumes(service: Service) -> list[str]:
    names = list(service.map("volumes"))
    for setting, prefix in (("config", "config-"), ("secrets", "secret-")):
        names += [prefix + name for name, files in service.map(setting).items() if mapping(files).get("mountPath")]
    return names + [_writable(path) for path in service.map("writablePaths")]


def _writable(path: str) -> str:
    """Name the volume of a writable path as the chart does (`sametag.writable` in _volumes.tpl)."""
    from hashlib import sha256

    return "writable-" + sha256(path.encode(errors="replace")).hexdigest()[:8]


def repeated_mount(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects two mounts at the same path of a container."""
    seen: dict[str, str] = {}
    for at, path, volume in _mounts(service):
        if path in seen:
            message = f"{{service}} mounts two volumes at {path}: {seen[path]} and {volume}"
            yield RuleHit(at, remedy="mount one of them elsewhere", message=message)
        seen.setdefault(path, volume)
    for where, container in service.helpers():
        yield from repeats((*where, "volumeMounts"), container.get("volumeMounts"), ("mountPath",))


def _mounts(service: Service) -> Iterator[tuple[Path, str, str]]:
    """Yield what the main container mounts, in the order of the chart."""
    for folder in sorted(service.map("writablePaths")):
        yield ("writablePaths", folder), folder, _writable(folder)
    for setting, prefix in (("config", "config-"), ("secrets", "secret-"), ("volumes", "")):
        for name, volume in sorted(service.map(setting).items()):
            path = mapping(volume).get("mountPath")
            if isinstance(path, str) and path:
                yield (setting, name, "mountPath"), path, prefix + name


def init_container(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects probes and hooks on an init container, which ends before the service starts."""
    for index, container in maps(service.merged.get("initContainers")):
        if container.get("restartPolicy") != "Always":
            for key in _SPAWNED:
                if container.get(key) is not None:
                    text = "only applies to containers that keep running"
                    remedy = "remove it, or set restartPolicy: Always"
                    yield RuleHit(("initContainers", index, key), text, remedy, at_key=True)


def privileged(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects a privileged container with allowPrivilegeEscalation: false."""
    for path, security in _security(service):
        if security.get("allowPrivilegeEscalation") is not False:
            continue
        text, remedy = "contradicts allowPrivilegeEscalation: false", "set allowPrivilegeEscalation: true"
        if security.get("privileged") is True:
            yield RuleHit((*path, "privileged"), text, remedy, at_key=True)
        for index, capability in strings(mapping(security.get("capabilities")).get("add")):
            if capability == "CAP_SYS_ADMIN":
                yield RuleHit((*path, "capabilities", "add", index), f"is {capability}, which {text}", remedy)


def root_refused(service: Service) -> Iterator[RuleHit]:
    """The kubelet does not start a container as root if runAsNonRoot is true."""
    pod = service.map("podSecurityContext")
    contexts: list[tuple[Path, Tree]] = [(("podSecurityContext",), pod), *_security(service)]
    for path, security in contexts:
        never = security.get("runAsNonRoot")
        never = pod.get("runAsNonRoot") if never is None else never
        if integer(security.get("runAsUser")) == 0 and never is True:
            text = "is 0 while runAsNonRoot is true: no pod would start"
            yield RuleHit((*path, "runAsUser"), text, "set runAsNonRoot: false, or choose another user")


def _security(service: Service) -> Iterator[tuple[Path, Tree]]:
    """Yield the securityContext of each container that has one; a helper's overrides that of `defaults`."""
    yield ("securityContext",), service.map("securityContext")
    shared = mapping(service.defaults.get("securityContext"))
    for path, container in service.helpers():
        own = mapping(container.get("securityContext"))
        if own:
            yield (*path, "securityContext"), {**shared, **own}


_HOOK_ANNOTATIONS = ("helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy")


def reserved_label(service: Service) -> Iterator[RuleHit]:
    """The chart finds its pods by these labels, or Helm overwrites them."""
    for setting in (("labels",), ("podLabels",), ("monitor", "labels")):
        labels = service.map(*setting)
        for label in ("app.kubernetes.io/instance", "app.kubernetes.io/component"):
            if labels.get(label) is not None:
                yield RuleHit((*setting, label), "is set by the chart to select the pods", "remove it", at_key=True)
        if setting != ("podLabels",) and labels.get("app.kubernetes.io/managed-by") is not None:
            text = "is set by Helm on every object"
            yield RuleHit((*setting, "app.kubernetes.io/managed-by"), text, "remove it", at_key=True)


def reserved_annotation(service: Service) -> Iterator[RuleHit]:
    """The chart sets these annotations from other settings."""
    for setting in ((), ("service",), ("ingress",), ("route",), ("serviceAccount",)):
        annotations = service.map(*setting, "annotations")
        for annotation in _HOOK_ANNOTATIONS:
            if annotations.get(annotation) is not None:
                path = (*setting, "annotations", annotation)
                yield RuleHit(path, "is set by the chart", "remove it, and use hook instead", at_key=True)
    files = service.get("config") or service.get("secrets")
    if files and service.map("podAnnotations").get("checksum/config") is not None:
        text = "is set by the chart to restart pods when config or secrets change"
        yield RuleHit(("podAnnotations", "checksum/config"), text, "remove it", at_key=True)


def names_without_server(service: Service) -> Iterator[RuleHit]:
    """Kubernetes requires nameservers for dnsPolicy None."""
    if service.get("dnsPolicy") == "None" and not service.map("dnsConfig").get("nameservers"):
        yield RuleHit(
            ("dnsPolicy",), "is None, but dnsConfig has no nameservers", "add at least one nameserver to dnsConfig"
        )


def spaced_command(service: Service) -> Iterator[RuleHit]:
    """No shell splits the command: its first entry is a file name, spaces included."""
    words: list[tuple[Path, Any]] = [(("command",), service.get("command"))]
    words += [((*path, "command"), container.get("command")) for path, container in service.helpers()]
    for path, command in words:
        if isinstance(command, list) and command and isinstance(command[0], str) and " " in command[0].strip():
            text = "contains a space, and no shell splits it"
            yield RuleHit((*path, 0), text, "write each word as a list entry")

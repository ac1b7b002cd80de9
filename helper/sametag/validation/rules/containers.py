"""Rules about the containers of a pod, their mounts and their rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.chart.service import listed, mapping, maps, text, texts, whole
from sametag.validation.finding import RuleHit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Service, Tree
    from sametag.values import Path

# Lists whose entries Kubernetes tells apart by these fields: where they are, and what their entries are called.
_UNIQUE: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("env",), ("name",)),
    (("hostAliases",), ("ip",)),
    (("topologySpreadConstraints",), ("topologyKey", "whenUnsatisfiable")),
    (("podSecurityContext", "sysctls"), ("name",)),
    (("keda", "triggers"), ("name",)),
)
_SPAWNED = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


# What Kubernetes takes where nothing is said.
_OTHERWISE = {"protocol": "TCP"}


def repeated_name(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses two containers, ports or other entries of one name."""
    containers = {service.name}
    for path, container in service.helpers():
        name = container.get("name")
        if isinstance(name, str) and name in containers:
            yield RuleHit((*path, "name"), f"is {name}, and so is another container of the pod")
        containers.add(text(name))
        yield from repeats((*path, "ports"), container.get("ports"), ("name",))
        yield from repeats((*path, "ports"), container.get("ports"), ("containerPort", "protocol"))
        for field in ("devicePath", "name"):
            yield from repeats((*path, "volumeDevices"), container.get("volumeDevices"), (field,))
        yield from repeats((*path, "env"), container.get("env"), ("name",))
    for at, fields in _UNIQUE:
        yield from repeats(at, service.get(*at), fields)


def repeats(path: Path, entries: Any, fields: tuple[str, ...]) -> Iterator[RuleHit]:
    """Yield the entries of a list that have the same fields as one before."""
    seen: set[tuple[Any, ...]] = set()
    for index, entry in maps(entries):
        value = tuple(_scalar(entry.get(field)) or _OTHERWISE.get(field) for field in fields)
        if value[0] is None:
            continue
        if value in seen:
            words = " ".join(str(part) for part in value if part is not None)
            says = f"is {words}, and so is another entry of {path[-1]}"
            yield RuleHit((*path, index, fields[0]), says, "remove one, or change it")
        seen.add(value)


def _scalar(value: Any) -> Any:
    return None if isinstance(value, dict | list) else value


def repeated_volume(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses two volumes of one name."""
    volumes = service.map("volumes")
    for setting, prefix in (("config", "config-"), ("secrets", "secret-")):
        for entry, files in service.map(setting).items():
            if prefix + entry in volumes and mapping(files).get("mountPath"):
                says = f"has the name of the volume of {setting}.{entry}"
                yield RuleHit(("volumes", prefix + entry), says, "give it another name", at_key=True)


def unknown_volume(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a mount of a volume that the pod has not."""
    mounts = [
        ((*path, setting, index, "name"), mount.get("name"))
        for path, container in service.helpers()
        for setting in ("volumeMounts", "volumeDevices")
        for index, mount in maps(container.get(setting))
    ]
    volumes = _volumes(service) if mounts else []
    for at, volume in mounts:
        if isinstance(volume, str) and volume not in volumes:
            yield RuleHit(at, f"is {volume}, which is not one of its volumes {listed(volumes)}")


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
    """Kubernetes refuses two mounts at one path of a container."""
    seen: dict[str, str] = {}
    for at, path, volume in _mounts(service):
        if path in seen:
            whole_text = f"{{service}} mounts two volumes at {path}: {seen[path]} and {volume}"
            yield RuleHit(at, "is mounted already", "mount one of them elsewhere", message=whole_text)
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
    """Kubernetes refuses probes and hooks of a container that ends before the service starts."""
    for index, container in maps(service.merged.get("initContainers")):
        if container.get("restartPolicy") != "Always":
            for key in _SPAWNED:
                if container.get(key) is not None:
                    says = "is for a container that goes on running"
                    remedy = "remove it, or set restartPolicy: Always"
                    yield RuleHit(("initContainers", index, key), says, remedy, at_key=True)


def privileged(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a privileged container that must not gain privileges."""
    for path, security in _security(service):
        if security.get("allowPrivilegeEscalation") is not False:
            continue
        says, remedy = "contradicts allowPrivilegeEscalation: false", "set allowPrivilegeEscalation: true beside it"
        if security.get("privileged") is True:
            yield RuleHit((*path, "privileged"), says, remedy, at_key=True)
        for index, capability in texts(mapping(security.get("capabilities")).get("add")):
            if capability == "CAP_SYS_ADMIN":
                yield RuleHit((*path, "capabilities", "add", index), f"is {capability}, which {says}", remedy)


def root_refused(service: Service) -> Iterator[RuleHit]:
    """The kubelet starts no container as root where runAsNonRoot is true."""
    pod = service.map("podSecurityContext")
    contexts: list[tuple[Path, Tree]] = [(("podSecurityContext",), pod), *_security(service)]
    for path, security in contexts:
        never = security.get("runAsNonRoot")
        never = pod.get("runAsNonRoot") if never is None else never
        if whole(security.get("runAsUser")) == 0 and never is True:
            says = "is 0, and runAsNonRoot is true: no pod would start"
            yield RuleHit((*path, "runAsUser"), says, "set runAsNonRoot: false beside it, or another user")


def _security(service: Service) -> Iterator[tuple[Path, Tree]]:
    """Yield the securityContext of each container that has one; a helper's lies over the one of `defaults`."""
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
                yield RuleHit((*setting, label), "is the chart's own: it selects the pods", "remove it", at_key=True)
        if setting != ("podLabels",) and labels.get("app.kubernetes.io/managed-by") is not None:
            says = "is Helm's own: it sets it on every object"
            yield RuleHit((*setting, "app.kubernetes.io/managed-by"), says, "remove it", at_key=True)


def reserved_annotation(service: Service) -> Iterator[RuleHit]:
    """The chart writes these annotations itself, from other settings."""
    for setting in ((), ("service",), ("ingress",), ("route",), ("serviceAccount",)):
        annotations = service.map(*setting, "annotations")
        for annotation in _HOOK_ANNOTATIONS:
            if annotations.get(annotation) is not None:
                path = (*setting, "annotations", annotation)
                yield RuleHit(path, "is the chart's own: set hook instead", "remove it", at_key=True)
    files = service.get("config") or service.get("secrets")
    if files and service.map("podAnnotations").get("checksum/config") is not None:
        says = "is the chart's own: it restarts pods when config or secrets change"
        yield RuleHit(("podAnnotations", "checksum/config"), says, "remove it", at_key=True)


def names_without_server(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses dnsPolicy None without the servers to ask instead."""
    if service.get("dnsPolicy") == "None" and not service.map("dnsConfig").get("nameservers"):
        yield RuleHit(("dnsPolicy",), "is None, and dnsConfig has no nameservers", "name at least one there")


def spaced_command(service: Service) -> Iterator[RuleHit]:
    """There is no shell: the first word is the name of a file, spaces and all."""
    words: list[tuple[Path, Any]] = [(("command",), service.get("command"))]
    words += [((*path, "command"), container.get("command")) for path, container in service.helpers()]
    for path, command in words:
        if isinstance(command, list) and command and isinstance(command[0], str) and " " in command[0].strip():
            says = "has a space in it, and no shell splits it"
            yield RuleHit((*path, 0), says, "write each word as an entry of the list")

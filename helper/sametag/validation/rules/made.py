"""The objects that the values of a release create: kind and name of each, and the setting that creates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sametag.chart.service import mapping, string
from sametag.values import get, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.chart.service import Release, Service, Tree
    from sametag.values import Path

_SCALERS = (("autoscaling", "HorizontalPodAutoscaler", "autoscaling"), ("keda.sh", "ScaledObject", "keda"))


class Made(NamedTuple):
    """One object.

    Attributes:
        group: Of its API; empty for the core.
        kind: Its kind.
        name: Its name, in which `<release>` stands for an unknown release's name.
        owner: The path of the service, or of the entry of extraObjects.
        path: The setting.
        namespace: Empty for that of the release.
    """

    group: str
    kind: str
    name: str
    owner: str
    path: Path
    namespace: str = ""


def repeated(objects: Iterable[Made]) -> Iterator[tuple[Made, Made]]:
    """Yield the first two objects with the same kind and name of any two owners."""
    first_of: dict[tuple[str, str, str, str], Made] = {}
    pairs: set[tuple[str, str]] = set()
    for made in objects:
        first = first_of.setdefault((made.group, made.kind, made.namespace, made.name), made)
        pair = (first.owner, made.owner)
        if first is not made and pair not in pairs:
            pairs.add(pair)
            yield first, made


def of_services(release: Release) -> Iterator[Made]:
    """Yield the objects that the chart creates from the services, except plain Jobs, whose names contain a digest."""
    accounts: set[str] = set()
    tested = False
    for service in release.services.values():
        for group, kind, suffix, setting in _of(service):
            path = ("services", service.name, *setting)
            yield Made(group, kind, service.fullname + suffix, f"services.{service.name}", path)
        settings = service.map("serviceAccount")
        creates = settings.get("create") is not False
        account = string(settings.get("name")) or service.fullname
        # Those who share an account create one.
        if creates and account not in accounts:
            accounts.add(account)
            path = ("services", service.name, *(("serviceAccount", "name") if settings.get("name") else ()))
            yield Made("", "ServiceAccount", account, f"services.{service.name}", path)
        tested = tested or _is_tested(service)
    if tested and get(release.values.tree, ("test", "enabled")) is not False:
        yield Made("", "Pod", release.naming.test_pod, "test", ("test",))


def _of(service: Service) -> Iterator[tuple[str, str, str, Path]]:
    """Yield API group, kind, what follows the service's name, and the setting."""
    yield from _of_workload(service)
    served = _is_served(service)
    if served:
        yield "", "Service", "", ("ports",)
    if service.kind == "StatefulSet" and not (service.map("ports") and service.get("service", "headless")):
        yield "", "Service", "-headless", ()
    if service.get("networkPolicy", "enabled") is not False:
        yield "networking.k8s.io", "NetworkPolicy", "", ()
    if service.get("rules"):
        yield "rbac.authorization.k8s.io", "Role", "", ("rules",)
        yield "rbac.authorization.k8s.io", "RoleBinding", "", ("rules",)
    if service.map("ingress"):
        yield "networking.k8s.io", "Ingress", "", ("ingress",)
    if route := service.map("route"):
        yield "gateway.networking.k8s.io", string(route.get("kind"), "HTTPRoute"), "", ("route",)
    if isinstance(monitor := service.get("monitor"), dict):
        at_service = served and service.kind != "StatefulSet"
        kind = string(monitor.get("kind"), "ServiceMonitor" if at_service else "PodMonitor")
        yield "monitoring.coreos.com", kind, "", ("monitor",)
    for kind, setting, entry in of_entries(service):
        yield "", kind, f"-{entry}", (setting, entry)


def _of_workload(service: Service) -> Iterator[tuple[str, str, str, Path]]:
    is_hook = service.get("hook") is not None
    if service.kind != "Job" or is_hook:
        yield "batch" if service.kind in ("Job", "CronJob") else "apps", service.kind, "", ()
    scaled = False
    for group, kind, setting in _SCALERS:
        if service.map(setting):
            yield group, kind, "", (setting,)
        scaled = scaled or service.get(setting) is not None
    replicas = service.get("replicas")
    several = scaled or (isinstance(replicas, int) and replicas > 1)
    budget = service.get("podDisruptionBudget", "enabled")
    if service.serves and service.kind != "DaemonSet" and several and budget is not False:
        yield "policy", "PodDisruptionBudget", "", ()


def of_entries(service: Service) -> Iterator[tuple[str, str, str]]:
    """Yield kind, setting and entry of the objects that are named after a service and an entry of a setting."""
    for kind, setting in (("ConfigMap", "config"), ("Secret", "secrets")):
        for entry, content in service.map(setting).items():
            if not mapping(content).get("existing"):
                yield kind, setting, entry
    if service.kind != "StatefulSet":
        for entry, volume in service.map("volumes").items():
            if mapping(volume).get("claim"):
                yield "PersistentVolumeClaim", "volumes", entry


def _is_served(service: Service) -> bool:
    return bool(service.serves and service.map("ports") and service.get("service", "enabled") is not False)


def _is_tested(service: Service) -> bool:
    ports = service.map("ports").values()
    listens = any(mapping(port).get("protocol") in (None, "TCP") for port in ports)
    return _is_served(service) and listens and service.get("replicas") != 0


def of_extra_objects(objects: Iterable[tuple[Path, Tree | str, bool]]) -> Iterator[Made]:
    """Yield the user's own objects.

    Args:
        objects: As `objects.entries` yields them.
    """
    for path, obj, _ in objects:
        if isinstance(obj, str):
            continue
        kind, name, namespace = obj.get("kind"), get(obj, ("metadata", "name")), get(obj, ("metadata", "namespace"))
        if isinstance(kind, str) and isinstance(name, str):
            group = str(obj.get("apiVersion")).rpartition("/")[0]
            yield Made(group, kind, name, path_text(path), path, str(namespace or ""))

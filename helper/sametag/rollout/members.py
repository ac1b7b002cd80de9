"""Which workloads a revision's manifest has, and what each of them is: a service's, or an extra one.

What decides a rollout is what the manifest has, and not what carries a label. A service's workload is one that a
template of the chart made of an entry of `services`; all else (extraObjects, other subcharts, the objects of a chart
around this one) is extra: it is shown, and has no tag.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from sametag.chart.labels import INSTANCE_LABEL, service_of
from sametag.chart.manifest import sourced

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sametag.kube.objects import Object

HOOK_ANNOTATION = "helm.sh/hook"

# The kinds, and the API groups that have them.
_GROUPS = {"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "Job": "batch", "CronJob": "batch"}

#: The kinds whose pods run until they are stopped.
RUNNING = ("Deployment", "StatefulSet", "DaemonSet")

# In the text of documents that may be workloads.
_MAY_RUN = re.compile(r"kind[\"']?\s*:\s*[\"']?(?:" + "|".join([*_GROUPS, r"\w*List"]) + r")\b")


@dataclass(frozen=True, slots=True)
class Member:
    """A workload of a manifest.

    Attributes:
        kind: Deployment, StatefulSet, DaemonSet, Job or CronJob.
        name: The object's.
        service: The key in `services` that made it; below the name of its chart where that is a subchart
            (`shop.web`). Empty for an extra workload.
        container: The name of the container that runs the service; empty for an extra workload.
        image: The image of that container, as the manifest has it.
        desired: How many pods the manifest asks for; None where it leaves that to others, such as an autoscaler.
        min_ready: The seconds for which a pod has to be ready before it counts.
        hook: Whether Helm runs it as a step of its own.
        on_delete: Whether its pods change only when they are deleted.
        expires: Whether it is a Job that Kubernetes deletes some time after its end, and not a hook.
    """

    kind: str
    name: str
    service: str = ""
    container: str = ""
    image: str = ""
    desired: int | None = None
    min_ready: int = 0
    hook: bool = False
    on_delete: bool = False
    expires: bool = False

    @property
    def title(self) -> str:
        """What it is called: by its service, or, an extra workload, by what it is (`deployment/redis`)."""
        return self.service or f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class Members:
    """The workloads of a manifest that are in the release's namespace.

    Attributes:
        release: The release's name.
        found: Each by kind and name.
        labelled: Whether every one of them, and its pods, has the label of the release.
    """

    release: str
    found: Mapping[tuple[str, str], Member]
    labelled: bool = True

    def get(self, kind: str, name: str) -> Member | None:
        """Return the member that an object of the namespace is; None where the manifest does not have it."""
        return self.found.get((kind, name))

    @property
    def running(self) -> set[str]:
        """The services that run until they are stopped."""
        return {member.service for member in self.found.values() if member.service and member.kind in RUNNING}

    @property
    def jobs(self) -> frozenset[str]:
        """The names of the services' Jobs that are not hooks."""
        jobs = (member for member in self.found.values() if member.kind == "Job" and not member.hook)
        return frozenset(member.name for member in jobs if member.service)

    @property
    def expire(self) -> bool:
        """Whether Kubernetes deletes a Job some time after its end."""
        return any(member.expires for member in self.found.values())

    @property
    def images(self) -> tuple[str, ...]:
        """The images that the services run, as the manifest has them: one, but for a chart that holds several."""
        return tuple(dict.fromkeys(member.image for member in self.found.values() if member.service))


def members(release: str, namespace: str, manifests: Iterable[str], values: Sequence[Mapping[str, Any]]) -> Members:
    """Read which workloads a release has.

    Args:
        release: Its name.
        namespace: Its namespace.
        manifests: YAML streams as Helm renders and stores them, the hooks' too.
        values: The user's, and the chart's defaults: the services are in one of them.
    """
    found: dict[tuple[str, str], Member] = {}
    labelled = True
    for source, item in chain.from_iterable(map(_objects, manifests)):
        member = _member(source, item, values)
        if member and str((item.get("metadata") or {}).get("namespace") or namespace) == namespace:
            found[member.kind, member.name] = member
            labelled = labelled and _has_label(item, release)
    return Members(release, found, labelled)


@lru_cache(maxsize=4)  # what a dry run renders is what Helm then stores
def _objects(manifest: str) -> tuple[tuple[str, Object], ...]:
    """Return each object that may be a workload, with its template: reading all of a large release takes long."""
    return tuple(sourced(manifest, _MAY_RUN))


def _member(source: str, item: dict[str, Any], values: Sequence[Mapping[str, Any]]) -> Member | None:
    kind, metadata = str(item.get("kind")), _map(item.get("metadata"))
    if _GROUPS.get(kind) != str(item.get("apiVersion")).partition("/")[0]:
        return None
    name, hook = str(metadata.get("name")), HOOK_ANNOTATION in _map(metadata.get("annotations"))
    spec = _map(item.get("spec"))
    desired, min_ready = _number(spec.get("replicas"), None), _number(spec.get("minReadySeconds"), 0)
    service, container = _service(source, item, values)
    image = str(container.get("image") or "")
    on_delete = _map(spec.get("updateStrategy")).get("type") == "OnDelete"
    expires = kind == "Job" and not hook and spec.get("ttlSecondsAfterFinished") is not None
    called = str(container.get("name") or "")
    return Member(kind, name, service, called, image, desired, min_ready or 0, hook, on_delete, expires)


def _service(source: str, item: dict[str, Any], values: Sequence[Mapping[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the service that an object was made of, and the container that runs it; empty where there is none.

    The chart has a template for each kind, and calls a container after the service. Another chart may do so too, but
    has no such entry in its values. A post-renderer may have put other containers in front, and have removed what says
    which template it was: then the label has to agree.
    """
    chart, _, file = source.partition("/templates/")
    if source and file != f"{str(item['kind']).lower()}.yaml":
        return "", {}
    # Source: helm.sh/helm/v4/pkg/chart/v2, ChartFullPath; a subchart is called by its alias, as its values are
    path = chart.split("/charts/")[1:]
    scopes = [_at(layer, path) for layer in values]
    services = {name for scope in scopes for name in _map(scope.get("services"))}
    if not any(_map(scope.get("image")) for scope in scopes):
        return "", {}
    for container in _containers(item):
        name = str(container.get("name"))
        if name in services and (source or name == service_of(item)):
            return ".".join([*path, name]), container
    return "", {}


def _containers(item: dict[str, Any]) -> list[dict[str, Any]]:
    found = _map(_template(item).get("spec")).get("containers")
    return [_map(container) for container in found] if isinstance(found, list) else []


def _at(values: Mapping[str, Any], path: Iterable[str]) -> Mapping[str, Any]:
    for step in path:
        values = _map(values.get(step))
    return values


def _template(item: dict[str, Any]) -> dict[str, Any]:
    spec = _map(item.get("spec"))
    return _map(_map(_map(spec.get("jobTemplate")).get("spec") or spec).get("template"))


def _has_label(item: dict[str, Any], release: str) -> bool:
    metas = (_map(item.get("metadata")), _map(_template(item).get("metadata")))
    return all(_map(meta.get("labels")).get(INSTANCE_LABEL) == release for meta in metas)


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any, otherwise: int | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise

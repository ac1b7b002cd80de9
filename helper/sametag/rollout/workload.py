"""What the kinds of workloads call the same things: how many pods, and which of them are of the newest spec."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import DaemonSet, Deployment, StatefulSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightkube.models.core_v1 import PodSpec, PodTemplateSpec
    from lightkube.resources.apps_v1 import ReplicaSet
    from lightkube.resources.batch_v1 import Job
    from lightkube.resources.core_v1 import Event, Pod

    Workload = Deployment | StatefulSet | DaemonSet

_Object = TypeVar("_Object")


@dataclass(slots=True)
class Objects:
    """The objects of a release, by UID, as a watch keeps them; the Jobs and events where somebody watches."""

    deployments: dict[str, Deployment] = field(default_factory=dict)
    statefulsets: dict[str, StatefulSet] = field(default_factory=dict)
    daemonsets: dict[str, DaemonSet] = field(default_factory=dict)
    replicasets: dict[str, ReplicaSet] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)

    @property
    def workloads(self) -> list[Workload]:
        """Every workload, of whatever kind."""
        return [*self.deployments.values(), *self.statefulsets.values(), *self.daemonsets.values()]


class Owned:
    """The pods and the ReplicaSets by the UID of their owner, and the events by that of what they are about."""

    def __init__(self, objects: Objects) -> None:
        self._pods = _by_owner(filter(counts, objects.pods.values()))
        self._attempts = _by_owner(objects.pods.values())
        self._replicasets = _by_owner(objects.replicasets.values())
        self._events: defaultdict[str, list[Event]] = defaultdict(list)
        for event in objects.events.values():
            self._events[event.involvedObject.uid or ""].append(event)

    def count(self, item: Workload) -> int:
        """Return how many pods of a workload count, old ones too."""
        return len(self._pods[metadata(item).uid or ""])

    def parts(self, workload: Workload) -> list[Any]:
        """Return all that a workload is judged by: itself, its ReplicaSets and pods, and the warnings about them."""
        uid = metadata(workload).uid or ""
        sets = self._replicasets.get(uid, [])
        owners = [uid, *(metadata(one).uid or "" for one in sets)]
        found = [workload, *sets, *(pod for owner in owners for pod in self._pods.get(owner, ()))]
        return [*found, *(event for one in found for event in self._events.get(metadata(one).uid or "", ()))]

    def attempts(self, job: Job) -> list[Pod]:
        """Return every pod of a Job, also those at their end, oldest first."""
        return sorted(self._attempts[metadata(job).uid or ""], key=lambda pod: str(metadata(pod).creationTimestamp))

    def events(self, item: Any) -> list[Event]:
        """Return the warnings about one object."""
        return self._events[metadata(item).uid or ""]

    def split(self, workload: Workload) -> tuple[list[Pod], list[Pod]]:
        """Return the pods of the workload's newest spec, and the older ones."""
        uid = metadata(workload).uid or ""
        if isinstance(workload, Deployment):
            return self._of_replicasets(workload)
        newest = _newest_label(workload)
        current = [pod for pod in self._pods[uid] if (metadata(pod).labels or {}).get(newest[0]) == newest[1]]
        return current, [pod for pod in self._pods[uid] if pod not in current]

    def _of_replicasets(self, workload: Deployment) -> tuple[list[Pod], list[Pod]]:
        newest = self.replicaset(workload)
        sets = sorted(self._replicasets[metadata(workload).uid or ""], key=_revision)
        pods = {id(one): self._pods[metadata(one).uid or ""] for one in sets}
        return pods.pop(id(newest), []), [pod for older in pods.values() for pod in older]

    def replicaset(self, workload: Deployment) -> ReplicaSet | None:
        """Return the ReplicaSet of the newest spec; None where it was not made yet, or not seen.

        It is told by its template, as the controller does. Neither its revision nor observedGeneration will do: when
        replicas and template change at once, the controller first scales what is there and says that it has seen the
        new spec, and then makes the ReplicaSet. And each kind has a watch of its own, one of which may be late.
        """
        wanted = _essence(workload.spec.template)
        sets = sorted(self._replicasets[metadata(workload).uid or ""], key=_revision, reverse=True)
        return next((one for one in sets if _essence(one.spec.template) == wanted), None)

    def observed(self, workload: Workload) -> bool:
        """Whether the controller has seen the newest spec, and we have seen what it made of it.

        Until then the newest is still the old one, and what is wrong with that is not what is wrong with this spec.
        """
        seen = (workload.status and workload.status.observedGeneration) or 0
        made = not isinstance(workload, Deployment) or self.replicaset(workload) is not None
        return made and seen >= (metadata(workload).generation or 0)


def counts(pod: Pod) -> bool:
    """Whether a pod is neither being deleted nor at its end: an evicted pod stays, and another takes its place."""
    ended = pod.status is not None and pod.status.phase in ("Failed", "Succeeded")
    return metadata(pod).deletionTimestamp is None and not ended


def _by_owner(items: Iterable[_Object]) -> defaultdict[str, list[_Object]]:
    found: defaultdict[str, list[_Object]] = defaultdict(list)
    for item in items:
        for owner in metadata(item).ownerReferences or ():
            found[owner.uid].append(item)
    return found


def _revision(replicaset: ReplicaSet) -> int:
    return int((metadata(replicaset).annotations or {}).get("deployment.kubernetes.io/revision", 0))


def _essence(template: PodTemplateSpec | None) -> tuple[dict[str, str], dict[str, str], PodSpec | None]:
    """Return what a pod template says, without the label that the controller adds."""
    if template is None:
        return {}, {}, None
    meta = metadata(template)
    labels = {name: value for name, value in (meta.labels or {}).items() if name != "pod-template-hash"}
    return labels, meta.annotations or {}, template.spec


def _newest_label(workload: StatefulSet | DaemonSet) -> tuple[str, str]:
    """Return the label, name and value, that the pods of the newest spec have.

    Source: k8s.io/api/apps/v1, ControllerRevisionHashLabelKey and DeprecatedTemplateGeneration
    """
    if isinstance(workload, StatefulSet):
        return "controller-revision-hash", (workload.status and workload.status.updateRevision) or ""
    annotations = metadata(workload).annotations or {}
    return "pod-template-generation", annotations.get("deprecated.daemonset.template.generation", "")


class Numbers(NamedTuple):
    """How many pods a workload wants, has on its newest spec, and has available."""

    desired: int
    updated: int
    ready: int


def numbers(workload: Workload) -> Numbers:
    """Return the numbers as the controller last saw them."""
    if isinstance(workload, DaemonSet):
        daemons = workload.status
        if daemons is None:
            return Numbers(0, 0, 0)
        return Numbers(
            daemons.desiredNumberScheduled, daemons.updatedNumberScheduled or 0, daemons.numberAvailable or 0
        )
    replicas, status = workload.spec.replicas, workload.status
    desired = 1 if replicas is None else replicas
    return Numbers(desired, (status and status.updatedReplicas) or 0, (status and status.availableReplicas) or 0)


def metadata(item: Any) -> ObjectMeta:
    """Return an object's metadata, empty where it has none."""
    return item.metadata or ObjectMeta()

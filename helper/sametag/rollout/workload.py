"""Deployments, StatefulSets and DaemonSets alike: their numbers of pods, and which pods are of the newest spec."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sametag.rollout.kube_types import DaemonSet, Deployment, Pod, ReplicaSet, StatefulSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.rollout.kube_types import CronJob, Event, Job

    Workload = Deployment | StatefulSet | DaemonSet

_Owned = TypeVar("_Owned", Pod, ReplicaSet)

# Of the numbers that Kubernetes counts with.
_DIGITS = 19


@dataclass(slots=True)
class Objects:
    """The objects of a release, by UID, as a watch keeps them."""

    deployments: dict[str, Deployment] = field(default_factory=dict)
    statefulsets: dict[str, StatefulSet] = field(default_factory=dict)
    daemonsets: dict[str, DaemonSet] = field(default_factory=dict)
    replicasets: dict[str, ReplicaSet] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    #: Deleted Jobs: Helm deletes hooks that have succeeded.
    gone_jobs: dict[str, Job] = field(default_factory=dict)
    cronjobs: dict[str, CronJob] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)

    @property
    def workloads(self) -> dict[tuple[str, str], Workload]:
        """Every workload by kind and name, without Jobs."""
        found: list[Workload] = [
            *self.deployments.values(),
            *self.statefulsets.values(),
            *self.daemonsets.values(),
        ]
        return {(type(workload).__name__, workload.metadata.name): workload for workload in found}


class Owned:
    """The pods and the ReplicaSets by the UID of their owner, and the events by that of what they are about."""

    def __init__(self, objects: Objects) -> None:
        self._pods = _by_owner(filter(counts, objects.pods.values()))
        self._attempts = _by_owner(objects.pods.values())
        self._replicasets = _by_owner(objects.replicasets.values())
        self._templates = {uid: replicaset.spec.template for uid, replicaset in objects.replicasets.items()}
        self._events: defaultdict[str, list[Event]] = defaultdict(list)
        for event in objects.events.values():
            self._events[event.involvedObject.uid].append(event)

    def count(self, item: Workload) -> int:
        """Return how many pods of a workload count, old ones too."""
        return len(self._pods[item.metadata.uid])

    def parts(self, workload: Workload) -> list[Any]:
        """Return all that a workload is judged by: itself, its ReplicaSets and pods, and the warnings about them."""
        uid = workload.metadata.uid
        sets = self._replicasets.get(uid, [])
        owners = [uid, *(replicaset.metadata.uid for replicaset in sets)]
        found = [workload, *sets, *(pod for owner in owners for pod in self._pods.get(owner, ()))]
        return [*found, *(event for item in found for event in self._events.get(item.metadata.uid, ()))]

    def template(self, pod: Pod) -> dict[str, Any] | None:
        """Return the template of a Deployment's pod; None for the pods of other kinds."""
        owners = (self._templates.get(owner.uid) for owner in pod.metadata.ownerReferences)
        return next((template for template in owners if template is not None), None)

    def attempts(self, job: Job) -> list[Pod]:
        """Return every pod of a Job, including those that have ended, oldest first."""
        return sorted(self._attempts[job.metadata.uid], key=lambda pod: str(pod.metadata.creationTimestamp))

    def events(self, item: Workload | Job | Pod) -> list[Event]:
        """Return the warnings about one object."""
        return self._events[item.metadata.uid]

    def split(self, workload: Workload) -> tuple[list[Pod], list[Pod]]:
        """Return the pods of the workload's newest spec, and the older ones."""
        if isinstance(workload, Deployment):
            return self._of_replicasets(workload)
        name, value = _newest_label(workload)
        current: list[Pod] = []
        older: list[Pod] = []
        for pod in self._pods[workload.metadata.uid]:
            (current if pod.metadata.labels.get(name) == value else older).append(pod)
        return current, older

    def _of_replicasets(self, workload: Deployment) -> tuple[list[Pod], list[Pod]]:
        newest = self.replicaset(workload)
        sets = sorted(self._replicasets[workload.metadata.uid], key=_revision)
        pods = {id(replicaset): self._pods[replicaset.metadata.uid] for replicaset in sets}
        return pods.pop(id(newest), []), [pod for older in pods.values() for pod in older]

    def replicaset(self, workload: Deployment) -> ReplicaSet | None:
        """Return the ReplicaSet of the newest spec; None if it was not created yet, or not seen.

        It is identified by its template, as the controller does. Neither its revision nor observedGeneration is enough:
        when replicas and template change at once, the controller first scales the old ReplicaSet and reports the new
        spec as observed, and then creates the new one. And each kind has its own watch, one of which may be late.
        """
        wanted = _essence(workload.spec.template)
        sets = sorted(self._replicasets[workload.metadata.uid], key=_revision, reverse=True)
        return next((replicaset for replicaset in sets if _essence(replicaset.spec.template) == wanted), None)

    def observed(self, workload: Workload) -> bool:
        """Whether the controller has seen the newest spec, and we have seen what it made of it.

        Until then the newest is still the old one, and what is wrong with that is not what is wrong with this spec.
        """
        made = not isinstance(workload, Deployment) or self.replicaset(workload) is not None
        return made and workload.status.observedGeneration >= workload.metadata.generation


def counts(pod: Pod) -> bool:
    """Whether a pod is neither being deleted nor at its end: an evicted pod stays, and another takes its place."""
    return pod.metadata.deletionTimestamp is None and pod.status.phase not in ("Failed", "Succeeded")


def _by_owner(items: Iterable[_Owned]) -> defaultdict[str, list[_Owned]]:
    found: defaultdict[str, list[_Owned]] = defaultdict(list)
    for item in items:
        for owner in item.metadata.ownerReferences:
            found[owner.uid].append(item)
    return found


def _revision(replicaset: ReplicaSet) -> int:
    text = replicaset.metadata.annotations.get("deployment.kubernetes.io/revision", "")
    # Anybody may write an annotation.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


def _essence(template: dict[str, Any]) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """Return a pod template without the label that the controller adds."""
    meta = template.get("metadata") or {}
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name != "pod-template-hash"}
    return labels, meta.get("annotations") or {}, template.get("spec") or {}


def _newest_label(workload: StatefulSet | DaemonSet) -> tuple[str, str]:
    """Return the label, name and value, that the pods of the newest spec have.

    Source: k8s.io/api/apps/v1, ControllerRevisionHashLabelKey and DeprecatedTemplateGeneration
    """
    if isinstance(workload, StatefulSet):
        return "controller-revision-hash", workload.status.updateRevision
    generation = workload.metadata.annotations.get("deprecated.daemonset.template.generation", "")
    return "pod-template-generation", generation


class Numbers(NamedTuple):
    """How many pods a workload wants, has on its newest spec, and has available."""

    desired: int
    updated: int
    ready: int


def numbers(workload: Workload) -> Numbers:
    """Return the numbers as the controller last saw them."""
    if isinstance(workload, DaemonSet):
        daemons = workload.status
        return Numbers(daemons.desiredNumberScheduled, daemons.updatedNumberScheduled, daemons.numberAvailable)
    return Numbers(workload.spec.replicas, workload.status.updatedReplicas, workload.status.availableReplicas)


def held(workload: Workload) -> str:
    """Return why the controller does not replace every pod by itself; empty if it does."""
    if isinstance(workload, Deployment):
        return "it is paused" if workload.spec.paused else ""
    strategy = workload.spec.updateStrategy
    if strategy.type == "OnDelete":
        return "its update strategy is OnDelete: a pod changes when it is deleted"
    if partition := strategy.rollingUpdate.partition:
        return f"its partition is {partition}: the pods with a lower number stay as they are"
    return ""


def rolled_out(workload: Workload, owned: Owned) -> bool:
    """Whether the controller, which has seen the newest spec, reports it as rolled out.

    Source: k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go, and deploymentutil.DeploymentComplete
    """
    if isinstance(workload, Deployment):
        newest = owned.replicaset(workload)
        return newest is not None and any(
            condition.type == "Progressing"
            and condition.reason == "NewReplicaSetAvailable"
            and f'"{newest.metadata.name}"' in condition.message
            for condition in workload.status.conditions
        )
    wanted = numbers(workload)
    return wanted.updated >= wanted.desired <= wanted.ready

"""What runs for each service, judged from the objects as they are now.

Nothing depends on the order in which events came. Which pods count: those of a Deployment's newest ReplicaSet, found by
the UID of their owner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lightkube.models.meta_v1 import ObjectMeta

from sametag.rollout.trouble import Trouble, statuses, troubles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightkube.resources.apps_v1 import Deployment, ReplicaSet
    from lightkube.resources.core_v1 import Pod

#: The chart's label that says which service a workload is.
SERVICE_LABEL = "app.kubernetes.io/component"

_Object = TypeVar("_Object")


@dataclass(frozen=True, slots=True)
class Image:
    """The one image of a release.

    Attributes:
        repository: With the registry, as pods name it.
        tag: Empty where the image is pinned by digest alone.
        digest: `sha256:…`, or empty.
    """

    repository: str
    tag: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of a service: its name, the images of its containers, whether it is ready, and its restarts in all."""

    name: str
    images: tuple[str, ...]
    ready: bool
    restarts: int


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What runs for one service.

    Attributes:
        name: The key in `services`.
        workload: The name of its Deployment.
        uid: The Deployment's.
        generation: The Deployment's generation; it grows with each change of the spec.
        desired, updated, ready: Numbers of pods.
        observed: Whether the controller has seen the newest spec.
        pods: The pods of the newest ReplicaSet that are not being deleted.
        others: The pods of older ReplicaSets that are not being deleted.
        troubles: Empty when nothing is wrong.
    """

    name: str
    workload: str
    uid: str
    generation: int
    desired: int
    updated: int
    ready: int
    observed: bool
    pods: tuple[PodState, ...] = ()
    others: tuple[PodState, ...] = ()
    troubles: tuple[Trouble, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every pod is of the newest spec and ready, and no older pod is left."""
        return self.observed and self.updated == self.ready == self.desired == len(self.pods) and not self.others

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that its pods run, sorted; of the application's image or of others alike."""
        found = {split(image)[1] or split(image)[2] for pod in (*self.pods, *self.others) for image in pod.images}
        return tuple(sorted(found))

    def runs(self, image: Image) -> bool:
        """Whether every pod, old ones too, runs this image and none of its repository with another tag."""
        return all(pod_runs(pod, image) for pod in (*self.pods, *self.others))


def split(reference: str) -> tuple[str, str, str]:
    """Split an image reference into repository, tag and digest; what is not there is empty.

    Source: https://pkg.go.dev/github.com/distribution/reference
    """
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    return (head, tag, digest) if colon and "/" not in tag else (name, "", digest)


def pod_runs(pod: PodState, image: Image) -> bool:
    """Whether a pod runs the image; containers of other repositories (sidecars) do not count."""
    ours = [(tag, digest) for repository, tag, digest in map(split, pod.images) if repository == image.repository]
    return bool(ours) and all(tag == image.tag and digest == image.digest for tag, digest in ours)


@dataclass(slots=True)
class Objects:
    """The objects of a release, by UID, as a watch keeps them."""

    deployments: dict[str, Deployment] = field(default_factory=dict)
    replicasets: dict[str, ReplicaSet] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)


def assess(objects: Objects) -> list[ServiceState]:
    """Judge every service of a release from its objects as they are now, sorted by name."""
    states = [_service(deployment, objects) for deployment in objects.deployments.values()]
    return sorted(states, key=lambda state: state.name)


def _service(deployment: Deployment, objects: Objects) -> ServiceState:
    uid = _uid(deployment)
    sets = sorted(_owned(objects.replicasets.values(), uid), key=_revision)
    newest = _uid(sets[-1]) if sets else ""
    live = [pod for pod in objects.pods.values() if not _deleted(pod)]
    current = _owned(live, newest)
    older = [pod for owner in sets[:-1] for pod in _owned(live, _uid(owner))]
    status = deployment.status
    generation = (deployment.metadata and deployment.metadata.generation) or 0
    observed = bool(status and (status.observedGeneration or 0) >= generation)
    return ServiceState(
        name=_label(deployment, SERVICE_LABEL) or _name(deployment),
        workload=_name(deployment),
        uid=uid,
        generation=generation,
        desired=_desired(deployment),
        updated=(status and status.updatedReplicas) or 0,
        ready=(status and status.availableReplicas) or 0,
        observed=observed,
        pods=tuple(map(_pod, current)),
        others=tuple(map(_pod, older)),
        # Until the controller has seen the spec, newest is still the old one, and so are its troubles.
        troubles=tuple(troubles(deployment, current)) if observed else (),
    )


def _desired(deployment: Deployment) -> int:
    replicas = deployment.spec.replicas
    return 1 if replicas is None else replicas


def _owned(items: Iterable[_Object], owner: str) -> list[_Object]:
    return [item for item in items if any(ref.uid == owner for ref in _metadata(item).ownerReferences or ())]


def _metadata(item: Any) -> ObjectMeta:
    return item.metadata or ObjectMeta()


def _uid(item: Any) -> str:
    return str(_metadata(item).uid or "")


def _name(item: Any) -> str:
    return _metadata(item).name or ""


def _label(item: Any, label: str) -> str:
    return str((_metadata(item).labels or {}).get(label, ""))


def _deleted(item: Any) -> bool:
    return _metadata(item).deletionTimestamp is not None


def _revision(replicaset: ReplicaSet) -> int:
    return int((_metadata(replicaset).annotations or {}).get("deployment.kubernetes.io/revision", 0))


def _pod(pod: Pod) -> PodState:
    conditions = (pod.status and pod.status.conditions) or ()
    return PodState(
        name=_name(pod),
        images=tuple(container.image or "" for container in (pod.spec.containers if pod.spec else ())),
        ready=any(condition.type == "Ready" and condition.status == "True" for condition in conditions),
        restarts=sum(status.restartCount for status in statuses(pod)),
    )

"""What runs for each service, judged from the objects as they are now.

Nothing depends on the order in which events came. Which pods count: those of the workload's newest spec, found by the
UID of their owner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sametag.rollout.trouble import Trouble, troubles, unready
from sametag.rollout.workload import Objects, Owned, numbers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sametag.rollout.objects import Pod
    from sametag.rollout.workload import Workload

#: The chart's label that says which service a workload is.
SERVICE_LABEL = "app.kubernetes.io/component"

_DIGEST = re.compile(r"sha\d+:[0-9a-f]+$")


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
    """One pod of a service.

    Attributes:
        name: Its name.
        images: The images that its containers ask for.
        ready: Whether it is.
        restarts: Of its containers, in all.
        digests: What the kubelet says that each of `images` is; empty where it has not said.
    """

    name: str
    images: tuple[str, ...]
    ready: bool
    restarts: int
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What runs for one service.

    Attributes:
        name: The key in `services`.
        workload: The name of its Deployment, StatefulSet or DaemonSet.
        uid: The workload's.
        generation: The workload's; it grows with each change of the spec.
        desired, updated, ready: Numbers of pods.
        observed: Whether the controller has seen the newest spec.
        pods: The pods of the newest spec that are not being deleted.
        others: The older pods that are not being deleted.
        troubles: Empty when nothing is wrong.
        unready: The containers that Helm waits for, trouble or not.
        job: Whether it is a Job that has not ended, or has failed; one that has done its work is no longer told of.
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
    unready: tuple[Trouble, ...] = ()
    job: bool = False

    @property
    def spec(self) -> tuple[str, int]:
        """What tells one spec of one workload from every other."""
        return self.uid, self.generation

    @property
    def complete(self) -> bool:
        """Whether every pod is of the newest spec and ready, and no older pod is left; for a Job's end Helm waits."""
        if self.job:
            return True
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


def digests_of(states: Iterable[ServiceState], image: Image) -> set[str]:
    """Return the digests that the pods run of this image's repository; an empty one where the kubelet has not said.

    More than one means that the tag was pushed over between two pulls.
    """
    return {
        digest
        for state in states
        for pod in (*state.pods, *state.others)
        for reference, digest in zip(pod.images, pod.digests, strict=True)
        if split(reference)[0] == image.repository
    }


class Assessor:
    """Judges every service of a release from its objects as they are now, and anew only those whose objects changed."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._judged: dict[str, tuple[list[Any], ServiceState]] = {}

    def __call__(self) -> list[ServiceState]:
        """Return the states, sorted by name."""
        owned = Owned(self._objects)
        self._judged = {workload.metadata.uid: self._judge(workload, owned) for workload in self._objects.workloads}
        return sorted((state for _, state in self._judged.values()), key=lambda state: state.name)

    def _judge(self, workload: Workload, owned: Owned) -> tuple[list[Any], ServiceState]:
        known, parts = self._judged.get(workload.metadata.uid), owned.parts(workload)
        # What has not changed is the very same object, which a comparison sees first.
        return known if known and known[0] == parts else (parts, _service(workload, owned))


def assess(objects: Objects) -> list[ServiceState]:
    """Judge every service of a release from its objects as they are now, sorted by name."""
    return Assessor(objects)()


def _service(workload: Workload, owned: Owned) -> ServiceState:
    meta = workload.metadata
    current, older = owned.split(workload)
    desired, updated, ready = numbers(workload)
    observed = owned.observed(workload)
    return ServiceState(
        name=meta.labels.get(SERVICE_LABEL, meta.name),
        workload=meta.name,
        uid=meta.uid,
        generation=meta.generation,
        desired=desired,
        updated=updated,
        ready=ready,
        observed=observed,
        pods=tuple(map(pod_state, current)),
        others=tuple(map(pod_state, older)),
        # Until the controller has seen the spec, newest is still the old one, and so are its troubles.
        troubles=tuple(troubles(workload, current, owned)) if observed else (),
        unready=tuple(unready("NotReady", "", current)),
    )


def pod_state(pod: Pod) -> PodState:
    """Return what is told of a pod."""
    statuses, containers = pod.status.containers, pod.spec.containers
    ids = {status.name: status.imageID for status in statuses}
    return PodState(
        name=pod.metadata.name,
        images=tuple(container.image for container in containers),
        ready=any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions),
        restarts=sum(status.restartCount for status in statuses),
        digests=tuple(_digest(ids.get(container.name, "")) for container in containers),
    )


def _digest(image_id: str) -> str:
    """Return the digest in the kubelet's `repository@sha256:…` (containerd, CRI-O) or `docker-pullable://…`."""
    found = _DIGEST.search(image_id)
    return found[0] if found else ""

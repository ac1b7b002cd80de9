"""What runs for each service, judged from the objects as they are now.

Nothing depends on the order in which events came. Which pods count: those of the workload's newest spec, found by the
UID of their owner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sametag.rollout.members import RUNNING
from sametag.rollout.ordered import Blocking, blocking
from sametag.rollout.trouble import Trouble, troubles, unmade, unready_pods
from sametag.rollout.workload import Objects, Owned, held, numbers, rolled_out

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sametag.rollout.cron import Schedule
    from sametag.rollout.kube_types import Pod
    from sametag.rollout.members import Member, Members
    from sametag.rollout.run import Run
    from sametag.rollout.workload import Workload

_DIGEST = re.compile(r"sha\d+:[0-9a-f]+$")


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of a service.

    Attributes:
        name: Its name.
        images: The images that its containers ask for, the one that runs the service first.
        ready: Whether it is.
        restarts: Of its containers, in all.
        digests: What the kubelet says that each of `images` is; empty where it has not said.
        on_tag: Whether it was made of a template with the service's image; None where that cannot be told.
    """

    name: str
    images: tuple[str, ...]
    ready: bool
    restarts: int
    digests: tuple[str, ...]
    on_tag: bool | None = None


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What runs for one service, or for an extra workload of the release.

    Attributes:
        name: The key in `services`; of an extra workload, what it is (`deployment/redis`).
        workload: The name of its Deployment, StatefulSet or DaemonSet.
        uid: The workload's; empty where it is not in the cluster.
        generation: The workload's; it grows with each change of the spec.
        desired, updated, ready: Numbers of pods.
        observed: Whether the controller has seen the newest spec.
        pods: The pods of the newest spec that are not being deleted.
        others: The older pods that are not being deleted.
        troubles: Empty when nothing is wrong.
        unready: The containers that Helm waits for, trouble or not.
        run: How far it is, where it is a Job.
        cron: When it runs, and how it last did, where it is a CronJob.
        template_tags: The tags in a CronJob's template.
        extra: Whether it is the workload of no service: it has no tag, and decides nothing.
        on_tag: Whether the workload's pod template has the image that the manifest has; None where that cannot be told.
        held: Why its controller does not replace every pod by itself, such as `it is paused`; else empty.
        rolled_out: Whether its controller says that the newest spec is rolled out.
        blocking: The older pods that have to be deleted before its controller can go on.
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
    run: Run | None = None
    cron: Schedule | None = None
    template_tags: tuple[str, ...] = ()
    extra: bool = False
    on_tag: bool | None = None
    held: str = ""
    rolled_out: bool = False
    blocking: tuple[Blocking, ...] = ()

    @property
    def steady(self) -> bool:
        """Whether it is a service that runs until it is stopped."""
        return not (self.run or self.cron or self.extra)

    @property
    def doubt(self) -> str:
        """Why it is not seen ready on its tag, every pod; else empty."""
        if self.run or self.cron:
            return ""
        if self.held:
            return self.held
        if not self.uid:
            return f"there is no {self.workload}"
        if self.on_tag is False:
            return "its pod template has another image than the manifest"
        if self.on_tag is None:
            return "its pod template does not tell whether it has the image of the manifest"
        return "" if self.complete else f"{self.ready} of {self.desired} pods are ready"

    @property
    def done(self) -> bool:
        """Whether there is nothing left to wait for: its controller says so, or we see it."""
        return bool(self.held) or (self.observed and (self.rolled_out or self.complete))

    @property
    def spec(self) -> tuple[str, int]:
        """What tells one spec of one workload from every other."""
        return self.uid, self.generation

    @property
    def complete(self) -> bool:
        """Whether every pod is of the newest spec and ready, and no older pod is left; for a Job's end Helm waits."""
        if self.run or self.cron:
            return True
        return self.observed and self.updated == self.ready == self.desired == len(self.pods) and not self.others

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that its pods run, sorted; of an extra workload, those of all its containers."""
        if self.cron:
            return self.template_tags
        pods = (*self.pods, *self.others)
        found = (split(image) for pod in pods for image in (pod.images if self.extra else pod.images[:1]))
        return tuple(sorted({tag or digest for _, tag, digest in found}))


def split(reference: str) -> tuple[str, str, str]:
    """Split an image reference into repository, tag and digest; what is not there is empty.

    Source: https://pkg.go.dev/github.com/distribution/reference
    """
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    return (head, tag, digest) if colon and "/" not in tag else (name, "", digest)


def same_image(there: str, wanted: str) -> bool | None:
    """Whether an image reference is the one that a manifest has, or what admission makes of it.

    Admission rewrites the registry, and pins the digest. Where it puts a digest in the place of the tag, this cannot be
    told: None.
    """
    (_, tag, digest), (_, wanted_tag, wanted_digest) = split(there), split(wanted)
    if wanted_digest:
        return digest == wanted_digest if digest else False
    if digest and not tag:
        return None
    return (tag or "latest") == (wanted_tag or "latest")


def digests_of(states: Iterable[ServiceState]) -> dict[str, set[str]]:
    """Return the digests that the services' pods run, by repository; an empty one where the kubelet has not said.

    More than one of a repository means that the tag was pushed over between two pulls.
    """
    found: dict[str, set[str]] = {}
    for state in states:
        for pod in () if state.extra else (*state.pods, *state.others):
            if pod.digests:
                found.setdefault(split(pod.images[0])[0], set()).add(pod.digests[0])
    return found


class Assessor:
    """Judges every workload of a manifest from the objects as they are now, and anew only what has changed."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._judged: dict[tuple[str, str], tuple[list[Any], ServiceState]] = {}

    def __call__(self, members: Members) -> list[ServiceState]:
        """Return the states: the services by name, then the extra workloads; also of those that are not there."""
        owned, workloads = Owned(self._objects), self._objects.workloads
        wanted = {key: member for key, member in members.found.items() if member.kind in RUNNING}
        self._judged = {key: self._judge(member, workloads.get(key), owned) for key, member in wanted.items()}
        return sorted((state for _, state in self._judged.values()), key=lambda state: (state.extra, state.name))

    def _judge(self, member: Member, workload: Workload | None, owned: Owned) -> tuple[list[Any], ServiceState]:
        known = self._judged.get((member.kind, member.name))
        parts = [member, *(owned.parts(workload) if workload else ())]
        # What has not changed is the very same object, which a comparison sees first.
        if known and known[0] == parts:
            return known
        return parts, _service(member, workload, owned) if workload else _missing(member)


def assess(objects: Objects, members: Members) -> list[ServiceState]:
    """Judge every workload of a manifest from the objects as they are now: the services by name, then the others."""
    return Assessor(objects)(members)


def _missing(member: Member) -> ServiceState:
    return ServiceState(
        name=member.title,
        workload=member.name,
        uid="",
        generation=0,
        desired=member.desired,
        updated=0,
        ready=0,
        observed=False,
        extra=not member.service,
    )


def _service(member: Member, workload: Workload, owned: Owned) -> ServiceState:
    meta = workload.metadata
    current, older = owned.split(workload)
    desired, updated, ready = numbers(workload)
    observed = owned.observed(workload)
    on_tag = template_is_on_tag(workload.spec.template, member)
    return ServiceState(
        name=member.title,
        workload=meta.name,
        uid=meta.uid,
        generation=meta.generation,
        desired=desired,
        updated=updated,
        ready=ready,
        observed=observed,
        pods=tuple(pod_state(pod, member, on_tag=on_tag) for pod in current),
        others=tuple(pod_state(pod, member, on_tag=_pod_is_on_tag(pod, member, owned)) for pod in older),
        # Until the controller has seen the spec, newest is still the old one, and so are its troubles.
        troubles=tuple(troubles(workload, current, owned) if observed else unmade(workload, owned)),
        unready=tuple(unready_pods(workload, current, older)),
        extra=not member.service,
        on_tag=on_tag,
        held=held(workload),
        rolled_out=observed and rolled_out(workload, owned),
        blocking=tuple(blocking(workload, older, owned)) if observed else (),
    )


def template_is_on_tag(template: dict[str, Any], member: Member) -> bool | None:
    """Whether a pod template has the service's image: admission may have put other containers into it."""
    containers = (template.get("spec") or {}).get("containers") or ()
    images = [str(container.get("image")) for container in containers if container.get("name") == member.container]
    return same_image(images[0], member.image) if images else None


def _pod_is_on_tag(pod: Pod, member: Member, owned: Owned) -> bool | None:
    """Whether an older pod has the service's image: by its template, where there is one to look at."""
    if (template := owned.template(pod)) is not None:
        return template_is_on_tag(template, member)
    images = [container.image for container in pod.spec.containers if container.name == member.container]
    return same_image(images[0], member.image) if images else None


def pod_state(pod: Pod, member: Member, *, on_tag: bool | None = None) -> PodState:
    """Return what is told of a pod."""
    statuses = pod.status.containers
    # A sort keeps the order of what it does not tell apart.
    containers = sorted(pod.spec.containers, key=lambda container: container.name != member.container)
    ids = {status.name: status.imageID for status in statuses}
    return PodState(
        name=pod.metadata.name,
        images=tuple(container.image for container in containers),
        ready=any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions),
        restarts=sum(status.restartCount for status in statuses),
        digests=tuple(_digest(ids.get(container.name, "")) for container in containers),
        on_tag=on_tag,
    )


def _digest(image_id: str) -> str:
    """Return the digest in the kubelet's `repository@sha256:…` (containerd, CRI-O) or `docker-pullable://…`."""
    found = _DIGEST.search(image_id)
    return found[0] if found else ""

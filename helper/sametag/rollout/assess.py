"""Judge the workloads that run until they are stopped, from the objects as they are now.

Nothing depends on the order of events. The pods that count are those of the workload's newest spec, found by the UID of
their owner.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sametag.rollout.images import same_image
from sametag.rollout.kube_types import StatefulSet
from sametag.rollout.members import RUNNING
from sametag.rollout.state import Blocking, PodState, ServiceState
from sametag.rollout.trouble import pod_crashes, pod_troubles, troubles, unmade, unready_pods
from sametag.rollout.workload import Objects, Owned, held, numbers, rolled_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from sametag.rollout.kube_types import Pod
    from sametag.rollout.members import Member, Members
    from sametag.rollout.workload import Workload

_DIGEST = re.compile(r"sha\d+:[0-9a-f]+$")


class Assessor:
    """Judges every workload of a manifest from the current objects, again only if they have changed."""

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
        desired=1 if member.desired is None else member.desired,
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
    # Every pod has been ready for minReadySeconds since its last restart.
    proven = member.min_ready > 0 and observed and updated == ready == desired
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
        crashes=() if proven else tuple(crash for pod in current for crash in pod_crashes(pod, owned.events(pod))),
        extra=not member.service,
        on_tag=on_tag,
        held=held(workload),
        stopped=not desired and bool(member.desired),
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


def blocking(workload: Workload, older: Iterable[Pod], owned: Owned) -> Iterator[Blocking]:
    """Yield the older pods that are not ready, and that the controller would have to be ready before it goes on."""
    if not isinstance(workload, StatefulSet) or workload.spec.podManagementPolicy != "OrderedReady":
        return
    strategy = workload.spec.updateStrategy
    if strategy.type == "OnDelete" or not workload.status.updateRevision:
        return
    for pod in older:
        number = pod.metadata.name.rpartition("-")[2]
        kept = number.isdigit() and int(number) < strategy.rollingUpdate.partition
        if not (kept or _is_ready(pod)):
            in_trouble = any(True for _ in pod_troubles(pod, owned.events(pod)))
            yield Blocking(pod.metadata.name, pod.metadata.uid, in_trouble)


def _is_ready(pod: Pod) -> bool:
    return any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions)

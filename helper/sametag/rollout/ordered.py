"""Pods that a StatefulSet waits for and never replaces: those of a broken revision, after its template is another.

With OrderedReady (the default) the controller waits for each pod to become ready before it goes on, also for one that
never will, and whose template has been replaced meanwhile. It has to be deleted by somebody else. Source:
https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback and kubernetes#67250
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sametag.rollout.kube_types import StatefulSet
from sametag.rollout.trouble import pod_troubles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.rollout.kube_types import Pod
    from sametag.rollout.workload import Owned, Workload


class Blocking(NamedTuple):
    """A pod that keeps its StatefulSet from going on.

    Attributes:
        name: Its name, which the next one has too.
        uid: What tells it from the next.
        in_trouble: Whether anything is known to be wrong with it.
    """

    name: str
    uid: str
    in_trouble: bool


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

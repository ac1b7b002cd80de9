"""Why a pod is stuck, and for how long that is no failure yet.

Source of the reasons: k8s.io/kubernetes/pkg/kubelet (images, container, events) and pkg/controller.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sametag.rollout.objects import Deployment
from sametag.rollout.workload import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sametag.rollout.objects import ContainerStatus, Event, Pod
    from sametag.rollout.workload import Owned, Workload

#: Seconds that a trouble may last before it fails the rollout. What cannot heal by itself gets none.
GRACE: Mapping[str, float] = {
    "ImageNotFound": 0,
    "InvalidImageName": 0,
    "ErrImageNeverPull": 0,
    "StartError": 0,  # the command is not in the image, or may not be run
    "CrashLoopBackOff": 0,  # counted from the second restart, see _CRASHES
    "ProgressDeadlineExceeded": 0,
    "Forbidden": 0,  # quota or admission
    "JobFailed": 0,
    "CreateContainerConfigError": 5,
    "CreateContainerError": 5,
    "FailedCreate": 5,  # an admission webhook that restarts, a ServiceAccount that is only just being made
    "FailedMount": 60,  # a Secret may come from elsewhere
    "FailedCreatePodSandBox": 60,  # the node's network may be only just starting
    "Crashed": 60,  # told, and named beside what else fails; a second restart makes it a crash loop sooner
    "ErrImagePull": 60,  # a registry that is down may come back
    "Unschedulable": 60,  # an autoscaler may bring a node
}

_CRASHES = 2  # a program that lost a race at start gets one more try

# What the kubelet says in events alone.
_TOLD = ("FailedMount", "FailedCreatePodSandBox")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod, or a workload that gets no pods, is not ready.

    Attributes:
        reason: One of the keys of `GRACE`, or `NotReady` for what Helm gave up to wait for.
        message: In the words of the kubelet or the controller.
        pod: Its name; empty where there is no pod.
        container: Its name; empty where it is about the whole pod.
    """

    reason: str
    message: str
    pod: str = ""
    container: str = ""

    @property
    def summary(self) -> str:
        """Reason and message in one line, without what differs from pod to pod."""
        message = " ".join(self.message.split())
        return f"{self.reason}: {message}" if message else self.reason


def troubles(workload: Workload, pods: Sequence[Pod], owned: Owned) -> Iterator[Trouble]:
    """Yield what is wrong with a workload and these pods of its newest spec."""
    if isinstance(workload, Deployment):
        yield from _deployments_troubles(workload, pods, owned)
    # The controllers of StatefulSets and DaemonSets say in events alone that a pod was not taken.
    elif owned.count(workload) < numbers(workload).desired:
        yield from refusals(owned.events(workload))
    for pod in pods:
        yield from pod_troubles(pod, owned.events(pod))


def _deployments_troubles(workload: Deployment, pods: Sequence[Pod], owned: Owned) -> Iterator[Trouble]:
    """A Deployment's conditions are for some time still about the spec before: those of its ReplicaSet are not."""
    newest = owned.replicaset(workload)
    if newest is None:
        return
    for failure in newest.status.conditions:
        if failure.type == "ReplicaFailure" and failure.status == "True":
            yield refused(failure.message)
    for condition in workload.status.conditions:
        if condition.reason == "ProgressDeadlineExceeded" and f'"{newest.metadata.name}"' in condition.message:
            yield from unready("ProgressDeadlineExceeded", condition.message, pods)


def refused(message: str) -> Trouble:
    """Return why the API server took no pod: for good (quota, admission), or as it may be for a moment."""
    # The ServiceAccount of a namespace that was only just made comes a moment later.
    final = "denied the request" in message or (
        " is forbidden: " in message and "error looking up service account" not in message
    )
    return Trouble("Forbidden" if final else "FailedCreate", message)


def refusals(events: Iterable[Event]) -> Iterator[Trouble]:
    """Yield what the newest of the warnings about a workload says about a pod that was not taken."""
    messages = [event.message for event in events if event.reason == "FailedCreate"]
    if messages:
        yield refused(messages[-1])


def unready(reason: str, message: str, pods: Iterable[Pod]) -> Iterator[Trouble]:
    """Yield one trouble for each container that is not ready: one about no pod where there is none."""
    found = [
        Trouble(reason, message, pod.metadata.name, status.name)
        for pod in pods
        for status in pod.status.containers
        if not status.ready
    ]
    yield from found or [Trouble(reason, message)]


def pod_troubles(pod: Pod, events: Iterable[Event]) -> Iterator[Trouble]:
    """Yield what keeps one pod from becoming ready."""
    name, statuses = pod.metadata.name, pod.status.containers
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.reason == "Unschedulable":
            yield Trouble("Unschedulable", condition.message, pod=name)
    for status in statuses:
        found = _container_trouble(status)
        if found:
            reason, message = found
            yield Trouble(reason, message, name, status.name)
    if all(_is_being_made(status) for status in statuses):
        told = {event.reason: event.message for event in events if event.reason in _TOLD}
        for reason, message in told.items():
            yield Trouble(reason, message, pod=name)


def _is_being_made(status: ContainerStatus) -> bool:
    waiting = status.state.waiting
    return waiting is not None and waiting.reason in ("ContainerCreating", "PodInitializing")


def _container_trouble(status: ContainerStatus) -> tuple[str, str] | None:
    """Return reason and message; the kubelet's ErrImagePull and ImagePullBackOff are one, so that a grace holds."""
    for state in (status.state, status.lastState):
        ended = state.terminated
        if ended and ended.reason in ("StartError", "ContainerCannotRun") and not status.ready:
            return "StartError", ended.message
    waiting = status.state.waiting
    if waiting is None:
        return None
    if waiting.reason == "CrashLoopBackOff":
        return _crash(status, waiting.message)
    return _waiting(waiting.reason, waiting.message, status.image)


def _waiting(reason: str, message: str, image: str) -> tuple[str, str] | None:
    if reason in ("ErrImagePull", "ImagePullBackOff"):
        if "not found" in message.lower():
            return "ImageNotFound", f"there is no {image}"
        return "ErrImagePull", message
    if reason == "RunContainerError":
        return "StartError", message
    if reason == "CreateContainerConfigError" and "failed to sync" in message:
        return None  # the kubelet's caches are cold; it tries again
    return (reason, message) if reason in GRACE else None


def _crash(status: ContainerStatus, message: str) -> tuple[str, str]:
    reason = "Crashed" if status.restartCount < _CRASHES else "CrashLoopBackOff"
    ended = status.lastState.terminated
    if ended is None:
        return reason, message
    restarts = "1 restart" if status.restartCount == 1 else f"{status.restartCount} restarts"
    return reason, f"{restarts}; ended with exit code {ended.exitCode} ({ended.reason})"


class Patience:
    """Decide when a trouble has lasted longer than its grace.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[tuple[str, ...], float] = {}

    def exhausted(self, found: Iterable[tuple[str, Trouble]]) -> list[tuple[str, Trouble]]:
        """Return those (service, trouble) that have outlasted their grace; what is no longer there is forgotten."""
        now = self._clock()
        present = {
            (service, trouble.pod, trouble.container, trouble.reason): (service, trouble) for service, trouble in found
        }
        self._since = {key: self._since.get(key, now) for key in present}
        return [pair for key, pair in present.items() if now - self._since[key] >= GRACE[pair[1].reason]]

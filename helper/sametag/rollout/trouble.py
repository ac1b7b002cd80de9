"""Why a pod is stuck, and for how long that is no failure yet.

Source of the reasons: k8s.io/kubernetes/pkg/kubelet (images, container) and pkg/controller/deployment.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from lightkube.models.core_v1 import ContainerStatus
    from lightkube.resources.core_v1 import Pod

    from sametag.rollout.workload import Workload

#: Seconds that a trouble may last before it fails the rollout. What cannot heal by itself gets none.
GRACE: Mapping[str, float] = {
    "ImageNotFound": 0,
    "InvalidImageName": 0,
    "ErrImageNeverPull": 0,
    "StartError": 0,  # the command is not in the image, or may not be run
    "CrashLoopBackOff": 0,  # counted from the second restart, see _CRASHES
    "ProgressDeadlineExceeded": 0,
    "CreateContainerConfigError": 5,
    "CreateContainerError": 5,
    "FailedCreate": 5,  # quota or admission
    "ErrImagePull": 60,  # a registry that is down may come back
    "Unschedulable": 60,  # an autoscaler may bring a node
}

_CRASHES = 2  # a program that lost a race at start gets one more try


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod, or a workload that gets no pods, is not ready.

    Attributes:
        reason: One of the keys of `GRACE`.
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


def troubles(workload: Workload, pods: Iterable[Pod]) -> Iterator[Trouble]:
    """Yield what is wrong with a workload and these pods of its newest spec."""
    for condition in (workload.status and workload.status.conditions) or ():
        if condition.type == "ReplicaFailure" and condition.status == "True":
            yield Trouble("FailedCreate", condition.message or "")
        elif condition.type == "Progressing" and condition.reason == "ProgressDeadlineExceeded":
            yield Trouble("ProgressDeadlineExceeded", condition.message or "")
    for pod in pods:
        yield from _pod_troubles(pod)


def _pod_troubles(pod: Pod) -> Iterator[Trouble]:
    name = (pod.metadata and pod.metadata.name) or ""
    for condition in (pod.status and pod.status.conditions) or ():
        if condition.type == "PodScheduled" and condition.reason == "Unschedulable":
            yield Trouble("Unschedulable", condition.message or "", pod=name)
    for status in statuses(pod):
        found = _container_trouble(status)
        if found:
            reason, message = found
            yield Trouble(reason, message, name, status.name)


def _container_trouble(status: ContainerStatus) -> tuple[str, str] | None:
    """Return reason and message; the kubelet's ErrImagePull and ImagePullBackOff are one, so that a grace holds."""
    for state in (status.state, status.lastState):
        ended = state.terminated if state else None
        if ended and ended.reason in ("StartError", "ContainerCannotRun") and not status.ready:
            return "StartError", ended.message or ""
    waiting = status.state.waiting if status.state else None
    if waiting is None:
        return None
    if waiting.reason == "CrashLoopBackOff":
        return _crash(status, waiting.message or "")
    return _waiting(waiting.reason or "", waiting.message or "", status.image)


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


def _crash(status: ContainerStatus, message: str) -> tuple[str, str] | None:
    if status.restartCount < _CRASHES:
        return None
    ended = status.lastState.terminated if status.lastState else None
    if ended is None:
        return "CrashLoopBackOff", message
    return (
        "CrashLoopBackOff",
        f"{status.restartCount} restarts; ended with exit code {ended.exitCode} ({ended.reason})",
    )


def statuses(pod: Pod) -> list[ContainerStatus]:
    """Return the statuses of a pod's containers, init containers first."""
    status = pod.status
    return [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())] if status else []


class Patience:
    """Decide when a trouble has lasted longer than its grace.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[tuple[str, str, str], float] = {}

    def exhausted(self, found: Iterable[tuple[str, Trouble]]) -> list[tuple[str, Trouble]]:
        """Return those (service, trouble) that have outlasted their grace; what is no longer there is forgotten."""
        now = self._clock()
        present = {(service, trouble.pod, trouble.reason): (service, trouble) for service, trouble in found}
        self._since = {key: self._since.get(key, now) for key in present}
        return [pair for key, pair in present.items() if now - self._since[key] >= GRACE[pair[1].reason]]

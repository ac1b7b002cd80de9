"""Why a pod is not ready, and how long that may last before it is a failure.

Source of the reasons: k8s.io/kubernetes/pkg/kubelet (images, container, events) and pkg/controller.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sametag.masking import masked
from sametag.rollout.images import why_not_pulled
from sametag.rollout.kube_types import Deployment
from sametag.rollout.starting import CRASHES, crash, killed_by_a_probe, not_ready, waits_for, why_not_started
from sametag.rollout.workload import held, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sametag.rollout.kube_types import Container, ContainerStatus, Event, Pod, Waiting
    from sametag.rollout.workload import Owned, Workload

#: The grace of troubles that heal by themselves: until the Deployment's progress deadline, or Helm's timeout.
DEADLINE = math.inf

#: Seconds that a trouble may last before it fails the rollout; 0 if it cannot heal by itself.
GRACE: Mapping[str, float] = {
    "ImageNotFound": 0,
    "ImageWrongPlatform": 0,
    "InvalidImageName": 0,
    "ErrImageNeverPull": 0,
    "StartError": 0,  # the command is not in the image, or may not be run
    "CrashLoopBackOff": 0,  # counted from the second restart, see starting.CRASHES
    "ProgressDeadlineExceeded": 0,
    "Forbidden": 0,  # admission, or a quota that could never be enough
    "JobFailed": 0,
    "Deleted": 5,  # a controller or a person may be replacing it
    "CreateContainerConfigError": 5,
    "CreateContainerError": 5,
    "FailedCreate": 5,  # an admission webhook that restarts, a ServiceAccount that is only just being made
    "FailedMount": 60,  # a Secret may come from elsewhere
    "FailedCreatePodSandBox": 60,  # the node's network may be only just starting
    "Crashed": 60,  # shown, and named with other failures; a second restart makes it a crash loop sooner
    "StartupProbeFailed": 60,  # the kubelet has killed the container for it; so often as a crash, it is one
    "LivenessProbeFailed": 60,
    "ErrImagePull": 60,  # a registry that is down may come back
    "ImageIncomplete": 60,
    "ImagePullDenied": 60,  # credentials may be on their way
    "RegistryError": 60,
    "SignatureValidationFailed": 5,
    "RegistryRateLimited": DEADLINE,
    "QuotaExceeded": DEADLINE,  # an old pod that ends frees it
    "ReadinessProbeFailed": DEADLINE,
    "Unschedulable": DEADLINE,  # an autoscaler brings a node in some minutes
}

#: Troubles that never heal. Nothing else ends a rollback.
HOPELESS = frozenset(
    {"ImageNotFound", "ImageWrongPlatform", "InvalidImageName", "ErrImageNeverPull", "StartError", "JobFailed"}
)

#: What a trouble that may heal waits for.
AWAITED: Mapping[str, str] = {
    "QuotaExceeded": "pods that end, or a larger quota",
    "Unschedulable": "a node with room for it",
    "RegistryRateLimited": "the registry to give the image again",
    "RegistryError": "the registry to recover",
    "ErrImagePull": "the registry to answer",
    "ImagePullDenied": "credentials that the registry accepts",
    "ImageIncomplete": "the rest of the image",
    "ReadinessProbeFailed": "the probe to succeed",
    "FailedMount": "the volume",
    "FailedCreate": "the API server to take its pods",
    "CreateContainerConfigError": "the Secret or ConfigMap",
    "Crashed": "its next try",
    "StartupProbeFailed": "its next try",
    "LivenessProbeFailed": "its next try",
}

# What the kubelet reports only in events.
_TOLD = ("FailedMount", "FailedCreatePodSandBox")

_PULLING = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable")

# An autoscaler has found a node for the pod: Cluster Autoscaler, Karpenter.
_SCALING = ("TriggeredScaleUp", "Nominated")

# What differs between pods with the same trouble.
_VARYING = re.compile(
    r"\d+ restarts?|restarted (?:once|\d+ times)|\b\d+(?:\.\d+){3}\b|\b(?:pods?|Pod) \"?[\w.-]+-[\w.-]+"
)

_QUOTA = re.compile(r"exceeded quota: (?P<name>[^,]+), requested: (?P<asked>.+), used: .+, limited: (?P<limit>.+)")
_AMOUNT = re.compile(r"([0-9.]+)([numkKMGTPE]?i?)$")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod, or a workload that gets no pods, is not ready.

    Attributes:
        reason: One of the keys of `GRACE`, or `NotReady` for what Helm gave up to wait for, or `ApplyFailed` for what
            it could not apply.
        message: In the words of the kubelet or the controller.
        pod: The name of the pod; empty if there is none.
        container: The name of the container; empty for the whole pod.
        uid: The pod's: those of a StatefulSet have the names of their predecessors.
        overdue: Whether no grace is left: the controller has given up, or the kubelet has tried often enough.
    """

    reason: str
    message: str
    pod: str = ""
    container: str = ""
    overdue: bool = False
    uid: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Hide what a kubelet quotes of a command or of a variable."""
        object.__setattr__(self, "message", masked(self.message))

    @property
    def summary(self) -> str:
        """Reason and message in one line, without what differs from pod to pod."""
        message = " ".join(self.message.split())
        return f"{self.reason}: {message}" if message else self.reason

    @property
    def cause(self) -> str:
        """What is the same for every pod that fails for this reason, of whichever service."""
        return _VARYING.sub("", self.summary)


def troubles(workload: Workload, pods: Sequence[Pod], owned: Owned) -> Iterator[Trouble]:
    """Yield what is wrong with a workload and these pods of its newest spec."""
    found = list(_without_pods(workload, pods, owned))
    for pod in pods:
        found += pod_troubles(pod, owned.events(pod))
    missed = _missed_deadline(workload, owned)
    if missed and not found:
        yield from unready("ProgressDeadlineExceeded", missed, pods)
    for trouble in found:
        yield _overdue(trouble, workload) if missed else trouble


def _overdue(trouble: Trouble, workload: Workload) -> Trouble:
    seconds = workload.spec.progressDeadlineSeconds if isinstance(workload, Deployment) else 0
    return replace(trouble, overdue=True, message=f"{trouble.message}; progressDeadlineSeconds ({seconds}) have passed")


def unmade(workload: Workload, owned: Owned) -> Iterator[Trouble]:
    """Yield why the controller cannot create the ReplicaSet of a new spec: the API server refuses it."""
    refusals = [event.message for event in owned.events(workload) if event.reason == "ReplicaSetCreateError"]
    if refusals:
        yield refused(refusals[-1])


def unready_pods(workload: Workload, pods: Sequence[Pod], older: Sequence[Pod]) -> Iterator[Trouble]:
    """Yield what a workload waits for: one trouble for each container that is not ready, else one about no pod."""
    found = [
        Trouble("NotReady", waits_for(status, pod.spec.container(status.name)), pod.metadata.name, status.name)
        for pod in pods
        for status in pod.status.containers
        if not (status.ready or _has_done(status))
    ]
    yield from found or [Trouble("NotReady", _in_numbers(workload, pods, older))]


def _has_done(status: ContainerStatus) -> bool:
    return status.state.terminated is not None and status.state.terminated.exitCode == 0


def _in_numbers(workload: Workload, pods: Sequence[Pod], older: Sequence[Pod]) -> str:
    desired, _, ready = numbers(workload)
    if words := held(workload):
        return words
    if len(pods) < desired:
        return f"{desired - len(pods)} of its {desired} pods are not there yet"
    if older:
        return f"{len(older)} of its older pods have not ended"
    if ready < desired:
        return "its pods are ready, but not for as long as minReadySeconds"
    return "its controller does not report it as done"


def _without_pods(workload: Workload, pods: Sequence[Pod], owned: Owned) -> Iterator[Trouble]:
    """Yield why a workload does not get its pods.

    A Deployment's conditions are for some time still about the spec before: those of its ReplicaSet are not. The
    controllers of StatefulSets and DaemonSets tell it in events alone.
    """
    if isinstance(workload, Deployment):
        newest = owned.replicaset(workload)
        for failure in newest.status.conditions if newest else ():
            if failure.type == "ReplicaFailure" and failure.status == "True":
                yield refused(failure.message)
    elif owned.count(workload) < numbers(workload).desired:
        yield from refusals(owned.events(workload), pods)


def _missed_deadline(workload: Workload, owned: Owned) -> str:
    """Return what a Deployment's controller says once the progress deadline of the newest spec has passed."""
    newest = owned.replicaset(workload) if isinstance(workload, Deployment) else None
    if not isinstance(workload, Deployment) or newest is None:
        return ""
    name = f'"{newest.metadata.name}"'
    messages = (
        condition.message for condition in workload.status.conditions if condition.reason == "ProgressDeadlineExceeded"
    )
    return next((message for message in messages if name in message), "")


def refused(message: str) -> Trouble:
    """Return why the API server refused a pod: for good (admission), until another ends (quota), or for a moment."""
    message = " ".join(message.split())
    quota = _QUOTA.search(message)
    if quota and not _can_never_be(quota["asked"], quota["limit"]):
        return Trouble("QuotaExceeded", message)
    # The ServiceAccount of a namespace that was only just made comes a moment later.
    final = "denied the request" in message or (
        " is forbidden: " in message and "error looking up service account" not in message
    )
    return Trouble("Forbidden" if final else "FailedCreate", message)


def _can_never_be(asked: str, limit: str) -> bool:
    """Whether a single pod requests more than the whole quota."""
    limits = _amounts(limit)
    return any(amount > limits.get(name, math.inf) for name, amount in _amounts(asked).items())


def _amounts(text: str) -> dict[str, float]:
    """Read `pods=1,requests.memory=16Mi`."""
    found = {}
    for part in text.split(","):
        name, _, amount = part.partition("=")
        read = _AMOUNT.match(amount.strip())
        if read:
            found[name.strip()] = float(read[1]) * _unit(read[2])
    return found


def _unit(suffix: str) -> float:
    """Return what a suffix of a quantity stands for. Source: k8s.io/apimachinery/pkg/api/resource."""
    if suffix in ("n", "u", "m"):
        return {"n": 1e-9, "u": 1e-6, "m": 1e-3}[suffix]
    power = "_kMGTPE".find(suffix[:1].replace("K", "k")) if suffix else 0
    return float(1024**power if suffix.endswith("i") else 1000**power)


def refusals(events: Iterable[Event], pods: Iterable[Pod] = ()) -> Iterator[Trouble]:
    """Yield what the newest of the warnings about a workload says about a pod that was not taken, and is not there."""
    there = {pod.metadata.name for pod in pods}
    messages = [
        event
        for event in events
        if event.reason == "FailedCreate" and not any(f"create Pod {name} in" in event.message for name in there)
    ]
    if messages:
        yield refused(max(messages, key=lambda event: event.lastTimestamp or "").message)


def unready(reason: str, message: str, pods: Iterable[Pod]) -> Iterator[Trouble]:
    """Yield one trouble for each container that is not ready: one about no pod where there is none."""
    found = [
        Trouble(reason, message, pod.metadata.name, status.name, uid=pod.metadata.uid)
        for pod in pods
        for status in pod.status.containers
        if not status.ready
    ]
    yield from found or [Trouble(reason, message)]


def pod_troubles(pod: Pod, events: Sequence[Event]) -> Iterator[Trouble]:
    """Yield what keeps one pod from becoming ready."""
    name, uid, statuses = pod.metadata.name, pod.metadata.uid, pod.status.containers
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.reason == "Unschedulable":
            yield Trouble("Unschedulable", condition.message + _node_to_come(pod, events), pod=name, uid=uid)
    for status in statuses:
        found = _container_trouble(pod, status, events)
        if found:
            reason, message = found
            yield Trouble(reason, message, name, status.name, overdue=_is_in_a_loop(reason, status), uid=uid)
    if all(_is_being_made(status) for status in statuses):
        told = {event.reason: event.message for event in events if event.reason in _TOLD}
        for reason, message in told.items():
            yield Trouble(reason, message, pod=name, uid=uid)


def pod_crashes(pod: Pod, events: Sequence[Event]) -> Iterator[Trouble]:
    """Yield each container that has ended with an error, and that no readiness probe has found ready since.

    Between two crashes it runs, and without a probe it is even ready: this is neither trouble nor a good sign.
    """
    for status in pod.status.containers:
        container = pod.spec.container(status.name)
        ended = status.state.terminated or status.lastState.terminated
        proven = status.ready and container is not None and container.probe("Readiness") is not None
        if ended and ended.exitCode and not proven:
            reason, message = crash(status, container, events)
            yield Trouble(reason, message, pod.metadata.name, status.name, uid=pod.metadata.uid)


def _node_to_come(pod: Pod, events: Iterable[Event]) -> str:
    """Say that somebody has found a node for a pod, or is making one."""
    if pod.status.nominatedNodeName:
        return f" (node {pod.status.nominatedNodeName} is being cleared for it)"
    scaling = [event.message for event in events if event.reason in _SCALING]
    return f" ({scaling[-1]})" if scaling else ""


def _is_in_a_loop(reason: str, status: ContainerStatus) -> bool:
    return reason in ("StartupProbeFailed", "LivenessProbeFailed") and status.restartCount >= CRASHES


def _is_being_made(status: ContainerStatus) -> bool:
    waiting = status.state.waiting
    return waiting is not None and waiting.reason in ("ContainerCreating", "PodInitializing")


def _container_trouble(pod: Pod, status: ContainerStatus, events: Sequence[Event]) -> tuple[str, str] | None:
    container = pod.spec.container(status.name)
    for state in (status.state, status.lastState):
        ended = state.terminated
        if ended and ended.reason in ("StartError", "ContainerCannotRun") and not status.ready:
            return "StartError", why_not_started(ended.message, container)
    waiting = status.state.waiting
    if waiting is None:
        return killed_by_a_probe(status, container, events) or not_ready(status, container, events)
    if waiting.reason == "CrashLoopBackOff":
        return crash(status, container, events)
    if waiting.reason in _PULLING:
        image = container.image if container else status.image
        return why_not_pulled(_pull_error(waiting.message, status, events), image, pod.spec.nodeName)
    return _not_made(waiting, container)


def _not_made(waiting: Waiting, container: Container | None) -> tuple[str, str] | None:
    if waiting.reason == "RunContainerError":
        return "StartError", why_not_started(waiting.message, container)
    if waiting.reason == "CreateContainerConfigError" and "failed to sync" in waiting.message:
        return None  # the kubelet's caches are cold; it tries again
    return (waiting.reason, waiting.message) if waiting.reason in GRACE else None


def _pull_error(message: str, status: ContainerStatus, events: Iterable[Event]) -> str:
    """Return the error of a pull: older kubelets say while they wait that they wait, and the error in an event."""
    if not re.fullmatch(r'(?:Back-off pulling image "[^"]*")?', message.strip()):
        return message
    told = [
        event.message
        for event in events
        if event.reason == "Failed"
        and event.message.startswith("Failed to pull image")
        and event.involvedObject.is_about(status.name)
    ]
    return told[-1] if told else message


class Patience:
    """Decides when a trouble has lasted longer than its grace.

    Args:
        clock: Seconds, monotonic.
        given: Seconds by reason, where they are not those of `GRACE`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, given: Mapping[str, float] | None = None) -> None:
        self._clock = clock
        self._given = given or {}
        self._since: dict[tuple[str, ...], float] = {}

    def exhausted(self, found: Iterable[tuple[str, Trouble]]) -> list[tuple[str, Trouble]]:
        """Return those (service, trouble) that have outlasted their grace; what is no longer there is forgotten."""
        now = self._clock()
        present = {
            (service, trouble.pod, trouble.container, trouble.reason): (service, trouble) for service, trouble in found
        }
        self._since = {key: self._since.get(key, now) for key in present}
        return [pair for key, pair in present.items() if now - self._since[key] >= self._of(pair[1])]

    def _of(self, trouble: Trouble) -> float:
        if trouble.reason in self._given:
            return self._given[trouble.reason]
        return 0 if trouble.overdue else GRACE[trouble.reason]

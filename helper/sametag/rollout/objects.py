"""What is looked at of Kubernetes' objects.

lightkube has types of every field; making their decoders costs more than all that a rollout's first look does with
them, and reading fields that nobody asks for (managedFields) more than reading the others. Absent fields read as empty.
Source: https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

from typing import Any

from lightkube.core.resource import ApiInfo, NamespacedResourceG, ResourceDef
from msgspec import Struct, field


class Owner(Struct):
    """An owner of an object, by its UID."""

    uid: str


class Meta(Struct):
    """An object's `metadata`; times are RFC 3339."""

    name: str = ""
    uid: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    ownerReferences: list[Owner] = []
    resourceVersion: str = ""  # where a watch goes on from
    creationTimestamp: str | None = None
    deletionTimestamp: str | None = None


class _Object(NamespacedResourceG, Struct):
    metadata: Meta


class Condition(Struct):
    """One of the conditions of a status."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class Waiting(Struct):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class Terminated(Struct):
    """How a container ended."""

    exitCode: int
    reason: str = ""
    message: str = ""


class ContainerState(Struct):
    """What a container does, or did before; it runs where neither is set."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct):
    """What the kubelet says of a container; its image in `imageID` is by digest."""

    name: str
    image: str = ""
    imageID: str = ""
    ready: bool = False
    restartCount: int = 0
    state: ContainerState = field(default_factory=ContainerState)
    lastState: ContainerState = field(default_factory=ContainerState)


class Container(Struct):
    """What a pod says of a container."""

    name: str
    image: str = ""


class PodSpec(Struct):
    """A pod's containers, without those that only prepare it."""

    containers: list[Container] = []


class PodStatus(Struct):
    """How a pod is."""

    phase: str = ""
    conditions: list[Condition] = []
    initContainerStatuses: list[ContainerStatus] = []
    containerStatuses: list[ContainerStatus] = []

    @property
    def containers(self) -> list[ContainerStatus]:
        """The containers' statuses, init containers first."""
        return [*self.initContainerStatuses, *self.containerStatuses]


class Pod(_Object):
    """A pod."""

    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)
    _api_info = ApiInfo(ResourceDef("", "v1", "Pod"), "pods", ["list", "watch"])


class RollingUpdate(Struct):
    """How a StatefulSet replaces its pods: those with a number below `partition` stay."""

    partition: int = 0


class UpdateStrategy(Struct):
    """Whether a StatefulSet or a DaemonSet replaces its pods."""

    type: str = "RollingUpdate"
    rollingUpdate: RollingUpdate = field(default_factory=RollingUpdate)


class _ScaledSpec(Struct):
    replicas: int = 1
    paused: bool = False
    updateStrategy: UpdateStrategy = field(default_factory=UpdateStrategy)
    #: The pod template, whatever is in it.
    template: dict[str, Any] = {}


class _ScaledStatus(Struct):
    observedGeneration: int = 0
    updatedReplicas: int = 0
    availableReplicas: int = 0
    #: A StatefulSet's newest, as its pods' label has it.
    updateRevision: str = ""
    conditions: list[Condition] = []


class _Scaled(_Object):
    spec: _ScaledSpec = field(default_factory=_ScaledSpec)
    status: _ScaledStatus = field(default_factory=_ScaledStatus)


class Deployment(_Scaled):
    """A Deployment."""

    _api_info = ApiInfo(ResourceDef("apps", "v1", "Deployment"), "deployments", ["list", "watch"])


class ReplicaSet(_Scaled):
    """A ReplicaSet."""

    _api_info = ApiInfo(ResourceDef("apps", "v1", "ReplicaSet"), "replicasets", ["list", "watch"])


class StatefulSet(_Scaled):
    """A StatefulSet."""

    _api_info = ApiInfo(ResourceDef("apps", "v1", "StatefulSet"), "statefulsets", ["list", "watch"])


class _DaemonSetSpec(Struct):
    updateStrategy: UpdateStrategy = field(default_factory=UpdateStrategy)
    #: The pod template, whatever is in it.
    template: dict[str, Any] = {}


class DaemonSetStatus(Struct):
    """How many nodes have a DaemonSet's pod."""

    observedGeneration: int = 0
    desiredNumberScheduled: int = 0
    updatedNumberScheduled: int = 0
    numberAvailable: int = 0


class DaemonSet(_Object):
    """A DaemonSet."""

    spec: _DaemonSetSpec = field(default_factory=_DaemonSetSpec)
    status: DaemonSetStatus = field(default_factory=DaemonSetStatus)
    _api_info = ApiInfo(ResourceDef("apps", "v1", "DaemonSet"), "daemonsets", ["list", "watch"])


class JobSpec(Struct):
    """How often a Job's pod has to do its work."""

    completions: int = 1


class JobStatus(Struct):
    """How far a Job is."""

    succeeded: int = 0
    conditions: list[Condition] = []

    @property
    def true_conditions(self) -> list[Condition]:
        """Those that hold."""
        return [condition for condition in self.conditions if condition.status == "True"]


class Job(_Object):
    """A Job."""

    spec: JobSpec = field(default_factory=JobSpec)
    status: JobStatus = field(default_factory=JobStatus)
    _api_info = ApiInfo(ResourceDef("batch", "v1", "Job"), "jobs", ["list", "watch"])


class Reference(Struct):
    """What an event is about."""

    uid: str = ""
    name: str = ""


class Event(_Object):
    """An event."""

    involvedObject: Reference = field(default_factory=Reference)
    reason: str = ""
    message: str = ""
    _api_info = ApiInfo(ResourceDef("", "v1", "Event"), "events", ["list", "watch"])

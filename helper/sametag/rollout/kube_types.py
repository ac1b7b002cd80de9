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
    """How a container ended; times are RFC 3339."""

    exitCode: int
    reason: str = ""
    message: str = ""
    startedAt: str | None = None
    finishedAt: str | None = None


class Running(Struct):
    """A container runs."""


class ContainerState(Struct):
    """What a container does, or did before."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct):
    """What the kubelet says of a container; its image in `imageID` is by digest."""

    name: str
    image: str = ""
    imageID: str = ""
    ready: bool = False
    started: bool | None = None
    restartCount: int = 0
    state: ContainerState = field(default_factory=ContainerState)
    lastState: ContainerState = field(default_factory=ContainerState)


class Handler(Struct):
    """Where a probe asks."""

    port: int | str = 0
    path: str = ""


class Probe(Struct):
    """How the kubelet asks a container how it is; seconds."""

    httpGet: Handler | None = None
    tcpSocket: Handler | None = None
    initialDelaySeconds: int = 0
    periodSeconds: int = 10
    failureThreshold: int = 3

    @property
    def allowance(self) -> int:
        """For how long it may fail before the kubelet acts: the first is asked at once, the last not waited for."""
        return self.initialDelaySeconds + self.periodSeconds * (self.failureThreshold - 1)


class Variable(Struct):
    """One entry of a container's `env`."""

    name: str
    value: str = ""


class Container(Struct):
    """What a pod says of a container."""

    name: str
    image: str = ""
    env: list[Variable] = []
    startupProbe: Probe | None = None
    livenessProbe: Probe | None = None
    readinessProbe: Probe | None = None

    def probe(self, kind: str) -> Probe | None:
        """Return one of its probes: `Startup`, `Liveness` or `Readiness`."""
        found: Probe | None = getattr(self, f"{kind.lower()}Probe")
        return found


class PodSpec(Struct):
    """A pod's containers, and where it runs."""

    nodeName: str = ""
    initContainers: list[Container] = []
    containers: list[Container] = []

    def container(self, name: str) -> Container | None:
        """Return a container by its name, one that only prepares the pod too."""
        return next((one for one in (*self.initContainers, *self.containers) if one.name == name), None)


class PodStatus(Struct):
    """How a pod is."""

    phase: str = ""
    nominatedNodeName: str = ""
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
    _api_info = ApiInfo(ResourceDef("", "v1", "Pod"), "pods", ["list", "watch", "delete"])


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
    progressDeadlineSeconds: int = 600  # a Deployment's
    podManagementPolicy: str = "OrderedReady"  # a StatefulSet's
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
    """How often a Job's pod has to do its work, and may fail; for how many seconds in all."""

    completions: int = 1
    backoffLimit: int = 6
    activeDeadlineSeconds: int | None = None
    suspend: bool = False
    #: The pod template, whatever is in it.
    template: dict[str, Any] = {}


class JobStatus(Struct):
    """How far a Job is; numbers of pods, and times in RFC 3339."""

    succeeded: int = 0
    failed: int = 0
    startTime: str | None = None
    completionTime: str | None = None
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


class CronJobSpec(Struct):
    """When a CronJob runs what."""

    schedule: str = ""
    timeZone: str | None = None
    suspend: bool = False
    #: The Job's template, whatever is in it.
    jobTemplate: dict[str, Any] = {}


class CronJobStatus(Struct):
    """When a CronJob last began a run, and when one last did its work; times in RFC 3339."""

    lastScheduleTime: str | None = None
    lastSuccessfulTime: str | None = None


class CronJob(_Object):
    """A CronJob."""

    spec: CronJobSpec = field(default_factory=CronJobSpec)
    status: CronJobStatus = field(default_factory=CronJobStatus)
    _api_info = ApiInfo(ResourceDef("batch", "v1", "CronJob"), "cronjobs", ["list", "watch"])


#: What is told of every pod that is well. All else matters, warning or not: that an autoscaler brings a node, say.
USUAL = (
    *("Scheduled", "Pulling", "Pulled", "Created", "Started"),
    *("ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete", "Completed", "SawCompletedJob"),
)


class Reference(Struct):
    """What an event is about; of a pod, maybe one of its containers."""

    uid: str = ""
    name: str = ""
    fieldPath: str = ""

    def is_about(self, container: str) -> bool:
        """Whether it is about this container, as far as it says."""
        return not self.fieldPath or self.fieldPath.endswith(f"{{{container}}}")


class Event(_Object):
    """An event; `count` is how often it was reported."""

    involvedObject: Reference = field(default_factory=Reference)
    reason: str = ""
    message: str = ""
    count: int = 1
    lastTimestamp: str | None = None
    _api_info = ApiInfo(ResourceDef("", "v1", "Event"), "events", ["list", "watch"])

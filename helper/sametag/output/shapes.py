"""The shapes of the JSON documents of a rollout: docs/reference/events.schema.json is made from them.

A document is a plain dictionary; only type checkers and tools/events_schema.py read this module.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from sametag.deploy.events import Verb
from sametag.rollout.state import RunState

Kind = Literal["service", "job", "cronJob", "workload"]
Phase = Literal["waiting", "starting", "finishing", "ready", "trouble", "gone", "scheduled"] | RunState
Names = list[str]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]

_TAG = "The tag that every service is to run; the digest if the image has no tag"
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


class Head(TypedDict):
    """What every document has."""

    version: Literal[1]
    time: Annotated[str, Meta(pattern=_TIME, description="When it was seen, in UTC")]


class Step(Head):
    """Something begins, or a warning."""

    event: Literal["step"]
    level: Literal["info", "warning"]
    text: Annotated[str, Meta(description="What begins, or the warning, for a reader")]


class Start(Head):
    """A rollout begins: from here on Helm changes objects."""

    event: Literal["start"]
    action: Annotated[Verb, Meta(description="An upgrade that fails is followed by a rollback")]
    release: Annotated[str, Meta(description="The name of the release")]
    namespace: Annotated[str, Meta(description="The namespace of the release")]
    tag: Annotated[str, Meta(description=_TAG)]


class Owner(TypedDict):
    """Who changed a field last."""

    manager: str
    time: Annotated[str | None, Meta(description="RFC 3339")]


class Change(TypedDict):
    """One setting that would change; `old` or `new` is left out if it has no value."""

    setting: str
    old: NotRequired[Any]
    new: NotRequired[Any]
    by: NotRequired[Annotated[Owner, Meta(description="Who changed it in the cluster")]]
    derived: Annotated[bool, Meta(description="Whether it follows from the tag or the chart, as a label does")]


class ChangedObject(TypedDict):
    """An object that would be created, changed or deleted."""

    service: Annotated[str, Meta(description="Empty for an object of no service")]
    kind: str
    namespace: str
    name: str
    action: Literal["create", "change", "delete"]
    changes: list[Change]


class Hook(TypedDict):
    """What Helm would run as a step of its own."""

    kind: str
    name: str
    events: Names


class PlanFields(TypedDict):
    """What a deployment would do, as `sametag diff -o json` has it."""

    release: Annotated[str, Meta(description="The name of the release")]
    revision: Annotated[int | None, Meta(description="The newest revision; null before the first install")]
    tag: Annotated[str | None, Meta(description="Its tag")]
    newTag: Annotated[str, Meta(description="The tag that would run")]
    chart: Annotated[str, Meta(description="Name and version of the chart that would be used")]
    objects: list[ChangedObject]
    hooks: list[Hook]


class Plan(Head, PlanFields):
    """What a dry run would change."""

    event: Literal["plan"]


class Pod(TypedDict):
    """A pod that is not being deleted."""

    name: str
    tags: Annotated[Names, Meta(description="The tag of each container's image")]
    images: Annotated[Names, Meta(description="Each container's image")]
    newest: Annotated[bool, Meta(description="Whether it is of the workload's newest spec")]
    ready: bool
    restarts: Annotated[Count, Meta(description="The restarts of all its containers")]


class Run(TypedDict):
    """A run of a Job."""

    state: Annotated[RunState, Meta(description="Of its newest try; `not run yet` is one of `sametag status`")]
    tries: Annotated[Count, Meta(description="How many tries have failed")]
    limit: Annotated[Count, Meta(description="How often it is tried at most")]
    ended: Annotated[bool, Meta(description="Whether it is done, or is not tried again")]
    seconds: Annotated[Seconds | None, Meta(description="From its start to its end; null until it is done")]


class Schedule(TypedDict):
    """How a CronJob runs."""

    schedule: str
    timeZone: str | None
    suspended: bool
    lastRun: Annotated[str | None, Meta(description="When its newest run was planned for, RFC 3339")]
    nextRun: Annotated[str | None, Meta(description="RFC 3339; null if it is suspended, or cannot be computed")]
    last: Annotated[Run | None, Meta(description="Its newest run; null if nothing is left of it")]
    onTag: Annotated[Run | None, Meta(description="Its newest run on the tag; null before the first")]


class Trouble(TypedDict):
    """Why a pod or a workload is not ready."""

    pod: Annotated[str, Meta(description="Empty if the whole workload is in trouble")]
    container: Annotated[str, Meta(description="Empty if the whole pod is in trouble")]
    reason: Annotated[str, Meta(description="One of docs/reference/rollout.md")]
    message: Annotated[str, Meta(description="In the words of the kubelet or the controller")]


class ServiceFields(TypedDict):
    """A service, Job or CronJob of the release, or a workload of no service."""

    name: Annotated[str, Meta(description="The key in services")]
    kind: Annotated[Kind, Meta(description="A workload is one of no service")]
    workload: Annotated[str, Meta(description="The name of its Kubernetes object")]
    state: Annotated[
        Phase,
        Meta(
            description="waiting: nothing has happened to it yet; starting: its new pods are not ready; finishing: "
            "they are, but older ones are left; gone: no longer part of the release; a Job is waiting, running, done "
            "or failed, and never ready; a CronJob is scheduled once it has the tag"
        ),
    ]
    words: Annotated[str, Meta(description="The state for a reader: a Job with its tries, a CronJob with its schedule")]
    tag: Annotated[str, Meta(description=_TAG)]
    before: Annotated[str | None, Meta(description="The tags that it ran before; null if it is new")]
    desired: Annotated[Count, Meta(description="The pods that the workload wants")]
    updated: Annotated[Count, Meta(description="The pods of its newest spec")]
    ready: Annotated[Count, Meta(description="The pods that are available, older ones too")]
    pods: list[Pod]
    job: Annotated[Run | None, Meta(description="How far a Job is; null for anything else")]
    cronJob: Annotated[Schedule | None, Meta(description="How a CronJob runs; null for anything else")]
    troubles: Annotated[list[Trouble], Meta(description="Why its newest pods are not ready")]


class Service(Head, ServiceFields):
    """A service has changed."""

    event: Literal["service"]
    seconds: Annotated[Seconds, Meta(description="Since the start of the rollout")]


class Evidence(Trouble):
    """A trouble and what was seen of it."""

    services: Annotated[Names, Meta(min_length=1, description="The services that it affects; the first is the pod's")]
    pods: Annotated[int, Meta(ge=1, description="How many containers it affects")]
    events: Annotated[Names, Meta(description="The unusual events of the pod, newest last")]
    log: Annotated[Names, Meta(description="The last lines of the container's log")]
    previousLog: Annotated[Names, Meta(description="The last lines of its log before the restart")]


class Troubled(Head, Evidence):
    """Pods are in trouble, from which they may recover; one document for each cause."""

    event: Literal["trouble"]


class Failure(Head, Evidence):
    """Why the rollout failed; one document for each cause."""

    event: Literal["failure"]


class Unseen(TypedDict):
    """A CronJob that was not seen to run on the tag, and what is known of it."""

    name: str
    words: str


class Succeeded(TypedDict):
    """What is true after a rollout."""

    revision: Annotated[Count, Meta(description="The number of the revision that is deployed")]
    tag: Annotated[str, Meta(description="The tag of the revision")]
    digest: Annotated[str, Meta(description="The digest that the pods run, else the pinned one; or empty")]
    verified: Annotated[bool, Meta(description="Whether every pod was seen ready on the tag, with one digest")]
    services: Annotated[Names, Meta(description="Their names")]
    unseen: list[Unseen]


class EndFields(Head):
    """What is known of every end."""

    event: Literal["end"]
    command: Verb
    release: Annotated[str, Meta(description="The name of the release")]
    seconds: Annotated[Seconds, Meta(description="How long the command took")]
    exitCode: Annotated[Count, Meta(description="The exit code of the command")]


class EndSucceeded(EndFields, Succeeded):
    """The last document: the rollout succeeded."""

    result: Literal["succeeded"]


class EndFailed(EndFields):
    """The last document: the command failed."""

    result: Literal["failed"]
    message: Annotated[str, Meta(description="What went wrong")]
    remedy: Annotated[str | None, Meta(description="What to do, or what became of the rollout")]


class EndDryRun(EndFields):
    """The last document of a dry run."""

    result: Literal["dry run"]


End = EndSucceeded | EndFailed | EndDryRun
Document = Step | Start | Plan | Service | Troubled | Failure | End

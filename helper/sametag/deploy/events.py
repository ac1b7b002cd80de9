"""What a deployment is asked to do, and what it says while it does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sametag.drift import ObjectDiff
    from sametag.helm import Hook, Revision
    from sametag.kube.connection import Target
    from sametag.rollout import Evidence, ServiceState


@dataclass(frozen=True, slots=True)
class Options:
    """How to deploy.

    Attributes:
        timeout: Helm's, a Go duration such as `5m0s`.
        history_max: How many revisions are kept; 0 keeps all.
        description: Why, in a line, for the history; at most `release.note.REASON_LIMIT` characters.
        lock_timeout: How long to wait for another deployer, a Go duration too.
        create_namespace: Whether Helm creates the namespace of a first install.
        keep_failed: Whether a failed upgrade or first install is kept for debugging, not rolled back or removed.
        fail_fast: Whether what cannot heal ends the rollout; else only Helm's timeout does.
        grace: For how many seconds a trouble may last, by its reason, where that is not `rollout.GRACE`'s number.
        take_over: Whether an upgrade overwrites what others have changed; a rollback always does.
        dry_run: Whether to check everything, with a server-side dry run too, and change nothing.
    """

    timeout: str = "5m0s"
    history_max: int = 30
    description: str = ""
    lock_timeout: str = "5m0s"
    create_namespace: bool = False
    keep_failed: bool = False
    fail_fast: bool = True
    grace: Mapping[str, float] = field(default_factory=dict)
    take_over: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """Something begins, or a warning: one line for the reader."""

    text: str


@dataclass(frozen=True, slots=True)
class Start:
    """A rollout begins: from here on Helm changes objects.

    Attributes:
        action: `install`, `upgrade` or `rollback`; an upgrade that fails is followed by a rollback.
        release: The release's name.
        namespace: Where it is.
        tag: What every service shall run; the digest where the image has no tag.
    """

    action: str
    release: str
    namespace: str
    tag: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment would do; the only event of a dry run that is no step.

    Attributes:
        release: The release's name.
        now: The newest revision; None before the first install.
        then: What the next one would be.
        objects: What would become of each object; what stays as it is, is left out.
        hooks: What Helm would run as a step of its own.
    """

    release: str
    now: Revision | None
    then: Revision
    objects: tuple[ObjectDiff, ...]
    hooks: tuple[Hook, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """The services now and, by name, before; and the `seconds` since the rollout began."""

    states: tuple[ServiceState, ...]
    before: dict[str, ServiceState]
    seconds: float


@dataclass(frozen=True, slots=True)
class Troubled:
    """Pods that have just met with trouble, and may yet get over it."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a rollout failed, one entry a failed pod."""

    evidence: tuple[Evidence, ...]


Event = Step | Start | Plan | Progress | Troubled | Failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is true after a deployment.

    Attributes:
        revision: The release's newest one.
        services: Those that run until they are stopped.
        seconds: How long it took.
        others: The Jobs that took part, and the CronJobs.
    """

    revision: Revision
    services: tuple[ServiceState, ...]
    seconds: float
    others: tuple[ServiceState, ...] = ()

    @property
    def unseen(self) -> dict[str, str]:
        """What nobody has seen on the tag yet, by the name of the CronJob."""
        return {state.name: state.cron.unseen for state in self.others if state.cron and state.cron.unseen}


@dataclass(frozen=True, slots=True)
class Request:
    """Which release to change, where, how, and who is told about it.

    Attributes:
        target: The cluster and namespace.
        release: The release's name.
        report: Called with each event, in the order in which they happen.
        options: How to deploy.
    """

    target: Target
    release: str
    report: Callable[[Event], None] = print
    options: Options = field(default_factory=Options)

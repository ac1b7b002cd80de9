"""What a deployment reports while it runs, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sametag.drift import ObjectDiff
    from sametag.helm import Hook, Revision
    from sametag.rollout import Evidence, ServiceState
    from sametag.values import Problem


Verb = Literal["install", "upgrade", "rollback"]


@dataclass(frozen=True, slots=True)
class Step:
    """One line for the reader: something begins, or a warning."""

    text: str
    level: Literal["info", "warning"] = "info"

    def __str__(self) -> str:
        return f"warning: {self.text}" if self.level == "warning" else self.text


@dataclass(frozen=True, slots=True)
class Start:
    """A rollout begins; from here on Helm changes objects.

    Attributes:
        action: `install`, `upgrade` or `rollback`; an upgrade that fails is followed by a rollback.
        release: The release's name.
        namespace: The namespace of the release.
        tag: The tag that every service is to run; the digest if the image has no tag.
    """

    action: Verb
    release: str
    namespace: str
    tag: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment would do: reported by a dry run.

    Attributes:
        release: The release's name.
        now: The newest revision; None before the first install.
        then: The revision that the deployment would make.
        objects: What would change in each object; unchanged objects are left out.
        hooks: The hooks that Helm would run.
    """

    release: str
    now: Revision | None
    then: Revision
    objects: tuple[ObjectDiff, ...]
    hooks: tuple[Hook, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """The services now and, by name, before the rollout, and the seconds since it began."""

    states: tuple[ServiceState, ...]
    before: dict[str, ServiceState]
    seconds: float


@dataclass(frozen=True, slots=True)
class Troubled:
    """Pods that have just run into trouble, from which they may still recover."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a rollout failed, one entry for each cause."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Problems:
    """What is wrong with the values; the deployment stops if one of the problems is an error."""

    problems: tuple[Problem, ...]


Event = Problems | Step | Start | Plan | Progress | Troubled | Failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a deployment.

    Attributes:
        revision: The newest revision.
        services: The services that run continuously.
        seconds: The duration of the deployment.
        others: The Jobs that took part, and the CronJobs.
    """

    revision: Revision
    services: tuple[ServiceState, ...]
    seconds: float
    others: tuple[ServiceState, ...] = ()

    @property
    def unseen(self) -> dict[str, str]:
        """What has not been seen on the tag yet, by the name of the CronJob."""
        return {state.name: state.cron.unseen for state in self.others if state.cron and state.cron.unseen}

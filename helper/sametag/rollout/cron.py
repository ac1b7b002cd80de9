"""The CronJobs of a release: what they run, when they last did, and whether that was on the tag."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sametag.rollout.run import DONE, Run, run_of
from sametag.rollout.state import ServiceState, same_image, split, template_is_on_tag
from sametag.rollout.workload import Owned

if TYPE_CHECKING:
    from sametag.rollout.kube_types import CronJob, Job
    from sametag.rollout.members import Member, Members
    from sametag.rollout.workload import Objects


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a CronJob runs, and how it last did.

    Attributes:
        schedule: As it is written, such as `*/5 * * * *`.
        time_zone: Where it is noon at 12; empty for the time zone of Kubernetes' controller, which is mostly UTC.
        suspended: Whether it does not run until somebody resumes it.
        last: Its newest run; None where it has never run, or nothing is left of it.
        last_began: When that was planned for.
        next: When it runs next; None where it is suspended, or that cannot be told.
        on_tag: How its newest run with the image of the manifest went; None where it has not run with it yet.
    """

    schedule: str
    time_zone: str = ""
    suspended: bool = False
    last: Run | None = None
    last_began: datetime | None = None
    next: datetime | None = None
    on_tag: Run | None = None

    @property
    def unseen(self) -> str:
        """What nobody has seen yet of it on its tag; empty where a run of it did its work."""
        if self.on_tag is None:
            return "not run yet on this tag"
        return "" if self.on_tag.state == DONE else f"{self.on_tag} on this tag"

    def __str__(self) -> str:
        zone = f" {self.time_zone}" if self.time_zone else ""
        parts = [f"{self.schedule}{zone}"]
        if self.suspended:
            parts.append("suspended")
        if self.last_began:
            told = f", {self.last}" if self.last else ""
            parts.append(f"last run {self.last_began.astimezone():%Y-%m-%d %H:%M}{told}")
        if self.on_tag is None:
            parts.append(self.unseen)
        if self.next:
            parts.append(f"next run {self.next.astimezone():%Y-%m-%d %H:%M}")
        return ", ".join(parts)


# Source: https://pkg.go.dev/github.com/robfig/cron/v3, whose parser Kubernetes uses
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def next_run(schedule: str, time_zone: str, now: datetime) -> datetime | None:
    """Return when a schedule is next due; None where that cannot be told (`@every 1h`, an unknown time zone).

    Without a time zone it is that of Kubernetes' controller, which is taken to be UTC.
    """
    from cronsim import CronSim, CronSimError

    try:
        zone = ZoneInfo(time_zone) if time_zone else UTC
        expression = _NAMED.get(schedule, schedule).replace("?", "*")
        return next(CronSim(expression, now.astimezone(zone)))
    except (CronSimError, StopIteration, ZoneInfoNotFoundError, OSError, ValueError):
        return None


def cronjobs(objects: Objects, members: Members) -> list[ServiceState]:
    """Judge every CronJob of a manifest, sorted by name."""
    if not objects.cronjobs:
        return []
    owned = Owned(objects)
    found = [
        _state(member, cronjob, objects, owned)
        for cronjob in objects.cronjobs.values()
        if (member := members.get("CronJob", cronjob.metadata.name))
    ]
    return sorted(found, key=lambda state: (state.extra, state.name))


def _state(member: Member, cronjob: CronJob, objects: Objects, owned: Owned) -> ServiceState:
    meta, spec = cronjob.metadata, cronjob.spec
    runs = sorted(
        (job for job in objects.jobs.values() if any(owner.uid == meta.uid for owner in job.metadata.ownerReferences)),
        key=lambda job: str(job.metadata.creationTimestamp),
    )
    judged = [(job, run_of(job, owned.attempts(job))) for job in runs]
    on_tag = [run for job, run in judged if _runs_image(job, member)]
    template = (spec.jobTemplate.get("spec") or {}).get("template") or {}
    last = judged[-1][1] if judged else _told(cronjob)
    return ServiceState(
        name=member.title,
        workload=meta.name,
        uid=meta.uid,
        generation=meta.generation,
        desired=0,
        updated=0,
        ready=0,
        observed=True,
        extra=not member.service,
        on_tag=template_is_on_tag(template, member) if member.service else None,
        template_tags=_tags(template, member),
        cron=Schedule(
            spec.schedule,
            spec.timeZone or "",
            suspended=spec.suspend,
            last=last,
            last_began=_time(cronjob.status.lastScheduleTime) or (last.began if last else None),
            next=None if spec.suspend else next_run(spec.schedule, spec.timeZone or "", datetime.now(UTC)),
            on_tag=on_tag[-1] if on_tag else None,
        ),
    )


def _told(cronjob: CronJob) -> Run | None:
    """Return how the last run went as far as the CronJob says: nothing may be left of its Job."""
    began, succeeded = _time(cronjob.status.lastScheduleTime), _time(cronjob.status.lastSuccessfulTime)
    return Run(DONE, ended=True, began=began) if began and succeeded and succeeded >= began else None


def _runs_image(job: Job, member: Member) -> bool:
    """Whether a Job runs the service with the image that the manifest has now."""
    containers = (job.spec.template.get("spec") or {}).get("containers") or ()
    return any(
        container.get("name") == member.container and same_image(str(container.get("image")), member.image)
        for container in containers
    )


def _tags(template: dict[str, object], member: Member) -> tuple[str, ...]:
    spec = template.get("spec")
    containers = spec.get("containers") or () if isinstance(spec, dict) else ()
    wanted = (one for one in containers if not member.container or one.get("name") == member.container)
    return tuple(sorted({tag or digest for _, tag, digest in (split(str(one.get("image"))) for one in wanted)}))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""Judge the Jobs and CronJobs of a release, hooks too: Helm waits for Jobs, and reports only the fact of a failure."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sametag.rollout.assess import pod_state, template_is_on_tag
from sametag.rollout.images import same_image, split
from sametag.rollout.members import HOOK_ANNOTATION
from sametag.rollout.state import DONE, FAILED, RUNNING, WAITING, Run, Schedule, ServiceState
from sametag.rollout.trouble import Trouble, pod_troubles, refusals
from sametag.rollout.workload import Objects, Owned, counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sametag.rollout.kube_types import Condition, ContainerStatus, CronJob, Job, Pod, Terminated
    from sametag.rollout.members import Member, Members

# Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions
_SUCCEEDED = ("Complete", "SuccessCriteriaMet")

# The first announces that a Job will fail, while its pods, and so their logs, are still there.
_HAS_FAILED = ("FailureTarget", "Failed")

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


def _run_of(job: Job, attempts: Sequence[Pod]) -> Run:
    """Judge a Job by what its controller says, and by its pods, oldest first."""
    conditions = {condition.type for condition in job.status.true_conditions}
    restarts = sum(status.restartCount for pod in attempts for status in pod.status.containers)
    began, ended = _time(job.status.startTime), _time(job.status.completionTime)
    tries = max(job.status.failed, sum(pod.status.phase == "Failed" for pod in attempts)) + restarts
    limit = job.spec.backoffLimit + 1
    if conditions.intersection(_SUCCEEDED):
        seconds = (ended - began).total_seconds() if began and ended else None
        return Run(DONE, tries, limit, ended=True, seconds=seconds, began=began)
    if conditions.intersection(_HAS_FAILED):
        return Run(FAILED, min(max(tries, 1), limit), limit, ended=True, began=began)
    # A pod that has succeeded ends the Job a moment later.
    if any(pod.status.phase in ("Running", "Succeeded") for pod in attempts):
        return Run(RUNNING, tries, limit, began=began)
    if tries:
        return Run(FAILED, min(tries, limit), limit, began=began)
    return Run(WAITING, limit=limit, began=began, suspended=job.spec.suspend)


def jobs(objects: Objects, members: Members) -> list[ServiceState]:
    """Judge every Job of a manifest, sorted by name."""
    return Jobs(objects)(members)


class Jobs:
    """Judges every Job of a manifest from the objects as they are now, also those that Helm has removed when done.

    Args:
        objects: As a watch keeps them.
        clock: Seconds from anywhere.
    """

    def __init__(self, objects: Objects, clock: Callable[[], float] = time.monotonic) -> None:
        self._objects = objects
        self._clock = clock
        self._began: dict[str, float] = {}
        # Helm removes the pods of a hook before its Job: a Job that was seen running does not wait again.
        self._ran: dict[str, Run] = {}
        self._took: dict[str, float] = {}

    def __call__(self, members: Members) -> list[ServiceState]:
        """Return the states."""
        if not (self._objects.jobs or self._objects.gone_jobs):
            return []
        owned = Owned(self._objects)
        # A hook's Job is made again under its name: the newest one counts.
        done = (job for job in self._objects.gone_jobs.values() if _run_of(job, ()).state == DONE)
        found = {job.metadata.name: job for job in (*done, *self._objects.jobs.values())}
        judged = [
            self._state(member, job, owned) for name, job in found.items() if (member := members.get("Job", name))
        ]
        return sorted(judged, key=lambda state: (state.extra, state.name))

    def _state(self, member: Member, job: Job, owned: Owned) -> ServiceState:
        meta, attempts = job.metadata, owned.attempts(job)
        tried = [pod_state(pod, member) for pod in attempts]
        digests = frozenset(pod.digests[0] for pod in tried if pod.digests and pod.digests[0])
        run = replace(self._timed(meta.uid, self._onward(meta.uid, _run_of(job, attempts))), digests=digests)
        return ServiceState(
            name=member.title,
            workload=meta.name,
            uid=meta.uid,
            generation=meta.generation,
            desired=job.spec.completions,
            updated=job.spec.completions,
            ready=job.status.succeeded,
            observed=True,
            pods=() if run.state == DONE else tuple(pod_state(pod, member) for pod in attempts if counts(pod)),
            troubles=() if run.state == DONE else tuple(_troubles(job, attempts, owned)),
            unready=() if run.state == DONE else tuple(_newest("NotReady", _unfinished(job), attempts)),
            run=run,
            template_tags=_tags(job.spec.template, member),
            extra=not member.service,
        )

    def _onward(self, uid: str, run: Run) -> Run:
        """Return a run that does not go back to waiting once it was seen running, unless it is suspended."""
        if run.state == RUNNING:
            self._ran[uid] = run
        return self._ran.get(uid, run) if run.state == WAITING and not run.suspended else run

    def _timed(self, uid: str, run: Run) -> Run:
        """Return a run with how long it took by our clock, where we saw it begin and end."""
        if not run.ended:
            self._began.setdefault(uid, self._clock())
        elif run.state == DONE and uid in self._began:
            took = self._took.setdefault(uid, round(self._clock() - self._began[uid], 1))
            return replace(run, seconds=took)
        return run


def _unfinished(job: Job) -> str:
    """Return why Helm still waits for a Job that has no other trouble."""
    if job.spec.suspend:
        return f"{_title(job)} is suspended (job.suspend); Helm waits until somebody resumes it and it has ended"
    return f"{_title(job)} has not ended"


def _title(job: Job) -> str:
    hook = job.metadata.annotations.get(HOOK_ANNOTATION, "").replace(",", " and ")
    return f"{hook + ' hook ' if hook else ''}job/{job.metadata.name}"


def _troubles(job: Job, attempts: Sequence[Pod], owned: Owned) -> Iterator[Trouble]:
    failed = [condition for condition in job.status.true_conditions if condition.type in _HAS_FAILED]
    if failed:
        yield from _newest("JobFailed", f"{_title(job)} {_failure(job, failed[0], attempts)}", attempts)
        return
    if not attempts:
        yield from refusals(owned.events(job), attempts)
    for pod in attempts:
        for trouble in pod_troubles(pod, owned.events(pod)):
            # How often a Job may crash is its backoffLimit's to say.
            if trouble.reason != "CrashLoopBackOff":
                yield trouble


def _failure(job: Job, failed: Condition, attempts: Sequence[Pod]) -> str:
    """Say how a Job failed: with which exit code, at which of its tries."""
    if failed.reason == "DeadlineExceeded":
        return f"failed: it took longer than its activeDeadlineSeconds, {job.spec.activeDeadlineSeconds}"
    statuses = [status for pod in attempts[-1:] for status in pod.status.containers]
    ended = next((end for end in map(_end, statuses) if end and end.exitCode), None)
    if ended is None:
        return f"failed: {failed.reason}: {failed.message}"
    # A pod that is restarted in place counts each of its restarts.
    tries = max(job.status.failed, len(attempts), *(status.restartCount + 1 for status in statuses))
    of = f" of {job.spec.backoffLimit + 1}" if failed.reason == "BackoffLimitExceeded" else f", {failed.reason}"
    oom = " (OOMKilled)" if ended.reason == "OOMKilled" else ""
    return f"failed with exit code {ended.exitCode}{oom}, try {tries}{of}"


def _end(status: ContainerStatus) -> Terminated | None:
    return status.state.terminated or status.lastState.terminated


def _newest(reason: str, message: str, attempts: Sequence[Pod]) -> Iterator[Trouble]:
    """Yield one trouble for each container of the newest attempt that did not succeed."""
    for pod in attempts[-1:]:
        containers = [status.name for status in pod.status.containers if not _done(status)]
        for container in containers:
            yield Trouble(reason, message, pod.metadata.name, container, uid=pod.metadata.uid)
        if containers:
            return
    yield Trouble(reason, message)


def _done(status: ContainerStatus) -> bool:
    ended = status.state.terminated
    return ended is not None and ended.exitCode == 0


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
        _cronjob_state(member, cronjob, objects, owned)
        for cronjob in objects.cronjobs.values()
        if (member := members.get("CronJob", cronjob.metadata.name))
    ]
    return sorted(found, key=lambda state: (state.extra, state.name))


def _cronjob_state(member: Member, cronjob: CronJob, objects: Objects, owned: Owned) -> ServiceState:
    meta, spec = cronjob.metadata, cronjob.spec
    runs = sorted(
        (job for job in objects.jobs.values() if any(owner.uid == meta.uid for owner in job.metadata.ownerReferences)),
        key=lambda job: str(job.metadata.creationTimestamp),
    )
    judged = [(job, _run_of(job, owned.attempts(job))) for job in runs]
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
    wanted = (
        container for container in containers if not member.container or container.get("name") == member.container
    )
    return tuple(
        sorted({tag or digest for _, tag, digest in (split(str(container.get("image"))) for container in wanted)})
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

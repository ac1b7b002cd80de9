"""The Jobs of a release, hooks too: Helm waits for them, and says no more than that one failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.rollout.members import HOOK_ANNOTATION
from sametag.rollout.state import ServiceState, pod_state
from sametag.rollout.trouble import Trouble, pod_troubles, refusals
from sametag.rollout.workload import Objects, Owned, counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.rollout.members import Member, Members
    from sametag.rollout.objects import ContainerStatus, Job, Pod

# The first says that a Job will fail, while its pods, and so their logs, are still there.
# Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions
_FAILED = ("FailureTarget", "Failed")


def jobs(objects: Objects, members: Members) -> list[ServiceState]:
    """Judge every Job of a manifest that has not ended, or has failed."""
    if not objects.jobs:
        return []
    owned = Owned(objects)
    unended = (job for job in objects.jobs.values() if not _succeeded(job))
    found = [(member, job) for job in unended if (member := members.get("Job", job.metadata.name))]
    return [_state(member, job, owned) for member, job in sorted(found, key=lambda pair: pair[0].name)]


def _succeeded(job: Job) -> bool:
    return any(condition.type in ("Complete", "SuccessCriteriaMet") for condition in job.status.true_conditions)


def _state(member: Member, job: Job, owned: Owned) -> ServiceState:
    meta, attempts = job.metadata, owned.attempts(job)
    return ServiceState(
        name=member.title,
        workload=meta.name,
        uid=meta.uid,
        generation=meta.generation,
        desired=job.spec.completions,
        updated=job.spec.completions,
        ready=job.status.succeeded,
        observed=True,
        pods=tuple(pod_state(pod, member) for pod in attempts if counts(pod)),
        troubles=tuple(_troubles(job, attempts, owned)),
        unready=tuple(_newest("NotReady", f"{_title(job)} has not ended", attempts)),
        job=True,
        extra=not member.service,
    )


def _title(job: Job) -> str:
    hook = job.metadata.annotations.get(HOOK_ANNOTATION, "").replace(",", " and ")
    return f"{hook + ' hook ' if hook else ''}job/{job.metadata.name}"


def _troubles(job: Job, attempts: Sequence[Pod], owned: Owned) -> Iterator[Trouble]:
    failed = [condition for condition in job.status.true_conditions if condition.type in _FAILED]
    if failed:
        yield from _newest("JobFailed", f"{_title(job)} failed: {failed[0].reason}: {failed[0].message}", attempts)
        return
    if not attempts:
        yield from refusals(owned.events(job))
    for pod in attempts:
        for trouble in pod_troubles(pod, owned.events(pod)):
            # How often a Job may crash is its backoffLimit's to say.
            if trouble.reason != "CrashLoopBackOff":
                yield trouble


def _newest(reason: str, message: str, attempts: Sequence[Pod]) -> Iterator[Trouble]:
    """Yield one trouble for each container of the newest attempt that has not done its work."""
    for pod in attempts[-1:]:
        containers = [status.name for status in pod.status.containers if not _done(status)]
        for container in containers:
            yield Trouble(reason, message, pod.metadata.name, container)
        if containers:
            return
    yield Trouble(reason, message)


def _done(status: ContainerStatus) -> bool:
    ended = status.state.terminated
    return ended is not None and ended.exitCode == 0

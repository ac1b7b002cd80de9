"""The Jobs of a release, hooks too: Helm waits for them, and says no more than that one failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.rollout.state import SERVICE_LABEL, ServiceState, pod_state
from sametag.rollout.trouble import Trouble, pod_troubles, refusals, statuses
from sametag.rollout.workload import Objects, Owned, counts, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lightkube.models.batch_v1 import JobCondition
    from lightkube.models.core_v1 import ContainerStatus
    from lightkube.resources.batch_v1 import Job
    from lightkube.resources.core_v1 import Pod

_HOOK = "helm.sh/hook"

# The first says that a Job will fail, while its pods, and so their logs, are still there.
# Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions
_FAILED = ("FailureTarget", "Failed")


def jobs(objects: Objects) -> list[ServiceState]:
    """Judge every Job that has not ended, or has failed; those that a CronJob makes are no part of a rollout."""
    if not objects.jobs:
        return []
    owned = Owned(objects)
    found = [job for job in objects.jobs.values() if not (metadata(job).ownerReferences or _succeeded(job))]
    return [_state(job, owned) for job in sorted(found, key=lambda job: metadata(job).name or "")]


def _succeeded(job: Job) -> bool:
    return any(condition.type in ("Complete", "SuccessCriteriaMet") for condition in _true_conditions(job))


def _true_conditions(job: Job) -> list[JobCondition]:
    conditions = (job.status and job.status.conditions) or ()
    return [condition for condition in conditions if condition.status == "True"]


def _state(job: Job, owned: Owned) -> ServiceState:
    meta, attempts = metadata(job), owned.attempts(job)
    name, desired = meta.name or "", (job.spec and job.spec.completions) or 1
    return ServiceState(
        name=(meta.labels or {}).get(SERVICE_LABEL, name),
        workload=name,
        uid=meta.uid or "",
        generation=meta.generation or 0,
        desired=desired,
        updated=desired,
        ready=(job.status and job.status.succeeded) or 0,
        observed=True,
        pods=tuple(pod_state(pod) for pod in attempts if counts(pod)),
        troubles=tuple(_troubles(job, attempts, owned)),
        unready=tuple(_newest("NotReady", f"{_title(job)} has not ended", attempts)),
        job=True,
    )


def _title(job: Job) -> str:
    hook = (metadata(job).annotations or {}).get(_HOOK, "").replace(",", " and ")
    return f"{hook + ' hook ' if hook else ''}job/{metadata(job).name}"


def _troubles(job: Job, attempts: Sequence[Pod], owned: Owned) -> Iterator[Trouble]:
    failed = [condition for condition in _true_conditions(job) if condition.type in _FAILED]
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
        name = metadata(pod).name or ""
        containers = [status.name for status in statuses(pod) if not _done(status)]
        for container in containers:
            yield Trouble(reason, message, name, container)
        if containers:
            return
    yield Trouble(reason, message)


def _done(status: ContainerStatus) -> bool:
    ended = status.state.terminated if status.state else None
    return ended is not None and ended.exitCode == 0

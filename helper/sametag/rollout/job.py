"""The Jobs of a release, hooks too: Helm waits for them, and says no more than that one failed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sametag.rollout.members import HOOK_ANNOTATION
from sametag.rollout.run import DONE, HAS_FAILED, Run, run_of
from sametag.rollout.state import ServiceState, pod_state
from sametag.rollout.trouble import Trouble, pod_troubles, refusals
from sametag.rollout.workload import Objects, Owned, counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sametag.rollout.kube_types import Condition, ContainerStatus, Job, Pod, Terminated
    from sametag.rollout.members import Member, Members


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
        self._took: dict[str, float] = {}

    def __call__(self, members: Members) -> list[ServiceState]:
        """Return the states."""
        if not (self._objects.jobs or self._objects.gone_jobs):
            return []
        owned = Owned(self._objects)
        # A hook's Job is made again under its name: the newest one counts.
        done = (job for job in self._objects.gone_jobs.values() if run_of(job, ()).state == DONE)
        found = {job.metadata.name: job for job in (*done, *self._objects.jobs.values())}
        judged = [
            self._state(member, job, owned) for name, job in found.items() if (member := members.get("Job", name))
        ]
        return sorted(judged, key=lambda state: (state.extra, state.name))

    def _state(self, member: Member, job: Job, owned: Owned) -> ServiceState:
        meta, attempts = job.metadata, owned.attempts(job)
        tried = [pod_state(pod, member) for pod in attempts]
        digests = frozenset(pod.digests[0] for pod in tried if pod.digests and pod.digests[0])
        run = replace(self._timed(meta.uid, run_of(job, attempts)), digests=digests)
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
            troubles=() if run.state == DONE else tuple(_troubles(job, attempts, owned)),
            unready=() if run.state == DONE else tuple(_newest("NotReady", f"{_title(job)} has not ended", attempts)),
            run=run,
            extra=not member.service,
        )

    def _timed(self, uid: str, run: Run) -> Run:
        """Return a run with how long it took by our clock, where we saw it begin and end."""
        if not run.ended:
            self._began.setdefault(uid, self._clock())
        elif run.state == DONE and uid in self._began:
            took = self._took.setdefault(uid, round(self._clock() - self._began[uid], 1))
            return replace(run, seconds=took)
        return run


def _title(job: Job) -> str:
    hook = job.metadata.annotations.get(HOOK_ANNOTATION, "").replace(",", " and ")
    return f"{hook + ' hook ' if hook else ''}job/{job.metadata.name}"


def _troubles(job: Job, attempts: Sequence[Pod], owned: Owned) -> Iterator[Trouble]:
    failed = [condition for condition in job.status.true_conditions if condition.type in HAS_FAILED]
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
    """Yield one trouble for each container of the newest attempt that has not done its work."""
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

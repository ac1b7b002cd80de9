"""How far one run of a Job is: waiting, running, done or failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sametag.rollout.kube_types import Job, Pod

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
NOT_RUN = "not run yet"  # a hook that Helm has not come to

# Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions
_SUCCEEDED = ("Complete", "SuccessCriteriaMet")

#: The first says that a Job will fail, while its pods, and so their logs, are still there.
HAS_FAILED = ("FailureTarget", "Failed")


@dataclass(frozen=True, slots=True)
class Run:
    """How far a Job is.

    Attributes:
        state: NOT_RUN, WAITING for its pod, RUNNING, DONE, or FAILED; while it has not ended, that is tried again.
        tries: How many pods, or restarts of one, have failed.
        limit: How often it is tried at most.
        ended: Whether it is done, or is not tried again.
        seconds: From its start to its end; to a tenth where we have seen both, else as Kubernetes tells it.
        began: When its controller began with it; None while it has not.
        suspended: Whether it waits until somebody resumes it.
        digests: What its pods were seen to run, those at their end too.
    """

    state: str
    tries: int = 0
    limit: int = 1
    ended: bool = False
    seconds: float | None = None
    began: datetime | None = None
    suspended: bool = False
    digests: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if self.state == DONE:
            return "done" if self.seconds is None else f"done in {self.seconds:g} s"
        if self.state == FAILED:
            return f"failed (try {self.tries} of {self.limit})" if self.tries else "failed"
        if self.state == RUNNING:
            return f"running (try {self.tries + 1} of {self.limit})" if self.tries else "running"
        return "suspended" if self.suspended else self.state


def run_of(job: Job, attempts: Sequence[Pod]) -> Run:
    """Judge a Job by what its controller says, and by its pods, oldest first."""
    conditions = {condition.type for condition in job.status.true_conditions}
    restarts = sum(status.restartCount for pod in attempts for status in pod.status.containers)
    began, ended = _time(job.status.startTime), _time(job.status.completionTime)
    tries = max(job.status.failed, sum(pod.status.phase == "Failed" for pod in attempts)) + restarts
    limit = job.spec.backoffLimit + 1
    if conditions.intersection(_SUCCEEDED):
        seconds = (ended - began).total_seconds() if began and ended else None
        return Run(DONE, tries, limit, ended=True, seconds=seconds, began=began)
    if conditions.intersection(HAS_FAILED):
        return Run(FAILED, min(max(tries, 1), limit), limit, ended=True, began=began)
    if any(pod.status.phase == "Running" for pod in attempts):
        return Run(RUNNING, tries, limit, began=began)
    if tries:
        return Run(FAILED, min(tries, limit), limit, began=began)
    return Run(WAITING, limit=limit, began=began, suspended=job.spec.suspend)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

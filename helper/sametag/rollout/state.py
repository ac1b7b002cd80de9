"""The state of the workloads of a release, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from sametag.rollout.images import split

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sametag.rollout.trouble import Trouble

RunState = Literal["waiting", "running", "done", "failed", "not run yet"]
WAITING: Final = "waiting"
RUNNING: Final = "running"
DONE: Final = "done"
FAILED: Final = "failed"
NOT_RUN: Final = "not run yet"  # a hook that Helm did not start yet


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

    state: RunState
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
        on_tag: How its newest run with the image of the manifest went; None if it never ran with it.
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


class Blocking(NamedTuple):
    """A pod that keeps its StatefulSet from going on.

    Attributes:
        name: Its name, which the next one has too.
        uid: What tells it from the next.
        in_trouble: Whether anything is known to be wrong with it.
    """

    name: str
    uid: str
    in_trouble: bool


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of a service.

    Attributes:
        name: Its name.
        images: The images that its containers ask for, the one that runs the service first.
        ready: Whether it is.
        restarts: Of its containers, in all.
        digests: The digest of each of `images`, from the kubelet; empty if unknown.
        on_tag: Whether it was made of a template with the service's image; None where that cannot be told.
    """

    name: str
    images: tuple[str, ...]
    ready: bool
    restarts: int
    digests: tuple[str, ...]
    on_tag: bool | None = None


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What runs for one service, or for an extra workload of the release.

    Attributes:
        name: The key in `services`; of an extra workload, what it is (`deployment/redis`).
        workload: The name of its Deployment, StatefulSet or DaemonSet.
        uid: The workload's; empty where it is not in the cluster.
        generation: The workload's; it grows with each change of the spec.
        desired, updated, ready: Numbers of pods.
        observed: Whether the controller has seen the newest spec.
        pods: The pods of the newest spec that are not being deleted.
        others: The older pods that are not being deleted.
        troubles: Empty when nothing is wrong.
        unready: The containers that Helm waits for, trouble or not.
        crashes: The containers of `pods` that have crashed and are not known to be well since; in `troubles` only
            while they wait for the next restart.
        run: How far it is, where it is a Job.
        cron: When it runs, and how it last did, where it is a CronJob.
        template_tags: The tags in the template of a Job or a CronJob, whose pods come and go.
        extra: Whether it is the workload of no service: it has no tag, and decides nothing.
        on_tag: Whether the workload's pod template has the image that the manifest has; None where that cannot be told.
        held: Why its controller does not replace every pod by itself, such as `it is paused`; else empty.
        stopped: Whether somebody has scaled it to 0, although the manifest asks for pods.
        rolled_out: Whether its controller reports the newest spec as rolled out.
        blocking: The older pods that have to be deleted before its controller can go on.
    """

    name: str
    workload: str
    uid: str
    generation: int
    desired: int
    updated: int
    ready: int
    observed: bool
    pods: tuple[PodState, ...] = ()
    others: tuple[PodState, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    unready: tuple[Trouble, ...] = ()
    crashes: tuple[Trouble, ...] = ()
    run: Run | None = None
    cron: Schedule | None = None
    template_tags: tuple[str, ...] = ()
    extra: bool = False
    on_tag: bool | None = None
    held: str = ""
    stopped: bool = False
    rolled_out: bool = False
    blocking: tuple[Blocking, ...] = ()

    @property
    def steady(self) -> bool:
        """Whether it is a service that runs until it is stopped."""
        return not (self.run or self.cron or self.extra)

    @property
    def doubt(self) -> str:
        """Why it is not seen ready on its tag, every pod; else empty."""
        if self.run or self.cron:
            return ""
        if self.held:
            return self.held
        if not self.uid:
            return f"there is no {self.workload}"
        if self.on_tag is False:
            return "its pod template has another image than the manifest"
        if self.on_tag is None:
            return "its pod template does not tell whether it has the image of the manifest"
        unready = "it is scaled to 0" if self.stopped else f"{self.ready} of {self.desired} pods are ready"
        return "" if self.complete and not self.stopped else unready

    @property
    def done(self) -> bool:
        """Whether there is nothing left to wait for: its controller says so, or we see it."""
        return bool(self.held) or (self.observed and (self.rolled_out or self.complete))

    @property
    def spec(self) -> tuple[str, int]:
        """What tells one spec of one workload from every other."""
        return self.uid, self.generation

    @property
    def complete(self) -> bool:
        """Whether every pod is of the newest spec and ready, and no older pod is left; for a Job's end Helm waits."""
        if self.run or self.cron:
            return True
        return self.observed and self.updated == self.ready == self.desired == len(self.pods) and not self.others

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that its pods run, sorted; of an extra workload, those of all its containers."""
        if self.run or self.cron:
            return self.template_tags
        pods = (*self.pods, *self.others)
        found = (split(image) for pod in pods for image in (pod.images if self.extra else pod.images[:1]))
        return tuple(sorted({tag or digest for _, tag, digest in found}))


def digests_of(states: Iterable[ServiceState]) -> dict[str, set[str]]:
    """Return the digests that the services' pods run, by repository; an empty one if unknown.

    More than one of a repository means that the tag was pushed again between two pulls.
    """
    found: dict[str, set[str]] = {}
    for state in states:
        for pod in () if state.extra else (*state.pods, *state.others):
            if pod.digests:
                found.setdefault(split(pod.images[0])[0], set()).add(pod.digests[0])
    return found

"""What runs, compared with the release: once, or whenever it changes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from lightkube import ApiError

from sametag import drift as diff
from sametag import helm as helm_release
from sametag.deploy.lock import holder_of
from sametag.deploy.session import members_of
from sametag.errors import ClusterError
from sametag.kube.connection import connect
from sametag.rollout import DONE, FAILED, NOT_RUN, Run, ServiceState, digests_of, snapshot, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sametag.deploy.lock import Holder
    from sametag.helm import Hook, Revision
    from sametag.kube.connection import Client, Target
    from sametag.rollout import Members


# How late a revision is seen that only adds a service.
_READ_AGAIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Status:
    """What runs for a release.

    Attributes:
        revision: The newest revision.
        services: The services and their pods.
        drift: The differences from the manifest of the revision, as the changes that would undo them.
        refusal: Why the objects could not be compared with the manifest, such as a missing permission; empty if they
            were.
        extras: The workloads that are not services, and their pods.
        jobs: The Jobs, and those hooks of the revision that Helm has removed or not run yet.
        cronjobs: The CronJobs.
        holder: Who is changing the release; None if nobody is.
    """

    revision: Revision
    services: tuple[ServiceState, ...]
    drift: tuple[diff.ObjectDiff, ...]
    refusal: str = ""
    extras: tuple[ServiceState, ...] = ()
    jobs: tuple[ServiceState, ...] = ()
    cronjobs: tuple[ServiceState, ...] = ()
    holder: Holder | None = None

    @property
    def pushed_over(self) -> set[str]:
        """The digests that the pods run under the tag, if these are not just the verified one; else empty."""
        images = [digests - {""} for digests in digests_of(self.services).values()] if self.on_tag else []
        found = set[str]().union(*images)
        verified = {self.revision.note.digest} if self.revision.verified else found
        return found if any(len(digests) > 1 for digests in images) or found - verified else set()

    @property
    def as_released(self) -> bool:
        """Whether every service has all its pods on the tag, of one image, and no object differs from the manifest."""
        whole = all(state.complete for state in self.services)
        return whole and self.on_tag and not self.drift and not self.pushed_over

    @property
    def on_tag(self) -> bool:
        """Whether no pod of any service is known to be on another tag."""
        pods = (pod for state in self.services for pod in (*state.pods, *state.others))
        return all(state.on_tag is not False for state in self.services) and all(
            pod.on_tag is not False for pod in pods
        )


async def status(target: Target, release: str) -> Status:
    """Return what runs for a release now.

    Raises:
        SametagError: There is no such release, or the cluster rejects the request.
    """
    async with connect(target) as client:
        newest = await _newest(client, release)
        return await _status(client, release, newest, await snapshot(client, _members(client, release, newest)))


async def _newest(client: Client, release: str) -> Revision:
    history = await helm_release.revisions(client, release)
    return helm_release.current(history, release, str(client.namespace))


def _members(client: Client, release: str, newest: Revision) -> Members:
    return members_of(newest, release, str(client.namespace))


async def _status(client: Client, release: str, newest: Revision, states: Sequence[ServiceState]) -> Status:
    holder = await holder_of(client, release)
    found = _holding(Status(newest, (), (), holder=holder), states, _members(client, release, newest))
    # A user who may only read, or a missing CustomResourceDefinition, does not hide the pods.
    try:
        situation = await diff.read_situation(client, release, newest, server_side=newest.server_side)
        return replace(found, drift=await diff.drift(situation))
    except ApiError as error:
        if error.status.code != HTTPStatus.FORBIDDEN:
            raise
        return replace(found, refusal=error.status.message or "forbidden")
    except ClusterError as error:
        return replace(found, refusal=error.message)


async def follow(target: Target, release: str, look: Callable[[Status], None]) -> None:
    """Call `look` with what runs now, and again whenever it changes, until cancelled.

    The release and its objects are read again when a workload changes, and from time to time, but not when only pods
    change.

    Raises:
        SametagError: There is no such release (any more), or the cluster rejects the request.
    """
    states: asyncio.Queue[tuple[ServiceState, ...]] = asyncio.Queue()
    async with connect(target) as client:
        followed = _Followed(client, release, _members(client, release, await _newest(client, release)))
        seen = watch(client, lambda: followed.members, lambda found: states.put_nowait(tuple(found)))
        watching = asyncio.create_task(seen)
        watching.add_done_callback(lambda _: states.put_nowait(()))
        try:
            while True:
                services = await states.get()
                if watching.done():
                    await watching  # raises what the API server refused
                if status := await followed.status(services):
                    look(status)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


class _Followed:
    """A release whose status is followed."""

    def __init__(self, client: Client, release: str, members: Members) -> None:
        self.members = members
        self._client = client
        self._release = release
        self._last: Status | None = None
        self._states: tuple[ServiceState, ...] = ()
        self._read = 0.0

    async def status(self, states: tuple[ServiceState, ...]) -> Status | None:
        """Return what runs now; None if nothing changed."""
        unchanged = [state.spec for state in states] == [state.spec for state in self._states]
        if self._last and unchanged and time.monotonic() < self._read + _READ_AGAIN_SECONDS:
            return self._others(self._last, states)
        newest = await _newest(self._client, self._release)
        self.members = _members(self._client, self._release, newest)
        self._read, self._states = time.monotonic(), states
        self._last = await _status(self._client, self._release, newest, states)
        return self._last

    def _others(self, last: Status, states: tuple[ServiceState, ...]) -> Status | None:
        if states == self._states:
            return None
        self._states, self._last = states, _holding(last, states, self.members)
        return self._last


def _holding(status: Status, states: Sequence[ServiceState], members: Members) -> Status:
    """Return a status with the current states."""
    jobs = [state for state in states if state.run]
    names = {state.workload for state in jobs}
    return replace(
        status,
        services=tuple(state for state in states if state.steady),
        extras=tuple(state for state in states if state.extra and not (state.run or state.cron)),
        jobs=(*jobs, *(hook for hook in _hooks(status.revision, members) if hook.workload not in names)),
        cronjobs=tuple(state for state in states if state.cron),
    )


def _hooks(revision: Revision, members: Members) -> Iterator[ServiceState]:
    """Yield the Jobs of a revision's hooks, with the results that Helm recorded: it deletes them when done."""
    action = "rollback" if revision.made_by_rollback else "install" if revision.number == 1 else "upgrade"
    for hook in diff.hooks(revision, diff.EVENTS[action]):
        member = members.get(hook.kind, hook.name)
        if member:
            run = _run(hook) if revision.ran(hook) else Run(NOT_RUN)
            yield ServiceState(member.title, hook.name, "", 0, 0, 0, 0, observed=True, run=run)


def _run(hook: Hook) -> Run:
    if not hook.succeeded:
        return Run(FAILED, ended=True, began=hook.began)
    took = round((hook.ended - hook.began).total_seconds(), 1) if hook.ended and hook.began else None
    return Run(DONE, ended=True, seconds=took, began=hook.began)

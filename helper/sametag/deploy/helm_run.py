"""One action of Helm next to a watch of the services, until the last pod is ready."""

from __future__ import annotations

import asyncio
import contextlib
import time
from enum import Enum
from typing import TYPE_CHECKING, Any

import httpx2
from lightkube import ApiError

from sametag.chart import pinned
from sametag.deploy import fields
from sametag.deploy.attempt import Attempt
from sametag.deploy.events import Outcome, Start
from sametag.deploy.monitor import Monitor, Watch
from sametag.deploy.request import seconds
from sametag.deploy.stuck import StuckError, summary_of, why_helm_gave_up
from sametag.deploy.unblock import Unblocker
from sametag.errors import HelmError
from sametag.kube.retry import finish_despite_cancel, patiently
from sametag.rollout import digests_of, evidence, snapshot, split
from sametag.text import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from sametag.chart import Chart
    from sametag.deploy.events import Verb
    from sametag.deploy.session import Session
    from sametag.helm import Revision
    from sametag.rollout import Members, ServiceState

    Action = Callable[[], Coroutine[Any, Any, int | None]]

# What stops one service often stops others a moment later.
_SIBLINGS_SECONDS = 5

# Helm has seen every pod ready; the old ones may need a moment to be marked as terminating.
_SETTLE_SECONDS = 15


class Way(Enum):
    """Where a rollout goes: to a new revision, back to an older one, or back from one that failed."""

    FORTH, BACK, RESCUE = "forth", "back", "rescue"


async def upgrade(
    session: Session, chart: Chart, user: dict[str, Any], expected: Members, *, goes_back: bool = False
) -> Outcome:
    """Run `helm upgrade --install` with exactly these values, watched; raises as `HelmRun.run_and_watch`.

    Args:
        session: The session.
        chart: The chart.
        user: The user's values, complete.
        expected: The workloads that the chart renders.
        goes_back: Whether this deploys an older tag, because its revisions are no longer in the history.
    """
    options = session.request.options
    image = pinned(user.get("image") or {})
    asked = {key: str(image[key]) for key in ("tag", "digest") if image.get(key)}
    tags = {tag or digest for _, tag, digest in map(split, expected.images)}
    await _start(session, "install" if session.gone else "upgrade", ", ".join(sorted(tags)))

    async def helm_upgrade() -> int | None:
        return await session.helm.install_or_upgrade(
            session.release,
            chart.path,
            user,
            namespace=session.namespace,
            create_namespace=options.create_namespace,
            reset_values=True,
            force_conflicts=options.take_over and session.applies_server_side,
            timeout=options.timeout,
            wait=True,
        )

    attempt = Attempt(
        session, tuple(session.history), lambda revision: asked.items() <= revision.image.items(), goes_back
    )
    return await HelmRun(session, Way.FORTH, attempt).run_and_watch(helm_upgrade, expected)


async def roll_back(session: Session, to: Revision, way: Way = Way.RESCUE) -> Outcome:
    """Run `helm rollback` to a revision, watched; raises as `HelmRun.run_and_watch`."""
    await _start(session, "rollback", to.tag or to.digest)
    await fields.claim_fields(session, to)

    async def helm_rollback() -> int | None:
        await session.helm.rollback(
            session.release,
            to.number,
            namespace=session.namespace,
            timeout=session.request.options.timeout,
            force_conflicts=session.applies_server_side,
        )
        return None

    attempt = Attempt(session, tuple(session.history), lambda revision: revision.manifest == to.manifest)
    return await HelmRun(session, way, attempt).run_and_watch(helm_rollback, session.members_of(to))


async def _start(session: Session, action: Verb, tag: str) -> None:
    if session.lock:
        await session.lock.tell(tag, session.history[-1].number + 1 if session.history else 1)
    session.request.report(Start(action, session.release, session.namespace, tag))


class HelmRun:
    """One action of Helm, next to a watch of the services.

    Args:
        session: The session; its watch is taken over, or a new one is started.
        way: Where the rollout goes.
        attempt: The revision that the action makes.
    """

    def __init__(self, session: Session, way: Way, attempt: Attempt) -> None:
        self._session = session
        self._attempt = attempt
        self._monitor = Monitor(session.client, session.request, rescue=way is Way.RESCUE)
        self._unblocker = Unblocker(session.client, session.request, back=way is not Way.FORTH)
        self._helm: asyncio.Task[None] | None = None

    async def run_and_watch(self, action: Action, expected: Members) -> Outcome:
        """Run Helm's action and watch the pods until every one is ready on the new revision.

        Args:
            action: Returns the number of the revision that Helm has made, if Helm prints it.
            expected: The workloads of the new revision, as far as they are known.

        Raises:
            StuckError: A service cannot recover, or Helm gave up after it had begun.
            RolloutError: Another Helm client changed the release; what it did is left alone.
            SametagError: Helm refused before it changed anything.
        """
        session, attempt = self._session, self._attempt
        watch = await self._take_watch(expected)
        deadline = time.monotonic() + seconds(session.request.options.timeout)
        digest = failure = ""
        try:
            services = await self._watched(watch, action, deadline)
            await attempt.refresh_history()
            attempt.refuse_others()
            digest = self._digest(services)
        except StuckError as stuck:
            failure = stuck.reason or "not ready in time"
            await attempt.refresh_history()
            attempt.refuse_others()
            raise
        finally:
            await finish_despite_cancel(attempt.record(digest, self._job_digest, failure))
        others = tuple(state for state in self._monitor.latest if state.run or state.cron)
        return Outcome(session.history[-1], services, session.seconds, others)

    async def _take_watch(self, expected: Members) -> Watch:
        """Return a watch of these workloads: the session's, if it covers them all."""
        session = self._session
        if session.watch and session.watch.members.labelled and not expected.labelled:
            await session.restart_watch()
        watch, session.watch = session.watch or Watch(session.client, expected), None
        watch.members = expected
        return watch

    async def _watched(self, watch: Watch, action: Action, deadline: float) -> tuple[ServiceState, ...]:
        """Run the action; at the end, however it ends, the watch and Helm have ended too."""
        session = self._session
        try:
            await watch.begin()
            self._receive(watch.latest)
            watch.on_states = self._receive
            session.before = self._monitor.before
            try:
                # Helm waits in vain for a Job that its TTL has removed before the last pod is ready: the monitor waits.
                session.helm.waits_for_jobs = not watch.members.expire
                if watch.members.expire:
                    self._monitor.awaited_jobs = watch.members.jobs
                session.helm.waits_as_helm_3 = session.server_side and helm_4_misjudges(watch.members, watch.latest)
                made = await self._run_helm(watch, action)
                if not session.applies_server_side:
                    await fields.restore_lost(session, made)
                return await self._settle(watch, session.members_of(made), deadline - time.monotonic())
            except asyncio.CancelledError:
                if self._helm and not self._helm.done():
                    session.request.say("interrupted: stopping Helm, which records its state")
                raise
            finally:
                await self._end()
        finally:
            await watch.end()

    def _receive(self, states: Sequence[ServiceState]) -> None:
        self._monitor.receive(states)
        self._unblocker.receive(states)

    async def _run_helm(self, watch: Watch, action: Action) -> Revision:
        """Run Helm, and return the revision that it has made."""
        attempt = self._attempt

        async def run() -> None:
            attempt.number = await action()

        self._helm = asyncio.create_task(run())
        try:
            await watch.first(self._helm, self._monitor.stuck.wait())
            if not self._helm.done():
                raise await self._stuck(watch)
            await self._helm
        except HelmError as error:
            await attempt.refresh_history()
            made = attempt.revision()
            if made is None:
                raise  # Helm recorded no revision: nothing was changed
            stuck = await self._stuck(watch)
            if not stuck.reason and (gone := await fields.missing(self._session, made)):
                stuck = StuckError(f"not in the cluster, perhaps deleted by somebody: {listing(gone)}", ())
            timeout = self._session.request.options.timeout
            raise why_helm_gave_up(error, stuck, timeout, watch.members) from error
        await attempt.refresh_history()
        return attempt.refuse_others()

    async def _settle(self, watch: Watch, made: Members, timeout: float) -> tuple[ServiceState, ...]:
        """Wait for what Helm does not wait for, and return the services; what they lack is in their `doubt`.

        When Helm and the controllers say that the rollout is done, it is. Helm 3 does not wait for minReadySeconds, and
        no Helm waits for old pods to end: only a service whose controller is not done can fail here.

        Raises:
            StuckError: A service cannot become ready, or is not ready after `timeout` seconds.
        """
        monitor, watch.members = self._monitor, made
        monitor.expect(made)
        settling: float = _SETTLE_SECONDS + max((member.min_ready for member in made.found.values()), default=0)
        settling = min(settling, max(timeout, _SETTLE_SECONDS))
        await _wait(watch, settling, monitor.settled, monitor.failed)
        if not monitor.settled.is_set():
            await _wait(watch, timeout - settling, monitor.done, monitor.failed)
        if monitor.settled.is_set():
            return _services(monitor.latest)
        # The watch may have lost its connection in the meantime.
        states = await patiently(lambda: snapshot(self._session.client, made))
        unfinished = [state.name for state in _services(states) if not state.done] + monitor.unfinished_jobs()
        if unfinished:
            stuck = await self._stuck(watch)
            raise StuckError(stuck.reason or f"not ready in time: {', '.join(unfinished)}", stuck.evidence)
        return _services(states)

    async def _stuck(self, watch: Watch) -> StuckError:
        """Return what is wrong, with its evidence; a service that fails a moment after the first one is named too."""
        if self._monitor.stuck.is_set():
            await _wait(watch, _SIBLINGS_SECONDS, self._monitor.decided)
        causes = await evidence(self._session.client, self._monitor.failures())
        return StuckError(summary_of(causes), causes)

    async def _end(self) -> None:
        """End Helm first, and completely: it records the state of the revision."""
        for task in (self._helm, *self._monitor.explaining, *self._unblocker.tasks):
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @property
    def _job_digest(self) -> str:
        """The one digest that the pods of Jobs were seen to run; empty if there is none, or more."""
        digests = self._monitor.job_digests
        return next(iter(digests)) if len(digests) == 1 else ""

    def _digest(self, services: Sequence[ServiceState]) -> str:
        """Return the one digest that every pod was seen to run; empty, after a warning that says why, otherwise."""
        warn = self._session.request.warn
        if doubts := self._monitor.doubts(services):
            warn(f"not verified: {'; '.join(doubts)}")
            return ""
        images = digests_of(services)
        digests = sorted(set[str]().union(*images.values()))
        if len(digests) == 1:
            return digests[0]
        if digests and len(images) == len(digests):
            warn(f"not verified: the services run several images: {', '.join(sorted(images))}")
        elif digests:
            reported = ", ".join(digest or "none reported" for digest in digests)
            tag = self._session.history[-1].tag
            warn(f"not verified: the pods run several images under the tag {tag}: {reported}")
        return ""


def helm_4_misjudges(members: Members, states: Sequence[ServiceState]) -> bool:
    """Return whether Helm 4 waits in vain for an object, or gives up on one too early; Helm 3 does neither.

    Helm 4 never considers a paused workload, a DaemonSet with OnDelete, or a Job that is gone, done. It gives up at
    once when a pod of a StatefulSet is in CrashLoopBackOff, even a pod of the revision that a rollback leaves.
    """
    kept = any(member.on_delete or member.kind == "StatefulSet" for member in members.found.values())
    return kept or members.expire or any(state.held for state in states)


def _services(states: Sequence[ServiceState]) -> tuple[ServiceState, ...]:
    return tuple(state for state in states if state.steady)


async def _wait(watch: Watch, timeout: float, *events: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(timeout, 0)):
            await watch.first(*(event.wait() for event in events))


async def astray(session: Session, to: Revision) -> list[str]:
    """Return the services that differ from a revision, each with what is missing."""
    try:
        states = await snapshot(session.client, session.members_of(to))
    except (ApiError, httpx2.TransportError):
        return []
    return [f"{state.name} ({state.doubt})" for state in states if state.doubt and not state.extra]

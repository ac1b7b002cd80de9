"""A watch of a release's services, and one action of Helm beside it, to the last ready pod."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any

from sametag.deploy.events import Step
from sametag.deploy.monitor import View
from sametag.deploy.unblock import Unblocker
from sametag.errors import ClusterError
from sametag.kube.retry import patiently
from sametag.rollout import evidence, snapshot, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence

    from sametag.deploy.events import Request
    from sametag.kube.connection import Client
    from sametag.rollout import Evidence, Members, ServiceState

# A rollback begins when the API server is back, where it was its absence that stopped the upgrade.
_BEGIN_SECONDS = 120

# What stops one service mostly stops others too, a moment later: the report names them all.
_SIBLINGS_SECONDS = 5

# Helm has seen every pod ready; the old ones may need a moment to be marked as ending.
_SETTLE_SECONDS = 15


class Way(Enum):
    """Where a rollout goes: to a new revision, back to an older one, or back from one that has failed."""

    FORTH, BACK, RESCUE = "forth", "back", "rescue"


class StuckError(Exception):
    """The watch saw what cannot heal, or Helm gave up after it had begun."""

    def __init__(self, reason: str, found: Sequence[Evidence]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = tuple(found)


class Watch:
    """A watch of a release's workloads, which goes on until it is ended.

    Attributes:
        members: What is looked at.
        latest: What was last seen.
        tell: Called with each state of the services.
    """

    def __init__(self, client: Client, members: Members) -> None:
        self.members = members
        self.latest: Sequence[ServiceState] = ()
        self.tell: Callable[[Sequence[ServiceState]], None] = lambda _: None
        self._begun = asyncio.Event()
        self._task = asyncio.create_task(watch(client, lambda: self.members, self._look))

    def _look(self, states: Sequence[ServiceState]) -> None:
        self.latest = states
        self._begun.set()
        self.tell(states)

    async def begin(self) -> None:
        """Wait for the first look: what is missing, a right say, is found before Helm changes anything.

        Raises:
            ApiError: The API server refuses the watch.
            ClusterError: It does not answer for a long time.
        """
        try:
            async with asyncio.timeout(_BEGIN_SECONDS):
                await self.first(self._begun.wait())
        except TimeoutError:
            message = f"the API server has not answered for {_BEGIN_SECONDS} s"
            raise ClusterError(message, "sametag status says what runs, once it does") from None

    async def first(self, *others: Awaitable[Any]) -> None:
        """Wait for the first of the others, or raise what the API server refused the watch; tasks go on."""
        waits = [asyncio.ensure_future(other) for other in others]
        try:
            await asyncio.wait({self._task, *waits}, return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                await self._task
        finally:
            for wait, other in zip(waits, others, strict=True):
                if wait is not other:
                    wait.cancel()

    async def end(self) -> None:
        """End it; a second time is no error."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Watched:
    """Helm at work beside a watch that has begun; made by `watched`."""

    def __init__(self, client: Client, request: Request, sight: Watch, way: Way) -> None:
        self._client = client
        self._request = request
        self._watch = sight
        self._view = View(client, request, rescue=way is Way.RESCUE)
        self._unblocker = Unblocker(client, request, back=way is not Way.FORTH)
        self._helm: asyncio.Task[Any] | None = None
        self._look(sight.latest)
        sight.tell = self._look

    def _look(self, states: Sequence[ServiceState]) -> None:
        self._view.look(states)
        self._unblocker.look(states)

    @property
    def members(self) -> Members:
        """The workloads that are looked at."""
        return self._watch.members

    @property
    def before(self) -> dict[str, ServiceState]:
        """What there was before Helm began, by name."""
        return self._view.before

    async def run(self, action: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Run Helm's action to its end.

        Raises:
            StuckError: Something cannot heal; Helm is still at work.
            SametagError: Helm refused, or gave up.
        """
        self._helm = asyncio.create_task(action())
        await self._watch.first(self._helm, self._view.stuck.wait())
        if self._helm.done():
            await self._helm
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SIBLINGS_SECONDS):
                await self._watch.first(self._view.decided.wait())
        raise await self.stuck()

    async def settle(self, made: Members, seconds: float) -> tuple[ServiceState, ...]:
        """Wait for what Helm does not wait for, and return the services; what they are not, their `doubt` says.

        Helm's and the controllers' word that the rollout is done stands, whatever we see. Helm 3 does not wait for
        minReadySeconds, and no Helm for old pods to go: only a service whose controller is not done can fail here.

        Args:
            made: The workloads of the new revision.
            seconds: What is left of the timeout.

        Raises:
            StuckError: A service cannot become ready, or has not in this time.
        """
        view, self._watch.members = self._view, made
        view.expect(made)
        settling: float = _SETTLE_SECONDS + max((member.min_ready for member in made.found.values()), default=0)
        settling = min(settling, max(seconds, _SETTLE_SECONDS))
        await self._wait(settling, view.settled, view.failed)
        if not view.settled.is_set():
            await self._wait(seconds - settling, view.done, view.failed)
        if view.settled.is_set():
            return _services(view.latest)
        # The watch may have lost its connection meanwhile.
        states = await patiently(lambda: snapshot(self._client, made))
        unfinished = [state.name for state in _services(states) if not state.done]
        if unfinished:
            stuck = await self.stuck()
            raise StuckError(stuck.reason or f"not ready in time: {', '.join(unfinished)}", stuck.evidence)
        return _services(states)

    @property
    def job_digest(self) -> str:
        """The one digest that the pods of Jobs were seen to run; empty where there was none, or more."""
        digests = self._view.job_digests
        return next(iter(digests)) if len(digests) == 1 else ""

    @property
    def others(self) -> tuple[ServiceState, ...]:
        """The Jobs that took part, and the CronJobs."""
        return tuple(state for state in self._view.latest if state.run or state.cron)

    async def _wait(self, seconds: float, *events: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._watch.first(*(event.wait() for event in events))

    async def stuck(self) -> StuckError:
        """Return what is wrong now, with its evidence."""
        causes = await evidence(self._client, self._view.failures())
        return StuckError(in_short(causes), causes)

    async def end(self) -> None:
        """End Helm first, and to its end: it writes the revision's state down."""
        for task in (self._helm, *self._view.explaining, *self._unblocker.tasks):
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def interrupted(self) -> None:
        """Say that Helm is told to end, where it is at work."""
        if self._helm and not self._helm.done():
            self._request.report(Step("interrupted: Helm is told to end, and writes down what it has done"))


def _services(states: Sequence[ServiceState]) -> tuple[ServiceState, ...]:
    return tuple(state for state in states if state.steady)


@asynccontextmanager
async def watched(client: Client, request: Request, sight: Watch, way: Way) -> AsyncIterator[Watched]:
    """Watch a release while the block runs; at its end, the watch and Helm have ended too.

    Raises:
        ApiError: The API server refuses the watch (no rights, say).
        ClusterError: It does not answer.
    """
    try:
        await sight.begin()
        rollout = Watched(client, request, sight, way)
        try:
            yield rollout
        except asyncio.CancelledError:
            rollout.interrupted()
            raise
        finally:
            await rollout.end()
    finally:
        await sight.end()


# Names in one line; a hundred would hide the cause.
_NAMES = 5


def in_short(causes: Sequence[Evidence]) -> str:
    """Say the first cause with the services that it stops, and how many more there are: the summary has them all."""
    if not causes:
        return ""
    services, cause = causes[0].services, causes[0].trouble.summary
    count = f" ({len(services)})" if len(services) > 1 else ""
    names = ", ".join(services[:_NAMES]) + (", …" if len(services) > _NAMES else "")
    more = {1: "", 2: " (and 1 more cause)"}.get(len(causes), f" (and {len(causes) - 1} more causes)")
    return f"{names}{count}: {cause}{more}"

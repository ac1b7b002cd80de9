"""A watch of a release's services, and one action of Helm beside it, to the last ready pod."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sametag.cluster import patiently
from sametag.deploy.events import Step
from sametag.deploy.view import View
from sametag.errors import ClusterError
from sametag.rollout import evidence, snapshot, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence

    from lightkube import AsyncClient

    from sametag.deploy.events import Request
    from sametag.rollout import Evidence, Image, ServiceState, Trouble

# A rollback begins when the API server is back, where it was its absence that stopped the upgrade.
_BEGIN_SECONDS = 120

# What stops one service mostly stops others too, a moment later: the report names them all.
_SIBLINGS_SECONDS = 5

# Helm has seen every pod ready; the old ones may need a moment to be marked as ending.
_SETTLE_SECONDS = 15


class StuckError(Exception):
    """The watch saw what cannot heal, or Helm gave up after it had begun."""

    def __init__(self, reason: str, found: Sequence[Evidence]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = tuple(found)


class Watch:
    """A watch of a release's services, which goes on until it is ended.

    Attributes:
        latest: What was last seen.
        tell: Called with each state of the services.
    """

    def __init__(self, client: AsyncClient, release: str) -> None:
        self.latest: Sequence[ServiceState] = ()
        self.tell: Callable[[Sequence[ServiceState]], None] = lambda _: None
        self._begun = asyncio.Event()
        self._task = asyncio.create_task(watch(client, release, self._look))

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

    def __init__(self, client: AsyncClient, request: Request, sight: Watch) -> None:
        self._client = client
        self._request = request
        self._watch = sight
        self._view = View(client, request)
        self._helm: asyncio.Task[Any] | None = None
        self._view.look(sight.latest)
        sight.tell = self._view.look

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

    async def settle(self, image: Image) -> tuple[ServiceState, ...]:
        """Check with our own eyes that every pod of every service runs the image, and return the services.

        Raises:
            StuckError: One does not.
        """
        view = self._view
        view.expect(image)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._watch.first(view.settled.wait(), view.stuck.wait())
        if view.settled.is_set():
            return tuple(state for state in view.latest if not state.job)
        # The watch may have lost its connection meanwhile.
        states = await patiently(lambda: snapshot(self._client, self._request.release))
        astray = [state.name for state in states if not (state.complete and state.runs(image))]
        if astray:
            found = (await self.stuck()).evidence
            wanted = f"tag {image.tag}" if image.tag else image.digest
            raise StuckError(f"Helm is done, but not on {wanted}: {', '.join(astray)}", found)
        return tuple(states)

    async def stuck(self) -> StuckError:
        """Return what is wrong now, with its evidence."""
        failures = self._view.failures()
        return StuckError(_in_short(failures), await evidence(self._client, failures))

    async def end(self) -> None:
        """End Helm first, and to its end: it writes the revision's state down."""
        for task in (self._helm, *self._view.explaining):
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def interrupted(self) -> None:
        """Say that Helm is told to end, where it is at work."""
        if self._helm and not self._helm.done():
            self._request.report(Step("interrupted: Helm is told to end, and writes down what it has done"))


@asynccontextmanager
async def watched(client: AsyncClient, request: Request, sight: Watch) -> AsyncIterator[Watched]:
    """Watch a release while the block runs; at its end, the watch and Helm have ended too.

    Raises:
        ApiError: The API server refuses the watch (no rights, say).
        ClusterError: It does not answer.
    """
    try:
        await sight.begin()
        rollout = Watched(client, request, sight)
        try:
            yield rollout
        except asyncio.CancelledError:
            rollout.interrupted()
            raise
        finally:
            await rollout.end()
    finally:
        await sight.end()


def _in_short(troubles: Sequence[tuple[str, Trouble]]) -> str:
    """Say the first cause with the services that it stops, and how many more there are: the evidence has them all."""
    causes: dict[str, list[str]] = {}
    for service, trouble in troubles:
        services = causes.setdefault(trouble.summary, [])
        if service not in services:
            services.append(service)
    if not causes:
        return ""
    cause, services = next(iter(causes.items()))
    more = len({service for service, _ in troubles}) - len(services)
    return f"{', '.join(services)}: {cause}" + (f" (and {more} more)" if more > 0 else "")

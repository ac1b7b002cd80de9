"""One watched run of Helm against one release."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sametag import release as helm_release
from sametag.cluster import connect
from sametag.deploy.events import Outcome, Request, Start, Step
from sametag.deploy.view import View
from sametag.errors import HelmError, RolloutError
from sametag.release.helm import HelmCommand
from sametag.rollout import Evidence, Image, ServiceState, evidence, snapshot, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from lightkube import AsyncClient

    from sametag.chart import Chart
    from sametag.release import Revision
    from sametag.rollout import Trouble

# Helm has seen every pod ready; the old ones may need a moment to be marked as ending.
_SETTLE_SECONDS = 15


class StuckError(Exception):
    """The watch saw what cannot heal, or Helm gave up after it had begun."""

    def __init__(self, reason: str, found: Sequence[Evidence]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = tuple(found)


@dataclass(slots=True)
class Deployment:
    """One run against one release: the client, Helm, and what was there before."""

    request: Request
    namespace: str
    client: AsyncClient
    helm: HelmCommand
    history: list[Revision]
    began: float
    #: What ran when the newest action began: what was in trouble then is not this action's doing.
    before: dict[str, ServiceState] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The release's."""
        return self.request.release

    async def see_through(self, action: Coroutine[Any, Any, Any]) -> tuple[ServiceState, ...]:
        """Run Helm's action and watch the pods until every one is ready on the new revision.

        Raises:
            StuckError: Something cannot heal, or Helm gave up after it had begun.
            SametagError: Helm refused before it changed anything.
        """
        self.before = {state.name: state for state in await snapshot(self.client, self.name)}
        view = View(self.client, self.request, self.before)
        helm = asyncio.create_task(action)
        watching = asyncio.create_task(watch(self.client, self.name, view.look))
        try:
            await asyncio.wait({helm, watching, view.stuck}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching  # raises what the API server refused
            if not helm.done():
                raise await self._stuck(view.stuck.result())
            await self._helm_is_done(helm, view)
            return await self._settle(view)
        except asyncio.CancelledError:
            if not helm.done():
                self.request.report(Step("interrupted: Helm is told to end, and writes down what it has done"))
            raise
        finally:
            # Helm first, and to its end: it writes the revision's state down.
            for task in (helm, watching, *view.explaining):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _stuck(self, troubles: Sequence[tuple[str, Trouble]]) -> StuckError:
        found = await evidence(self.client, troubles)
        return StuckError(_in_short(troubles), found)

    async def _helm_is_done(self, helm: asyncio.Task[Any], view: View) -> None:
        try:
            await helm
        except HelmError as error:
            history = await helm_release.revisions(self.client, self.name)
            if [revision.number for revision in history] == [revision.number for revision in self.history]:
                raise  # Helm recorded no revision: nothing was changed
            stuck = await self._stuck(view.troubles())
            raise StuckError(stuck.reason or error.message, stuck.evidence) from error

    async def _settle(self, view: View) -> tuple[ServiceState, ...]:
        """Check with our own eyes that every pod of every service runs the release's image."""
        newest = await self._newest()
        view.expect(image_of(newest))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(view.settled.wait(), _SETTLE_SECONDS)
        astray = [state.name for state in view.latest if not (state.complete and state.runs(image_of(newest)))]
        if astray:
            raise StuckError(f"Helm is done, but not on tag {newest.tag}: {', '.join(astray)}", ())
        return view.latest

    async def _newest(self) -> Revision:
        history = await helm_release.revisions(self.client, self.name)
        if not history:
            raise RolloutError(f"release {self.name} was removed while it was being deployed")
        return history[-1]

    async def roll_back(self, to: Revision) -> tuple[ServiceState, ...]:
        """Run `helm rollback` to a revision, watched."""
        self._start("rollback", to.tag or to.digest)
        return await self.see_through(
            self.helm.rollback(
                self.name,
                to.number,
                namespace=self.namespace,
                timeout=self.request.options.timeout,
                force_conflicts=self._force_conflicts,
            )
        )

    def _start(self, action: str, tag: str) -> None:
        self.request.report(Start(action, self.name, self.namespace, tag))

    @property
    def _force_conflicts(self) -> bool:
        """Whether to take back the fields that others have changed.

        With server-side apply a `kubectl set image` would otherwise stop the next upgrade half-way, with two tags. Helm
        refuses the flag for a release that was made with client-side apply, and Helm 3 does not know it.
        """
        return self.helm.server_side and (not self.history or self.history[-1].server_side)

    async def apply(self, chart: Chart, values: dict[str, Any]) -> tuple[ServiceState, ...]:
        """Run `helm upgrade --install` with exactly these values, watched."""
        image = values.get("image") or {}
        self._start("upgrade" if self.history else "install", str(image.get("tag") or image.get("digest") or ""))
        return await self.see_through(
            self.helm.install_or_upgrade(
                self.name,
                chart.path,
                values,
                namespace=self.namespace,
                create_namespace=self.request.options.create_namespace,
                reset_values=True,
                force_conflicts=self._force_conflicts,
                timeout=self.request.options.timeout,
                wait=True,
            )
        )

    async def rehearse(self, chart: Chart, values: dict[str, Any]) -> None:
        """Let Helm and the API server check everything, and change nothing."""
        await self.helm.dry_run(self.name, chart.path, values, namespace=self.namespace)

    async def outcome(self, services: tuple[ServiceState, ...]) -> Outcome:
        """Put together what is true now."""
        return Outcome(await self._newest(), services, time.monotonic() - self.began)


def image_of(revision: Revision) -> Image:
    """Return the one image of a revision."""
    return Image(revision.repository, revision.tag, revision.digest)


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


@asynccontextmanager
async def begin(request: Request) -> AsyncIterator[Deployment]:
    """Connect, and read all that can be known before anything is changed.

    Raises:
        LockedError: The release is in progress.
        SametagError: No helm, no cluster, or no rights.
    """
    began = time.monotonic()
    target, name = request.target, request.release
    helm = HelmCommand(
        target,
        warn=lambda text: request.report(Step(f"warning: {text}")),
        history_max=request.options.history_max,
    )
    async with connect(target) as client:
        history = await helm_release.revisions(client, name)
        helm_release.refuse_pending(history, name)
        yield Deployment(request, target.resolved_namespace, client, helm, history, began)

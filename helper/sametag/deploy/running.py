"""What runs, held against what the release says: once, or as it changes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lightkube import ApiError

from sametag import diff
from sametag import release as helm_release
from sametag.cluster import connect
from sametag.deploy.run import image_of
from sametag.errors import ClusterError
from sametag.rollout import digests_of, snapshot, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightkube import AsyncClient

    from sametag.cluster import Target
    from sametag.release import Revision
    from sametag.rollout import Image, ServiceState

_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Status:
    """What runs for a release.

    Attributes:
        revision: The newest one.
        services: Their pods.
        drift: What differs from the revision's manifest; each is what setting it right would do.
        refusal: Why the objects could not be held against the manifest, a missing right say; empty where they were.
    """

    revision: Revision
    services: tuple[ServiceState, ...]
    drift: tuple[diff.ObjectDiff, ...]
    refusal: str = ""

    @property
    def image(self) -> Image:
        """The one that every service shall run."""
        return image_of(self.revision)

    @property
    def pushed_over(self) -> set[str]:
        """The digests that the pods run under the tag, where they are not the one that was verified; else empty."""
        found = digests_of(self.services, self.image) - {""} if self.on_tag else set()
        verified = {self.revision.note.digest} if self.revision.verified else found
        return found if len(found) > 1 or found - verified else set()

    @property
    def as_released(self) -> bool:
        """Whether every pod is on the tag and runs the same image, and every object is as the release says."""
        return not self.drift and self.on_tag and not self.pushed_over

    @property
    def on_tag(self) -> bool:
        """Whether every pod of every service is."""
        return all(state.runs(self.image) for state in self.services)


async def status(target: Target, release: str) -> Status:
    """Return what runs for a release now.

    Raises:
        SametagError: There is no such release, or the cluster refused.
    """
    async with connect(target) as client:
        return await _status(client, release, await snapshot(client, release))


async def _status(client: AsyncClient, release: str, services: Sequence[ServiceState]) -> Status:
    history = await helm_release.revisions(client, release)
    newest = helm_release.current(history, release, str(client.namespace))
    # Whoever may only read, or has lost a CustomResourceDefinition, still sees the pods.
    try:
        situation = await diff.look(client, release, newest, server_side=newest.server_side)
        return Status(newest, tuple(services), await diff.drift(situation))
    except ApiError as error:
        if error.status.code != _FORBIDDEN:
            raise
        return Status(newest, tuple(services), (), error.status.message or "forbidden")
    except ClusterError as error:
        return Status(newest, tuple(services), (), error.message)


async def follow(target: Target, release: str, look: Callable[[Status], None]) -> None:
    """Call `look` with what runs now, and whenever it has changed, until cancelled.

    The release and its objects are read again when a workload was changed, not when only its pods are others.

    Raises:
        SametagError: There is no such release (any more), or the cluster refused.
    """
    states: asyncio.Queue[tuple[ServiceState, ...]] = asyncio.Queue()
    async with connect(target) as client:
        watching = asyncio.create_task(watch(client, release, lambda found: states.put_nowait(tuple(found))))
        watching.add_done_callback(lambda _: states.put_nowait(()))
        try:
            await _report_changes(client, release, states, watching, look)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def _report_changes(
    client: AsyncClient,
    release: str,
    states: asyncio.Queue[tuple[ServiceState, ...]],
    watching: asyncio.Task[None],
    look: Callable[[Status], None],
) -> None:
    last: Status | None = None
    while True:
        services = await states.get()
        if watching.done():
            await watching  # raises what the API server refused
        if last is None or [state.spec for state in services] != [state.spec for state in last.services]:
            last = await _status(client, release, services)
        elif services != last.services:
            last = replace(last, services=services)
        else:
            continue
        look(last)

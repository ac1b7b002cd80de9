"""Fields that others set, around an action of Helm: take them over, keep replicas, restore what Helm lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError

from sametag import drift
from sametag.chart.manifest import parse
from sametag.errors import ClusterError
from sametag.kube.retry import patiently

if TYPE_CHECKING:
    from sametag.deploy.session import Session
    from sametag.helm import Revision


async def read_objects(session: Session, revision: Revision | None) -> drift.Situation:
    """Read the objects of a revision."""
    return await drift.read_situation(
        session.client, session.release, revision, server_side=session.applies_server_side
    )


async def claim_fields(session: Session, to: Revision) -> None:
    """Make a rollback undo changes made by hand; a rollback that cannot is still better than none."""
    try:
        situation = await patiently(lambda: read_objects(session, session.newest))
        await take_over(session, situation, to)
        targets = parse(to.manifest, session.namespace)
        scaled = await drift.scaled_after(situation.api, situation.live, targets, situation.manifest)
        await drift.keep_replicas(situation.api, situation.live, targets, scaled)
    except (ApiError, ClusterError) as error:
        session.request.warn(f"changes made by hand may remain: {error}")


async def take_over(session: Session, situation: drift.Situation, then: Revision) -> None:
    """Make Helm the owner of the fields that others have changed."""
    await drift.take_over(situation, then)
    if situation.touched:
        await session.restart_watch()


async def restore_lost(session: Session, made: Revision) -> None:
    """Set what Helm's client-side apply has lost of a manifest that it reports as applied."""
    try:
        situation = await patiently(lambda: read_objects(session, made))
        for key in await drift.restore(situation):
            session.request.warn(f"Helm lost a part of {key}; it is set now")
    except (ApiError, httpx2.TransportError, ClusterError) as error:
        session.request.warn(f"cannot check that every object matches {made}: {error}")


async def missing(session: Session, made: Revision) -> list[str]:
    """Return the objects of a revision that are not in the cluster, for which Helm waits in vain; none if unknown."""
    try:
        situation = await read_objects(session, made)
    except (ApiError, httpx2.TransportError, ClusterError):
        return []
    return [str(key) for key in situation.manifest if key not in situation.live]


async def warn_of_drift(session: Session, newest: Revision) -> None:
    """Warn of objects that differ from the newest revision although Helm is done."""
    for diff in await drift.drift(await read_objects(session, newest)):
        settings = ", ".join(change.setting for change in diff.changes) or "it is missing"
        session.request.warn(f"{diff.key} differs from revision {newest.number}: {settings}")

"""Roll every service of a release back to an earlier tag."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sametag import chart as charts
from sametag import helm as helm_release
from sametag.deploy import fields, helm_run, preflight
from sametag.deploy.apply import apply, recover_upgrade, roll_back_after
from sametag.deploy.events import Failure
from sametag.deploy.helm_run import Way
from sametag.deploy.interruption import interruption
from sametag.deploy.leftovers import leftovers_of
from sametag.deploy.session import begin
from sametag.deploy.stuck import StuckError
from sametag.errors import RolloutError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sametag.deploy.events import Outcome
    from sametag.deploy.request import Request
    from sametag.deploy.session import Session
    from sametag.helm import Revision


async def rollback(request: Request, *, to_tag: str | None = None, to_revision: int | None = None) -> Outcome | None:
    """Roll every service of a release back; `helm.rollback_target` chooses the revision.

    Returns:
        The outcome; None after a dry run.

    Raises:
        UsageError: There is no such revision or tag, or another chart made it.
        RolloutError: A service did not become ready.
        SametagError: The release does not exist, or the cluster or Helm refused; nothing was changed.
    """
    # A rollback has to work, whoever changed what.
    request = replace(request, options=replace(request.options, take_over=True))
    async with begin(request) as session, interruption(session) as stopped:
        helm_release.current(session.history, request.release, session.namespace)
        if to_tag is not None and helm_release.was_pruned(session.history, to_tag):
            return await _redeploy(session, to_tag)
        try:
            to = helm_release.rollback_target(session.history, to_tag=to_tag, to_revision=to_revision)
        except UsageError:
            preflight.refuse_foreign(session, session.history[-1])  # says more
            raise
        preflight.refuse_foreign(session, to)
        doubt = "" if to.verified else f"; it is {to.status}, and was not verified"
        request.say(f"rolling back to {to.tag} (revision {to.number}{doubt})")
        stopped.back = to
        preflight.warn_before_rollback(session, to)
        preview = await preflight.of_rollback(session, to)
        if request.options.dry_run:
            request.report(await preflight.plan(session, preview))
        await preflight.check(session, preview)
        if request.options.dry_run:
            return None
        await leftovers_of(session).end_failed()
        start = _newer_good(session.history, to)
        try:
            outcome = await helm_run.roll_back(session, to, Way.BACK)
        except StuckError as stuck:
            request.report(Failure(stuck.evidence))
            raise await _return(session, stuck, start, to) from stuck
        await fields.warn_of_drift(session, outcome.revision)
        return outcome


def _newer_good(history: Sequence[Revision], to: Revision) -> Revision | None:
    """Return the last good revision, if it is newer than the one that a rollback goes to."""
    good = helm_release.last_good(history)
    return good if good and good.number > to.number else None


async def _return(session: Session, stuck: StuckError, start: Revision | None, to: Revision) -> RolloutError:
    """Return to the good revision where a failed rollback started, and return the error that says so."""
    release = session.release
    message = f"rollback of {release} to {to.tag or to.digest} failed: {stuck.reason}"
    await leftovers_of(session).end_failed(stuck.evidence)
    if start is None:
        return RolloutError(
            message, f"sametag status {release} shows what runs; sametag history {release} lists the revisions to try"
        )
    session.request.say(f"returning to {start.tag or start.digest} (revision {start.number})")
    return await roll_back_after(session, message, start)


async def _redeploy(session: Session, tag: str) -> Outcome | None:
    """Deploy a tag whose revisions are no longer in the history, with the current chart and values."""
    current = helm_release.last_good(session.history) or session.history[-1]
    session.request.say(
        f"the history has no revision with tag {tag} any more: deploying {tag} with the values of {current}"
    )
    preflight.warn_of_crossed(session, 0)  # every revision in the history is newer
    image = {key: value for key, value in (current.values.get("image") or {}).items() if key != "digest"}
    values = {**current.values, "image": {**image, "tag": tag}}
    with tempfile.TemporaryDirectory(prefix="sametag-") as folder:
        helm_release.write_chart(current, Path(folder))
        return await apply(session, charts.load(folder), values, recover_upgrade, goes_back=True)

"""What install and upgrade share: check a change, apply it, and recover if it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag import helm as helm_release
from sametag.deploy import helm_run, preflight
from sametag.deploy.events import Failure
from sametag.deploy.leftovers import leftovers_of
from sametag.deploy.stuck import StuckError
from sametag.errors import RolloutError, SametagError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sametag.chart import Chart
    from sametag.deploy.events import Outcome
    from sametag.deploy.session import Session
    from sametag.helm import Revision

    Recover = Callable[[Session, StuckError, Revision | None], Awaitable[RolloutError]]


async def apply(
    session: Session, chart: Chart, user: dict[str, Any], recover: Recover, *, goes_back: bool = False
) -> Outcome | None:
    """Apply values; if the rollout fails, recover and raise.

    Args:
        session: The session.
        chart: The chart.
        user: The user's values, complete.
        recover: Undoes a failed rollout, given the last good revision, and returns the error to raise.
        goes_back: Whether this deploys an older tag, because its revisions are no longer in the history.

    Returns:
        The outcome; None after a dry run.

    Raises:
        RolloutError: A service did not become ready.
        SametagError: The cluster or Helm refused; nothing was changed.
    """
    preview = await preflight.of_upgrade(session, chart, user)
    dry_run = session.request.options.dry_run
    if dry_run:
        session.request.report(await preflight.plan(session, preview))
    await preflight.check(session, preview)
    if dry_run:
        return None
    await leftovers_of(session).end_failed()
    await _clear_failed(session)
    good = helm_release.last_good(session.history)
    await preflight.keep_replicas(preview)
    try:
        return await helm_run.upgrade(session, chart, user, preview.expected, goes_back=goes_back)
    except StuckError as stuck:
        session.request.report(Failure(stuck.evidence))
        raise await recover(session, stuck, good) from stuck


async def _clear_failed(session: Session) -> None:
    """Roll back first if the newest revision failed, was left in place, and Helm would not clear it away.

    Helm's client-side apply compares with the newest deployed revision: what a failed one has added since, such as a
    probe, would stay in the objects forever. A rollback compares with the failed one.
    """
    good = helm_release.last_good(session.history)
    if good is None or session.history[-1].status != "failed" or session.applies_server_side:
        return
    session.request.say(f"rolling back to {good} first, so that nothing of the failed revision is kept")
    try:
        await helm_run.roll_back(session, good)
    except StuckError as stuck:
        session.request.report(Failure(stuck.evidence))
        message = f"the rollback to {good} before the upgrade failed: {stuck.reason}"
        raise RolloutError(message, f"sametag status {session.release}") from stuck


async def recover_upgrade(session: Session, stuck: StuckError, good: Revision | None) -> RolloutError:
    """Roll a failed upgrade back, and return the error that says so."""
    release = session.release
    message = f"upgrade of {release} failed: {stuck.reason}"
    leftovers = leftovers_of(session)
    if good is None:
        await leftovers.end_failed(stuck.evidence)
        return RolloutError(message, "no revision was ever deployed, so there is nothing to roll back to")
    if session.request.options.keep_failed:
        await leftovers.warn_of_failed()
        return RolloutError(
            message, f"it was kept for debugging; sametag rollback {release} goes back to {good.tag or good.digest}"
        )
    await leftovers.end_failed(stuck.evidence)
    session.request.say(f"rolling back to {good.tag} (revision {good.number})")
    preflight.warn_of_crossed(session, good.number)
    return await roll_back_after(session, message, good)


async def roll_back_after(session: Session, message: str, to: Revision) -> RolloutError:
    """Roll back to a revision after a failure, and return the error with the result.

    Args:
        session: The session.
        message: What failed.
        to: The revision to go back to.
    """
    target = to.tag or to.digest
    try:
        await helm_run.roll_back(session, to)
    except StuckError as again:
        session.request.report(Failure(again.evidence))
        reason = again.reason
    except RolloutError:
        raise
    except SametagError as refused:
        reason = refused.message
    else:
        return RolloutError(message, f"every service is back on {target}")
    astray = await helm_run.astray(session, to)
    missing = f"; not back yet: {', '.join(astray)}" if astray else ""
    return RolloutError(
        f"{message}; the rollback to {target} failed too: {reason}{missing}",
        f"fix the cause, then: sametag rollback {session.release} -n {session.namespace} --to-revision {to.number}",
    )

"""Install a release for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.deploy.apply import apply
from sametag.deploy.events import Progress
from sametag.deploy.interruption import interruption
from sametag.deploy.leftovers import leftovers_of
from sametag.deploy.next_values import next_values, refuse_invalid
from sametag.deploy.session import begin
from sametag.deploy.uninstall import remove
from sametag.errors import RolloutError, UsageError

if TYPE_CHECKING:
    from sametag.chart import Chart
    from sametag.deploy.events import Outcome
    from sametag.deploy.request import Request
    from sametag.deploy.session import Session
    from sametag.deploy.stuck import StuckError
    from sametag.helm import Revision
    from sametag.values import Sources


async def install(request: Request, chart: Chart, sources: Sources) -> Outcome | None:
    """Install a release for the first time.

    Afterwards every pod of every service is ready on the release's image. If that fails, the release is removed again
    (unless `options.keep_failed`), so that the next install starts clean.

    Returns:
        The outcome; None after a dry run.

    Raises:
        ValuesError: The values are invalid.
        UsageError: The release exists.
        RolloutError: A service did not become ready.
        SametagError: The cluster or Helm refused; nothing was changed.
    """
    values = refuse_invalid(request, chart, next_values(chart, sources, None))
    async with begin(request) as session, interruption(session):
        if any(revision.was_deployed for revision in session.history) and not session.gone:
            raise UsageError(f"release {request.release} exists", "use sametag upgrade to change it")
        return await apply(session, chart, values, remove_failed)


async def remove_failed(session: Session, stuck: StuckError, _: Revision | None) -> RolloutError:
    """Remove a failed first install, and return the error that says so."""
    release = session.release
    message = f"install of {release} failed: {stuck.reason}"
    if session.request.options.keep_failed:
        await leftovers_of(session).warn_of_failed()
        return RolloutError(message, f"it was kept for debugging; sametag uninstall {release} removes it")
    session.request.say(f"removing {release} again")
    await leftovers_of(session).end_failed(stuck.evidence)
    keep_history = any(revision.status == "uninstalled" for revision in session.history)
    await remove(session, keep_history=keep_history)
    leftovers = leftovers_of(session)
    await leftovers.remove_hooks()
    session.request.report(Progress((), session.before, session.seconds))
    kept = await leftovers.say_kept()
    left = "what was kept is listed above" if kept else "nothing of it is left in the cluster"
    return RolloutError(message, f"{left}; --keep-failed keeps it for debugging")

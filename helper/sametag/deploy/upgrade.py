"""Move every service of a release to a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag import helm as helm_release
from sametag.deploy import preflight
from sametag.deploy.apply import apply, recover_upgrade
from sametag.deploy.install import remove_failed
from sametag.deploy.interruption import interruption
from sametag.deploy.next_values import next_values, refuse_invalid
from sametag.deploy.session import begin
from sametag.errors import HelmError

if TYPE_CHECKING:
    from sametag.chart import Chart
    from sametag.deploy.events import Outcome
    from sametag.deploy.request import Request
    from sametag.values import Sources


async def upgrade(request: Request, chart: Chart, sources: Sources, *, install: bool = False) -> Outcome | None:
    """Upgrade a release.

    Afterwards every pod of every service is ready on the release's image. If that fails, every service is rolled back
    to the last good revision (unless `options.keep_failed`), and the error says why.

    Args:
        request: What to change, where and how.
        chart: The chart; its defaults are taken fresh.
        sources: The values to change; see `next_values`.
        install: Whether to install the release if it does not exist.

    Returns:
        The outcome; None after a dry run.

    Raises:
        ValuesError: The values are invalid.
        UsageError: Another chart made the release, and no values files are given.
        RolloutError: A service did not become ready.
        SametagError: The release does not exist, or the cluster or Helm refused; nothing was changed.
    """
    async with begin(request) as session, interruption(session):
        if install and session.gone:
            return await apply(
                session, chart, refuse_invalid(request, chart, next_values(chart, sources, None)), remove_failed
            )
        remedy = f"sametag upgrade {request.release} --install (-i) installs it; "
        newest = helm_release.current(session.history, request.release, session.namespace, remedy)
        if session.gone:
            raise HelmError(
                f"release {request.release} was uninstalled, and only its history is left",
                f"--install installs it again; sametag rollback {request.release} --to-revision N brings it back",
            )
        if not sources.files:  # the values of the release are kept
            preflight.refuse_foreign(session, *session.history)
        values = refuse_invalid(request, chart, next_values(chart, sources, newest))
        return await apply(session, chart, values, recover_upgrade)

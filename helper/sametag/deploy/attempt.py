"""The revision that one action of Helm makes: told apart from the work of others, and described in Helm's history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError

from sametag import helm as helm_release
from sametag.errors import RolloutError, SametagError
from sametag.helm import Note, note
from sametag.kube.retry import patiently

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sametag.deploy.session import Session
    from sametag.helm import Revision

# How Helm calls an action that failed, by the first word of the description before; any other is an upgrade.
# This is as in failRelease, install.go and rollback.go of helm.sh/helm/v4/pkg/action.
_VERBS = {"Rollback": "Rollback", "Release": "Release", "Install": "Release", "Initial": "Release"}


@dataclass(slots=True)
class Attempt:
    """One action of Helm. Helm's own guard, a pending revision, does not stop a concurrent `helm rollback`.

    Attributes:
        session: The session; its history is refreshed.
        before: The history before Helm began.
        makes: Whether the action may have made a revision, judged by the tag or the manifest.
        goes_back: Whether an upgrade deploys an older tag, because its revisions are no longer in the history.
        number: The number of the revision, if Helm has printed it; `helm rollback` does not.
    """

    session: Session
    before: Sequence[Revision]
    makes: Callable[[Revision], bool]
    goes_back: bool = False
    number: int | None = None

    async def refresh_history(self) -> None:
        """Read what Helm has added to the history."""
        session = self.session
        session.history = await patiently(lambda: helm_release.renewed(session.client, session.release, self.before))
        session.mark_lock()

    def revision(self) -> Revision | None:
        """Return the revision that this action has made; None if Helm has recorded none."""
        for revision in self._added():
            if revision.number == self.number or (self.number is None and self.makes(revision)):
                return revision
        return None

    def _added(self) -> list[Revision]:
        newest = self.before[-1].number if self.before else 0
        return [revision for revision in self.session.history if revision.number > newest]

    def refuse_others(self) -> Revision:
        """Return the revision that this action has made, if it is the newest.

        Raises:
            RolloutError: Another Helm client has made a newer one, or has removed the release.
        """
        made, added = self.revision(), self._added()
        newest = added[-1] if added else None
        if made and newest and made.number == newest.number:
            return made
        if newest is None:
            raise RolloutError("another Helm client removed the release while it was being deployed")
        raise RolloutError(
            f"another Helm client changed {newest.release} in the meantime: the newest revision is {newest}, "
            f"{newest.status} ({newest.description}){f', not {made}' if made else ''}; it is left as it is",
            f"sametag status {newest.release} shows what runs now; try again when the other client is done",
        )

    async def record(self, digest: str, job_digest: str, failure: str) -> None:
        """Describe the revision in Helm's history, then prune the history to its length.

        A revision that a killed Helm left pending is marked as failed, and so is one whose rollout failed after Helm
        had called it deployed: Helm 3 does not wait for minReadySeconds. Helm itself would prune the oldest revision,
        verified or not.

        Args:
            digest: The digest that every pod was seen to run; empty if the revision is not verified.
            job_digest: The digest that the Jobs were seen to run: a migration that succeeded is recorded even if the
                rollout failed later.
            failure: Why the rollout failed; empty if it did not, or if another client took the release over.
        """
        session = self.session
        if session.lock and session.lock.lost:
            return
        try:
            revision = self.revision()
            if revision is None:
                await self.refresh_history()
                revision = self.revision()
            if revision is None:
                return  # Helm recorded nothing
            made, index = revision, session.history.index(revision)
            session.history[index] = await patiently(
                lambda: self._described(made, digest or job_digest, failure, verified=bool(digest))
            )
            for expendable in helm_release.to_prune(session.history, session.request.options.history_max):
                await helm_release.remove(session.client, expendable)
                session.history.remove(expendable)
        except (ApiError, httpx2.TransportError, SametagError) as error:
            session.request.warn(f"cannot record the result in Helm's history: {error}")

    async def _described(self, made: Revision, digest: str, failure: str, *, verified: bool) -> Revision:
        described = Note(
            self._words(made, failure),
            when=datetime.now(UTC),
            verified=verified,
            tag=made.tag,
            digest=digest,
            who=helm_release.author(),
            why=self.session.request.options.description,
        )
        status = "failed" if made.pending or failure else None
        return await helm_release.describe(self.session.client, made, note.text(described), status=status)

    def _words(self, made: Revision, failure: str) -> str:
        words = made.note.words
        if failure:
            # Helm knows only that its context ended. It may also have recorded a success before the failure.
            verb = _VERBS.get(words.partition(" ")[0], "Upgrade")
            return f'{verb} "{made.release}" failed: {" ".join(failure.split())}'
        if made.pending:
            return f"{note.LEFT}{made.status} by a Helm process that was killed"
        if self.goes_back and made.was_deployed and made.rolled_back_to is None:
            return f"{note.BACK}{words}"
        return words

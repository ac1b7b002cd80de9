"""Which of a release's revisions an action of Helm has made, and which are others' work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sametag.errors import RolloutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sametag.helm import Revision


@dataclass(slots=True)
class Attempt:
    """One action of Helm. Its own guard against others, a pending revision, does not stop `helm rollback`.

    Attributes:
        before: The history before Helm began.
        makes: Whether the action may have made a revision: it has the tag, or the manifest, that was asked for.
        number: The number of its revision, once Helm has told it; a rollback does not.
    """

    before: Sequence[Revision]
    makes: Callable[[Revision], bool]
    number: int | None = None

    def _added(self, history: Sequence[Revision]) -> list[Revision]:
        newest = self.before[-1].number if self.before else 0
        return [revision for revision in history if revision.number > newest]

    def revision(self, history: Sequence[Revision]) -> Revision | None:
        """Return the revision that this action has made; None where it has recorded none."""
        for revision in self._added(history):
            if revision.number == self.number or (self.number is None and self.makes(revision)):
                return revision
        return None

    def refuse_others(self, history: Sequence[Revision]) -> Revision:
        """Return the revision that this action has made, and that is the newest.

        Raises:
            RolloutError: Another Helm has made a newer one, or has removed the release.
        """
        made, added = self.revision(history), self._added(history)
        newest = added[-1] if added else None
        if made and newest and made.number == newest.number:
            return made
        if newest is None:
            raise RolloutError("the release was removed by another Helm while it was being deployed")
        name = newest.release
        asked = f"{made}" if made else "what was asked for"
        raise RolloutError(
            f"another Helm changed {name} meanwhile: the newest is {newest}, {newest.status} "
            f"({newest.description}), and not {asked}; nothing of it was undone",
            f"sametag status {name} shows what runs now; when the other is done, try again",
        )

"""What history says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sametag.output.summary import running
from sametag.output.table import table
from sametag.output.words import DIGEST_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.deploy import Unlocked
    from sametag.release import Revision


def history_table(history: Sequence[Revision]) -> Iterator[str]:
    """Yield one line a revision, oldest first; what runs now is the last one that is deployed."""
    head = ("REVISION", "TAG", "DIGEST", "CHART", "STATUS", "VERIFIED", "WHEN", "WHO", "DESCRIPTION")
    rows = [
        (
            str(revision.number),
            revision.tag or "-",
            (revision.digest or revision.note.digest)[:DIGEST_LENGTH] or "-",
            revision.chart,
            revision.status,
            "yes" if revision.verified else "no",
            f"{revision.updated.astimezone():%Y-%m-%d %H:%M:%S}",
            revision.note.who or "-",
            " ".join(f"{revision.note.words}{': ' if revision.note.why else ''}{revision.note.why}".split()),
        )
        for revision in history
    ]
    return table(head, rows)


def history_json(history: Sequence[Revision]) -> str:
    """Return the revisions as JSON: {"version": 1, "revisions": […]}, times in RFC 3339."""
    revisions = [
        {
            "revision": revision.number,
            "tag": revision.tag,
            "digest": revision.digest or revision.note.digest,
            "chart": revision.chart,
            "status": revision.status,
            "verified": revision.verified,
            "updated": revision.updated.isoformat(),
            "who": revision.note.who,
            "why": revision.note.why,
            "description": revision.note.words,
        }
        for revision in history
    ]
    return json.dumps({"version": 1, "revisions": revisions}, indent=2)


def unlocked_lines(found: Unlocked) -> Iterator[str]:
    """Yield what an unlock did, what runs now, and what to do next."""
    revision, name = found.revision, found.revision.release
    if found.was == revision.status:
        yield f"{name} is not stuck: {revision} is {revision.status}"
    else:
        yield f"unlocked {name}: {revision} was {found.was}, and is marked as {revision.status}"
    yield "what runs now:"
    yield from running(found.services)
    if revision.status != "failed":
        return
    if found.good:
        back = f"sametag rollback {name} --to-revision {found.good.number}"
        yield f"next: {back} brings every service to {found.good.tag}"
    else:
        yield f"next: sametag upgrade {name} deploys it again, sametag uninstall {name} removes it"

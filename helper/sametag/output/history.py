"""What `history`, `rollback --select` and `unlock` print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sametag.drift import crossed
from sametag.masking import masked
from sametag.output.plain import table
from sametag.output.progress.summary import running
from sametag.output.wording import DIGEST_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sametag.deploy import Unlocked
    from sametag.helm import Damaged, Revision

# The status of a record that cannot be read; not one of Helm's.
_DAMAGED = "damaged"


# On a narrow terminal: the columns that are left out, in this order, and how far others are shortened.
_DROPPED = (3, 2, 7)
_LEAST = {1: 8, 8: 12}


def history_table(
    history: Sequence[Revision], damaged: Sequence[Damaged] = (), width: int | None = None
) -> Iterator[str]:
    """Yield one line for each record, oldest first; the last deployed revision is what runs now.

    Args:
        history: The revisions.
        damaged: The records that cannot be read.
        width: The columns of the terminal; None for lines as long as they need to be.
    """
    head = ("REVISION", "TAG", "DIGEST", "CHART", "STATUS", "VERIFIED", "WHEN", "WHO", "DESCRIPTION")
    rows = [
        (
            str(revision.number),
            revision.tag or "-",
            (revision.digest or revision.note.digest)[:DIGEST_LENGTH] or "-",
            revision.chart,
            revision.status,
            "yes" if revision.verified else "no",
            _local(revision.updated),
            revision.note.who or "-",
            masked(" ".join(f"{revision.note.words}{': ' if revision.note.why else ''}{revision.note.why}".split())),
        )
        for revision in history
    ]
    rows += [
        (str(record.number or "-"), "-", "-", "-", _DAMAGED, "no", _local(record.created), "-", str(record))
        for record in damaged
    ]
    rows.sort(key=lambda row: int(row[0]) if row[0] != "-" else 0)
    return table(head, rows, width=width, drop=_DROPPED, least=_LEAST)


def _local(time: datetime | None) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}" if time else "-"


def choices_table(history: Sequence[Revision], choices: Sequence[Revision]) -> Iterator[str]:
    """Yield a numbered line for each revision that a rollback can go to, with the migrations that it does not undo."""
    rows = [
        (
            str(number),
            revision.tag or revision.digest[:DIGEST_LENGTH] or "-",
            str(revision.number),
            _local(revision.updated),
            revision.note.who or "-",
            "yes" if revision.verified else "no",
            ", ".join(hook.partition(" (")[0] for hook in crossed(history, revision.number)) or "-",
        )
        for number, revision in enumerate(choices, 1)
    ]
    return table(("", "TAG", "REVISION", "WHEN", "WHO", "VERIFIED", "MIGRATIONS CROSSED"), rows)


def history_json(history: Sequence[Revision], damaged: Sequence[Damaged] = ()) -> str:
    """Return the revisions as JSON: {"version": 1, "revisions": […]}, times in RFC 3339."""
    revisions: list[dict[str, Any]] = [
        {
            "revision": revision.number,
            "tag": revision.tag,
            "digest": revision.digest or revision.note.digest,
            "chart": revision.chart,
            "status": revision.status,
            "verified": revision.verified,
            "updated": revision.updated.isoformat(),
            "who": revision.note.who,
            "why": masked(revision.note.why),
            "description": masked(revision.note.words),
        }
        for revision in history
    ]
    revisions += [
        {
            "revision": record.number,
            "tag": "",
            "digest": "",
            "chart": "",
            "status": _DAMAGED,
            "verified": False,
            "updated": record.created and record.created.isoformat(),
            "who": "",
            "why": "",
            "description": str(record),
        }
        for record in damaged
    ]
    revisions.sort(key=lambda row: row["revision"] or 0)
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

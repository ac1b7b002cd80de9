"""The revisions of a release (`storage`), and Helm, which changes them (`helm`; pyhelm3 is slow to import)."""

from sametag.release.hook import Hook
from sametag.release.note import Note, author
from sametag.release.recorded import write_chart
from sametag.release.revision import Revision
from sametag.release.storage import (
    Damaged,
    Records,
    describe,
    records,
    remove,
    renewed,
    revisions,
    set_aside,
    stored_as,
)
from sametag.release.target import choices, current, expendable, forgotten, last_good, rollback_target

__all__ = [
    "Damaged",
    "Hook",
    "Note",
    "Records",
    "Revision",
    "author",
    "choices",
    "current",
    "describe",
    "expendable",
    "forgotten",
    "last_good",
    "records",
    "remove",
    "renewed",
    "revisions",
    "rollback_target",
    "set_aside",
    "stored_as",
    "write_chart",
]

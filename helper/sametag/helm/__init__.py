"""The revisions of a release (`storage`), and Helm, which changes them (`helm`; pyhelm3 is slow to import)."""

from sametag.helm.chart_export import write_chart
from sametag.helm.history import choices, current, expendable, forgotten, last_good, rollback_target
from sametag.helm.hook import Hook
from sametag.helm.note import Note, author
from sametag.helm.records import Damaged, Records, describe, records, remove, renewed, revisions, set_aside, stored_as
from sametag.helm.revision import Revision

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

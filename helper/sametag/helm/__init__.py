"""Run Helm (`command`), and read the revisions that it stores (`records`, `revision`, `history`)."""

from sametag.helm.history import choices, current, last_good, rollback_target, to_prune, was_pruned
from sametag.helm.note import Note, author
from sametag.helm.record import write_chart
from sametag.helm.records import Damaged, Records, describe, records, remove, renewed, revisions, set_aside, stored_as
from sametag.helm.revision import Hook, Revision

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
    "last_good",
    "records",
    "remove",
    "renewed",
    "revisions",
    "rollback_target",
    "set_aside",
    "stored_as",
    "to_prune",
    "was_pruned",
    "write_chart",
]

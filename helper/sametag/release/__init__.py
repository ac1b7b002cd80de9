"""The revisions of a release (`storage`), and Helm, which changes them (`helm`; pyhelm3 is slow to import)."""

from sametag.release.storage import Revision, current, last_deployed, refuse_pending, revisions, rollback_target

__all__ = [
    "Revision",
    "current",
    "last_deployed",
    "refuse_pending",
    "revisions",
    "rollback_target",
]

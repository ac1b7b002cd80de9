"""Releases and their revisions, and Helm, which changes them."""

from sametag.release.helm import HelmCommand
from sametag.release.storage import Revision, current, last_deployed, refuse_pending, revisions, rollback_target

__all__ = [
    "HelmCommand",
    "Revision",
    "current",
    "last_deployed",
    "refuse_pending",
    "revisions",
    "rollback_target",
]

"""What a change would do to the objects in the cluster, who changed them meanwhile, and who else deploys them."""

from sametag.diff.compare import ABSENT
from sametag.diff.drift import drift, restore
from sametag.diff.fields import Owner
from sametag.diff.hooks import EVENTS, crossed, hooks
from sametag.diff.owners import GitOps, gitops
from sametag.diff.plan import Change, ObjectDiff, Situation, changes, conflicts, look, take_over

__all__ = [
    "ABSENT",
    "EVENTS",
    "Change",
    "GitOps",
    "ObjectDiff",
    "Owner",
    "Situation",
    "changes",
    "conflicts",
    "crossed",
    "drift",
    "gitops",
    "hooks",
    "look",
    "restore",
    "take_over",
]

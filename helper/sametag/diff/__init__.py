"""What a change would do to the objects in the cluster, who changed them meanwhile, and who else deploys them."""

from sametag.diff.api import Refusal
from sametag.diff.compare import ABSENT
from sametag.diff.drift import drift, restore
from sametag.diff.fields import Owner
from sametag.diff.hooks import EVENTS, crossed, hooks
from sametag.diff.owners import GitOps, gitops
from sametag.diff.plan import Change, ObjectDiff, Situation, changes, conflicts, look, take_over
from sametag.diff.rehearsal import Rehearsal, rehearse
from sametag.diff.scaling import keep_replicas, scaled_after

__all__ = [
    "ABSENT",
    "EVENTS",
    "Change",
    "GitOps",
    "ObjectDiff",
    "Owner",
    "Refusal",
    "Rehearsal",
    "Situation",
    "changes",
    "conflicts",
    "crossed",
    "drift",
    "gitops",
    "hooks",
    "keep_replicas",
    "look",
    "rehearse",
    "restore",
    "scaled_after",
    "take_over",
]

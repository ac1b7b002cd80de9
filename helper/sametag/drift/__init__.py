"""What a change would do to the objects in the cluster, who changed them meanwhile, and who else deploys them."""

from sametag.drift.changes import Change, ObjectDiff, Situation, changes, conflicts, look, take_over
from sametag.drift.compare import ABSENT
from sametag.drift.drift import drift, restore
from sametag.drift.gitops import GitOps, gitops
from sametag.drift.hooks import EVENTS, crossed, hooks
from sametag.drift.managed_fields import Owner
from sametag.drift.rehearsal import Rehearsal, rehearse
from sametag.drift.scaling import keep_replicas, scaled_after
from sametag.kube.api import Refusal

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

"""What a change would do to the objects in the cluster, who changed them meanwhile, and who else deploys them.

Situation (the objects as they are) -> DryRun (as the change would leave them) -> ObjectDiff -> Change (one setting).
"""

from sametag.drift.changes import EVENTS, Change, ObjectDiff, changes, conflicts, crossed, hooks, take_over
from sametag.drift.compare import ABSENT
from sametag.drift.drift import drift, restore
from sametag.drift.dry_run import DryRun, Situation, dry_run, read_situation
from sametag.drift.owners import GitOps, Owner, gitops
from sametag.drift.scaling import keep_replicas, scaled_after
from sametag.kube.api import Refusal

__all__ = [
    "ABSENT",
    "EVENTS",
    "Change",
    "DryRun",
    "GitOps",
    "ObjectDiff",
    "Owner",
    "Refusal",
    "Situation",
    "changes",
    "conflicts",
    "crossed",
    "drift",
    "dry_run",
    "gitops",
    "hooks",
    "keep_replicas",
    "read_situation",
    "restore",
    "scaled_after",
    "take_over",
]

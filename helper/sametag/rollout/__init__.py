"""What runs, and why it does not.

Members (the workloads of a manifest) -> Objects (as a watch keeps them) -> ServiceState, with its Troubles -> Evidence.
"""

from sametag.rollout.evidence import Evidence, evidence
from sametag.rollout.images import same_image, split
from sametag.rollout.members import Member, Members, members
from sametag.rollout.state import (
    DONE,
    FAILED,
    NOT_RUN,
    RUNNING,
    WAITING,
    PodState,
    Run,
    Schedule,
    ServiceState,
    digests_of,
)
from sametag.rollout.trouble import AWAITED, DEADLINE, GRACE, HOPELESS, Patience, Trouble
from sametag.rollout.watch import snapshot, watch

__all__ = [
    "AWAITED",
    "DEADLINE",
    "DONE",
    "FAILED",
    "GRACE",
    "HOPELESS",
    "NOT_RUN",
    "RUNNING",
    "WAITING",
    "Evidence",
    "Member",
    "Members",
    "Patience",
    "PodState",
    "Run",
    "Schedule",
    "ServiceState",
    "Trouble",
    "digests_of",
    "evidence",
    "members",
    "same_image",
    "snapshot",
    "split",
    "watch",
]

"""Watch the workloads of a release, and say why a pod is stuck."""

from sametag.rollout.evidence import Evidence, evidence
from sametag.rollout.state import Image, PodState, ServiceState, digests_of, pod_runs, split
from sametag.rollout.trouble import GRACE, Patience, Trouble
from sametag.rollout.watch import snapshot, watch

__all__ = [
    "GRACE",
    "Evidence",
    "Image",
    "Patience",
    "PodState",
    "ServiceState",
    "Trouble",
    "digests_of",
    "evidence",
    "pod_runs",
    "snapshot",
    "split",
    "watch",
]

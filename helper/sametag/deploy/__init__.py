"""The verbs: install, upgrade, roll back, uninstall and unlock a release, and follow its status.

Every verb that changes a release begins a `Session` (lock, history, Helm). `preflight` checks a change before anything
changes; `HelmRun` runs Helm next to a `Watch` of the pods, whose states the `Monitor` judges, so that what cannot
recover is named within seconds and not after Helm's timeout. A failed rollout ends with every service back where it
was.
"""

from sametag.deploy.events import Event, Failure, Outcome, Plan, Problems, Progress, Start, Step, Troubled
from sametag.deploy.install import install
from sametag.deploy.request import Options, Request
from sametag.deploy.rollback import rollback
from sametag.deploy.status import Status, follow, status
from sametag.deploy.uninstall import uninstall
from sametag.deploy.unlock import UNLOCK_WAIT, Unlocked, unlock
from sametag.deploy.upgrade import upgrade

__all__ = [
    "UNLOCK_WAIT",
    "Event",
    "Failure",
    "Options",
    "Outcome",
    "Plan",
    "Problems",
    "Progress",
    "Request",
    "Start",
    "Status",
    "Step",
    "Troubled",
    "Unlocked",
    "follow",
    "install",
    "rollback",
    "status",
    "uninstall",
    "unlock",
    "upgrade",
]

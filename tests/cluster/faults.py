"""What can be wrong with the pods of an upgrade, and what must be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gifinator import MISSING, NEW
from small_app import HEALTHY, healthy, shell

_PROBED = {"ports": {"http": {"containerPort": 8080}}, "probes": {"port": "http"}, "preStopDelaySeconds": 0}
_BIG = {"requests": {"memory": "16Mi"}, "limits": {"memory": "16Mi"}}
_HOOK: dict[str, Any] = {"hook": {"on": ["pre-upgrade"]}}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to the services of an upgrade, and what must be said of each that fails.

    Attributes:
        changes: The values that differ from those of the healthy application.
        reasons: By service, why it fails.
        log: A line that the failed container wrote.
        tag: What it is upgraded to.
    """

    changes: dict[str, Any]
    reasons: dict[str, str]
    log: str = ""
    tag: str = NEW


FAULTS = {
    "no-such-tag": Fault({}, {"web": "ImageNotFound", "worker": "ImageNotFound"}, tag=MISSING),
    "no-such-command": Fault({"services": {"web": {"command": ["/wep"]}}}, {"web": "StartError"}),
    "crash-and-oom": Fault(
        {
            "services": {
                "web": shell("echo the port is taken; exit 3"),
                "worker": shell("echo loading; tail /dev/zero", resources=_BIG),
            }
        },
        {"web": "CrashLoopBackOff", "worker": "CrashLoopBackOff"},
        log="the port is taken",
    ),
    "late-crash": Fault(
        {"services": {"web": shell("echo up; sleep 5; echo lost the database; exit 4")}},
        {"web": "CrashLoopBackOff"},
        log="lost the database",
    ),
    "never-ready": Fault(
        {"services": {"web": shell(f"echo no port; {HEALTHY}", progressDeadlineSeconds=15, **_PROBED)}},
        {"web": "ProgressDeadlineExceeded"},
        log="no port",
    ),
    # The two with the longest grace are one release, so that it passes once.
    "registry-down-and-no-node": Fault(
        {
            "image": {"repository": "localhost:1/gifinator"},
            "services": {"worker": healthy(nodeSelector={"disk": "none"})},
        },
        {"web": "ErrImagePull", "worker": "Unschedulable"},
    ),
    # No pod ends, so that it does not heal before the deadline.
    "quota": Fault(
        {"services": {name: healthy(progressDeadlineSeconds=6) for name in ("web", "worker")}},
        {"web": "QuotaExceeded", "worker": "QuotaExceeded"},
    ),
    "hook-fails": Fault(
        {"services": {"migrate": shell("echo no such table; exit 7", job={"backoffLimit": 0}, **_HOOK)}},
        {"migrate": "JobFailed"},
        log="no such table",
    ),
    "hook-never-ends": Fault(
        {"services": {"migrate": shell(f"echo no lock; {HEALTHY}", job={"activeDeadlineSeconds": 10}, **_HOOK)}},
        {"migrate": "JobFailed"},
        log="no lock",
    ),
}

#: Those whose end depends on how Helm applies, waits and runs hooks: they are tried on Helm 3 too.
HELMS_OWN = ("no-such-tag", "crash-and-oom", "never-ready", "hook-fails", "hook-never-ends")

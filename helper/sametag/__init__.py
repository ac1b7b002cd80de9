"""One image, many services, one tag: upgrade moves every service, rollback brings every service back.

What is here is the public API; the modules behind it may move. A name is imported when it is first used, since a
program that only validates values needs neither a Kubernetes client nor Helm.

    chart = sametag.load_chart(None)
    user = sametag.load_values(sametag.Sources(files=("values.yaml",), tag="0.0.6"))
    problems = sametag.validate(sametag.values_from_text(chart.defaults, "values.yaml"), user, chart.schema)
    request = sametag.Request(sametag.Target(namespace="app"), "app")
    outcome = asyncio.run(sametag.install(request, chart, user.tree))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sametag.chart import Chart
    from sametag.chart import load as load_chart
    from sametag.deploy import (
        Event,
        Failure,
        Options,
        Outcome,
        Plan,
        Progress,
        Request,
        Start,
        Step,
        Troubled,
    )
    from sametag.deploy.install import install
    from sametag.deploy.rollback import rollback
    from sametag.deploy.status import Status, follow, status
    from sametag.deploy.uninstall import uninstall
    from sametag.deploy.unlock import Unlocked, unlock
    from sametag.deploy.upgrade import upgrade
    from sametag.drift import Change, ObjectDiff, Owner
    from sametag.errors import (
        ClusterError,
        HelmError,
        InterruptedByUserError,
        LockedError,
        RolloutError,
        SametagError,
        UsageError,
        ValuesError,
    )
    from sametag.helm import Hook, Revision, revisions
    from sametag.kube.connection import Target, connect
    from sametag.rollout import ServiceState, Trouble
    from sametag.validation import validate
    from sametag.values import Location, Problem, Sources, Values
    from sametag.values import from_text as values_from_text
    from sametag.values import load as load_values

# Public name -> the module, and the name there.
_PUBLIC = {
    "Change": ("drift", "Change"),
    "Chart": ("chart", "Chart"),
    "ClusterError": ("errors", "ClusterError"),
    "Event": ("deploy", "Event"),
    "Failure": ("deploy", "Failure"),
    "HelmError": ("errors", "HelmError"),
    "Hook": ("helm", "Hook"),
    "InterruptedByUserError": ("errors", "InterruptedByUserError"),
    "Location": ("values", "Location"),
    "LockedError": ("errors", "LockedError"),
    "ObjectDiff": ("drift", "ObjectDiff"),
    "Options": ("deploy", "Options"),
    "Outcome": ("deploy", "Outcome"),
    "Owner": ("drift", "Owner"),
    "Plan": ("deploy", "Plan"),
    "Problem": ("values", "Problem"),
    "Progress": ("deploy", "Progress"),
    "Request": ("deploy", "Request"),
    "Revision": ("helm", "Revision"),
    "RolloutError": ("errors", "RolloutError"),
    "SametagError": ("errors", "SametagError"),
    "ServiceState": ("rollout", "ServiceState"),
    "Sources": ("values", "Sources"),
    "Start": ("deploy", "Start"),
    "Status": ("deploy", "Status"),
    "Step": ("deploy", "Step"),
    "Target": ("kube.connection", "Target"),
    "Trouble": ("rollout", "Trouble"),
    "Troubled": ("deploy", "Troubled"),
    "Unlocked": ("deploy", "Unlocked"),
    "UsageError": ("errors", "UsageError"),
    "Values": ("values", "Values"),
    "ValuesError": ("errors", "ValuesError"),
    "connect": ("kube.connection", "connect"),
    "follow": ("deploy", "follow"),
    "install": ("deploy", "install"),
    "load_chart": ("chart", "load"),
    "load_values": ("values", "load"),
    "revisions": ("helm", "revisions"),
    "rollback": ("deploy", "rollback"),
    "status": ("deploy", "status"),
    "uninstall": ("deploy", "uninstall"),
    "unlock": ("deploy", "unlock"),
    "upgrade": ("deploy", "upgrade"),
    "validate": ("validation", "validate"),
    "values_from_text": ("values", "from_text"),
}

__all__ = [
    "Change",
    "Chart",
    "ClusterError",
    "Event",
    "Failure",
    "HelmError",
    "Hook",
    "InterruptedByUserError",
    "Location",
    "LockedError",
    "ObjectDiff",
    "Options",
    "Outcome",
    "Owner",
    "Plan",
    "Problem",
    "Progress",
    "Request",
    "Revision",
    "RolloutError",
    "SametagError",
    "ServiceState",
    "Sources",
    "Start",
    "Status",
    "Step",
    "Target",
    "Trouble",
    "Troubled",
    "Unlocked",
    "UsageError",
    "Values",
    "ValuesError",
    "connect",
    "follow",
    "install",
    "load_chart",
    "load_values",
    "revisions",
    "rollback",
    "status",
    "uninstall",
    "unlock",
    "upgrade",
    "validate",
    "values_from_text",
]


def __getattr__(name: str) -> Any:
    try:
        module, there = _PUBLIC[name]
    except KeyError:
        raise AttributeError(f"module 'sametag' has no attribute {name!r}") from None
    return getattr(import_module(f"sametag.{module}"), there)

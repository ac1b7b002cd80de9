"""One image, many services, one tag: upgrade moves every service, rollback brings every service back.

    problems = sametag.validate("values.yaml")
    outcome = await sametag.upgrade("shop", tag="0.0.6", namespace="shop", on_event=print)
    outcome = sametag.sync.rollback("shop", namespace="shop")

The names here are the public API; the modules behind it may move. A name is imported when it is first used, because a
program that only validates values needs neither a Kubernetes client nor Helm.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sametag import sync as sync
    from sametag.api import CallOptions as CallOptions
    from sametag.api import ClusterOptions as ClusterOptions
    from sametag.api import history as history
    from sametag.api import install as install
    from sametag.api import load_chart as load_chart
    from sametag.api import rollback as rollback
    from sametag.api import status as status
    from sametag.api import uninstall as uninstall
    from sametag.api import unlock as unlock
    from sametag.api import upgrade as upgrade
    from sametag.api import validate as validate
    from sametag.chart import Chart as Chart
    from sametag.chart import Dependency as Dependency
    from sametag.deploy import Event as Event
    from sametag.deploy import Failure as Failure
    from sametag.deploy import Options as Options
    from sametag.deploy import Outcome as Outcome
    from sametag.deploy import Plan as Plan
    from sametag.deploy import Problems as Problems
    from sametag.deploy import Progress as Progress
    from sametag.deploy import Start as Start
    from sametag.deploy import Status as Status
    from sametag.deploy import Step as Step
    from sametag.deploy import Troubled as Troubled
    from sametag.deploy import Unlocked as Unlocked
    from sametag.deploy.lock import Holder as Holder
    from sametag.drift import ABSENT as ABSENT
    from sametag.drift import Change as Change
    from sametag.drift import GitOps as GitOps
    from sametag.drift import ObjectDiff as ObjectDiff
    from sametag.drift import Owner as Owner
    from sametag.errors import ClusterError as ClusterError
    from sametag.errors import HelmError as HelmError
    from sametag.errors import InterruptedByUserError as InterruptedByUserError
    from sametag.errors import LockedError as LockedError
    from sametag.errors import RolloutError as RolloutError
    from sametag.errors import SametagError as SametagError
    from sametag.errors import UsageError as UsageError
    from sametag.errors import ValuesError as ValuesError
    from sametag.helm import Hook as Hook
    from sametag.helm import Note as Note
    from sametag.helm import Revision as Revision
    from sametag.kube.objects import Key as Key
    from sametag.rollout import Evidence as Evidence
    from sametag.rollout import PodState as PodState
    from sametag.rollout import Run as Run
    from sametag.rollout import Schedule as Schedule
    from sametag.rollout import ServiceState as ServiceState
    from sametag.rollout import Trouble as Trouble
    from sametag.rollout.state import Blocking as Blocking
    from sametag.values import Location as Location
    from sametag.values import Problem as Problem
    from sametag.values import Sources as Sources

    __version__: str

# Module -> its public names. The imports above are the same table for type checkers; a test compares them.
_PUBLIC = {
    "api": "CallOptions ClusterOptions history install load_chart rollback status uninstall unlock upgrade validate",
    "chart": "Chart Dependency",
    "deploy": "Event Failure Options Outcome Plan Problems Progress Start Status Step Troubled Unlocked",
    "deploy.lock": "Holder",
    "drift": "ABSENT Change GitOps ObjectDiff Owner",
    "errors": "ClusterError HelmError InterruptedByUserError LockedError "
    "RolloutError SametagError UsageError ValuesError",
    "helm": "Hook Note Revision",
    "kube.objects": "Key",
    "rollout": "Evidence PodState Run Schedule ServiceState Trouble",
    "rollout.state": "Blocking",
    "values": "Location Problem Sources",
}

_MODULES = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = sorted(["sync", *_MODULES])  # noqa: PLE0605 - one table


def __getattr__(name: str) -> Any:
    if name == "sync":
        return import_module("sametag.sync")
    if name == "__version__":
        return import_module("sametag.chart").load(None).version
    if name not in _MODULES:
        raise AttributeError(f"module 'sametag' has no attribute {name!r}")
    return getattr(import_module(f"sametag.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

"""Effects of a change that few expect: failing requests, pods without a node, rollouts longer than their timeout.

Each follows from the objects before and after the change; the remedy is a setting or a flag.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from sametag.chart.labels import service_of
from sametag.kube.objects import template_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sametag.drift import DryRun
    from sametag.kube.objects import Key, Object

_RUNNING = ("Deployment", "StatefulSet", "DaemonSet")

# Kubernetes' default, in seconds.
_GRACE = 30


def has_host_ports(rehearsal: DryRun) -> bool:
    """Whether the number of nodes matters."""
    return any(_host_ports(item) for key, item in rehearsal.after.items() if key.kind == "Deployment")


def foreseen(rehearsal: DryRun, timeout: float, nodes: Iterable[Object]) -> Iterator[str]:
    """Yield the unexpected effects of a change, one line each.

    Args:
        rehearsal: The dry run of the change.
        timeout: Helm's timeout, in seconds.
        nodes: The nodes of the cluster; none if the user may not list them.
    """
    changing = {
        key: (rehearsal.live[key], item)
        for key, item in rehearsal.after.items()
        if key.kind in _RUNNING and key in rehearsal.live and template_of(rehearsal.live[key]) != template_of(item)
    }
    for key, item in rehearsal.after.items():
        if key.kind == "Service" and key in rehearsal.live:
            yield from _moved_ports(key, rehearsal.live[key], item, changing)
    nodes = list(nodes)
    for key, (live, item) in changing.items():
        yield from _without_a_node(key, item, nodes)
        yield from _longer_than(timeout, key, live, item)


def _name(key: Key, item: Object) -> str:
    return service_of(item) or str(key)


def _moved_ports(
    key: Key, live: Object, service: Object, changing: Mapping[Key, tuple[Object, Object]]
) -> Iterator[str]:
    """Yield the ports of a Service that the running pods do not have: requests to them fail from the first moment."""
    spec, old_spec = service.get("spec") or {}, live.get("spec") or {}
    selector = spec.get("selector")
    if not selector or spec.get("clusterIP") == "None":
        return
    old_ports = {(port.get("port"), port.get("protocol")): port for port in old_spec.get("ports") or ()}
    for workload, (was, _) in changing.items():
        if not was["spec"].get("replicas", 1):
            continue
        labels = ((template_of(was) or {}).get("metadata") or {}).get("labels") or {}
        if not (old_spec.get("selector") or selector).items() <= labels.items():
            continue
        if not selector.items() <= labels.items():
            yield (
                f"{key} will no longer select the running pods ({workload}): requests to it fail until the new ones "
                "are ready"
            )
            continue
        for port in spec.get("ports") or ():
            old = old_ports.get((port.get("port"), port.get("protocol")))
            if old and (moved := _moved(port.get("targetPort"), old.get("targetPort"), was)):
                yield (
                    f"{key} will send port {port['port']} to {moved}, which the running pods do not have: requests to "
                    f"it may fail until every pod of {_name(workload, was)} is replaced; keep the old port to avoid it"
                )


def _moved(target: Any, old: Any, workload: Object) -> str:
    """Name a target port that the running pods do not have; empty if they have it."""
    named = {port.get("name"): port.get("containerPort") for port in _ports(workload)}
    if isinstance(target, str) and target not in named and (old in named or isinstance(old, int)):
        return f"{target} (now {old})"
    numbers = set(named.values()) | {named.get(old, old)}
    if isinstance(target, int) and target not in numbers:
        return f"{target} (now {named.get(old, old)})"
    return ""


def _ports(workload: Object) -> list[Object]:
    spec = (template_of(workload) or {}).get("spec") or {}
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return [port for container in containers for port in container.get("ports") or ()]


def _host_ports(workload: Object) -> list[int]:
    return sorted({port["hostPort"] for port in _ports(workload) if port.get("hostPort")})


def _without_a_node(key: Key, item: Object, nodes: list[Object]) -> Iterator[str]:
    """Yield that new pods find no node: a node has room for one pod with a hostPort, and old pods stay until then."""
    ports, spec = _host_ports(item), item["spec"]
    strategy = spec.get("strategy") or {}
    if key.kind != "Deployment" or not ports or strategy.get("type") == "Recreate" or not nodes:
        return
    replicas = spec.get("replicas", 1)
    leaving = _share((strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%"), replicas)
    fitting = sum(_fits(node, template_of(item)["spec"]) for node in nodes)
    if replicas and not leaving and fitting <= replicas:
        yield (
            f"{_name(key, item)} uses host port {ports[0]}, and an old pod stops only when a new one is ready: "
            f"{replicas + 1} nodes are needed, {fitting} fit; strategy.rollingUpdate.maxUnavailable: 1 needs fewer"
        )


def _share(value: Any, replicas: int) -> int:
    """Return how many pods a number or a percentage allows to be away; Kubernetes rounds it down."""
    percent = re.fullmatch(r"(\d+)%", str(value))
    return int(percent[1]) * replicas // 100 if percent else int(str(value))


def _fits(node: Object, pod: Object) -> bool:
    spec, labels = node.get("spec") or {}, (node.get("metadata") or {}).get("labels") or {}
    closed = [taint for taint in spec.get("taints") or () if taint.get("effect") in ("NoSchedule", "NoExecute")]
    selected = (pod.get("nodeSelector") or {}).items() <= labels.items()
    return selected and not spec.get("unschedulable") and (not closed or bool(pod.get("tolerations")))


def _longer_than(timeout: float, key: Key, live: Object, item: Object) -> Iterator[str]:
    """Yield that old pods, for which new ones wait, may take longer to terminate than Helm's timeout."""
    spec = item["spec"]
    grace = template_of(live)["spec"].get("terminationGracePeriodSeconds", _GRACE)
    turns = _turns(key.kind, live, spec)
    each = grace + (spec.get("minReadySeconds", 0) if key.kind != "Deployment" else 0)
    if turns * each < timeout:
        return
    needed = math.ceil(turns * each / 60) + 1
    name = _name(key, item)
    if turns == 1:
        told = f"the pods of {name} may take {turns * each} s to terminate, and the new ones wait for them"
    else:
        told = f"replacing the pods of {name} one by one may take {turns * each} s ({turns} times {each} s)"
    yield f"{told}, but --timeout is {timeout:.0f} s; --timeout {needed}m is long enough"


def _turns(kind: str, live: Object, spec: Object) -> int:
    """Return how many times a new pod has to wait until an old one has terminated."""
    if kind == "Deployment":
        recreated = (spec.get("strategy") or {}).get("type") == "Recreate"
        return int(recreated and bool(live["spec"].get("replicas", 1)))
    strategy = spec.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    if strategy.get("type") == "OnDelete":
        return 0
    if kind == "DaemonSet":
        pods = int((live.get("status") or {}).get("desiredNumberScheduled", 0))
        if _share(rolling.get("maxSurge", 0), pods):
            return 0
    else:
        pods = max(min(live["spec"].get("replicas", 1), spec.get("replicas", 1)) - rolling.get("partition", 0), 0)
    return math.ceil(pods / max(_share(rolling.get("maxUnavailable", 1), pods), 1))

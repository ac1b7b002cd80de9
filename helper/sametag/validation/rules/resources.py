"""Rules about how much a service may use, and how many pods it has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import mapping, maps, text, whole
from sametag.validation.finding import RuleHit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Service, Tree
    from sametag.values import Path

_NANO = 10**9
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = "KMGTPE"
_QUANTITY = r"\+?([0-9]{0,40})(?:\.([0-9]{0,40}))?([KMGTPE]i|[numkMGTPE]|[eE]([+-]?[0-9]{1,3}))?"
_PAGES = "hugepages-"
_BYTES = ("memory", "ephemeral-storage", "storage")
# An exponent beyond this has no use, and its power would take memory.
_EXPONENTS = range(-30, 31)


def quantity(value: Any) -> int | None:
    """Return a quantity of Kubernetes in thousand millionths, rounded up as there; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = re.fullmatch(
        r"\+?([0-9]{0,40})(?:\.([0-9]{0,40}))?([KMGTPE]i|[numkMGTPE]|[eE]([+-]?[0-9]{1,3}))?", str(value)
    )
    if found is None or not (found[1] or found[2]):
        return None
    decimals, unit = found[2] or "", found[3] or ""
    digits = int(found[1] + decimals)
    if unit.endswith("i"):
        amount = digits << 10 * (_BINARY.index(unit[0]) + 1)
        return int(-(-amount * _NANO // 10 ** len(decimals)))
    exponent = int(found[4]) if found[4] else _DECIMAL[unit]
    if exponent not in _EXPONENTS:
        return None
    power = 9 + exponent - len(decimals)
    return int(digits * 10**power if power >= 0 else -(-digits // 10**-power))


def request_above_limit(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a request above its limit."""
    for path, resources in _resources(service):
        limits = mapping(resources.get("limits"))
        for name, request in mapping(resources.get("requests")).items():
            wanted, most = quantity(request), quantity(limits.get(name))
            if wanted is None or most is None or wanted <= most:
                continue
            # Shown where it was said last: a service that lowers the limit below what `defaults` request.
            limit = (*path, "limits", name)
            if service.newer(limit, than=(*path, "requests", name)):
                says = f"is {limits[name]}, below the request of {request}"
                yield RuleHit(limit, says, f"lower requests.{name} as well")
            else:
                yield RuleHit((*path, "requests", name), f"is {request}, above the limit of {limits[name]}")


def whole_devices(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a request of a device, such as a GPU, or of huge pages, that is not its limit."""
    for path, resources in _resources(service):
        requests, limits = mapping(resources.get("requests")), mapping(resources.get("limits"))
        for name, request in requests.items():
            device = name.startswith(_PAGES) or ("/" in name and not name.startswith("kubernetes.io/"))
            if device and quantity(request) != quantity(limits.get(name)):
                says = f"is {request}, and its limit {limits.get(name, 'is missing')}: they must be equal"
                yield RuleHit((*path, "requests", name), says, "set the limit alone, which is the request as well")


def huge_pages(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a part of a huge page, and huge pages without cpu or memory beside them."""
    for path, resources in _resources(service):
        kinds = {kind: mapping(resources.get(kind)) for kind in ("requests", "limits")}
        others = any(name in amounts for name in ("cpu", "memory") for amounts in kinds.values())
        for kind, amounts in kinds.items():
            for name, amount in amounts.items():
                size, wanted = quantity(name.removeprefix(_PAGES)), quantity(amount)
                if not (name.startswith(_PAGES) and size and wanted is not None):
                    continue
                if wanted % size:
                    yield RuleHit((*path, kind, name), f"is {amount}, and not a multiple of its pages")
                elif not others:
                    yield RuleHit((*path, kind, name), "needs cpu or memory beside it", at_key=True)


def thousandths_of_bytes(service: Service) -> Iterator[RuleHit]:
    """In a quantity m is a thousandth, and M a million; nothing starts in less than a byte."""
    for path, resources in _resources(service):
        for kind in ("requests", "limits"):
            for name, amount in mapping(resources.get(kind)).items():
                if name in _BYTES and isinstance(amount, str) and amount.endswith("m") and quantity(amount) is not None:
                    says = f"is {amount}, thousandths of a byte"
                    yield RuleHit((*path, kind, name), says, f"did you mean {amount[:-1]}Mi?")


def _resources(service: Service) -> Iterator[tuple[Path, Tree]]:
    yield ("resources",), service.map("resources")
    for path, container in service.helpers():
        yield (*path, "resources"), mapping(container.get("resources"))


def minimum_above_maximum(service: Service) -> Iterator[RuleHit]:
    """An autoscaler with its minimum above its maximum is refused."""
    scaling, keda = service.map("autoscaling"), service.map("keda")
    least, most = whole(scaling.get("minReplicas"), 1), whole(scaling.get("maxReplicas"))
    if most is not None and least is not None and least > most:
        yield RuleHit(("autoscaling", "minReplicas"), f"is {least}, above maxReplicas, {most}")
    least, most = whole(keda.get("minReplicaCount"), 0), whole(keda.get("maxReplicaCount"), 100)
    if keda and most is not None and least is not None and least > most:
        yield RuleHit(("keda", "minReplicaCount"), f"is {least}, above maxReplicaCount, {most}")
    idle = whole(keda.get("idleReplicaCount"))
    if idle is not None and least is not None and idle >= least:
        yield RuleHit(("keda", "idleReplicaCount"), f"is {idle}, and must be below minReplicaCount, {least}")


def two_scalers(service: Service) -> Iterator[RuleHit]:
    """Only one of replicas, autoscaling and keda can say how many pods there are."""
    if service.get("autoscaling") is not None and service.get("keda") is not None:
        whole_text = "{service} has autoscaling and keda: only one can set the replicas"
        yield RuleHit(("keda",), "beside autoscaling", at_key=True, message=whole_text)
    scaler = next((key for key in ("autoscaling", "keda") if service.get(key) is not None), None)
    if scaler and service.own.get("replicas") is not None:
        says = f"has no effect: {scaler} sets the replicas"
        yield RuleHit(("replicas",), says, f"remove it, or {scaler}", at_key=True)


def scaled_without_request(service: Service) -> Iterator[RuleHit]:
    """An autoscaler cannot tell the share of a request that a container has not, and does nothing."""
    if service.get("autoscaling") is None:
        return
    metrics = service.get("autoscaling", "metrics")
    aims = [("autoscaling",)] if not metrics else []
    names: list[tuple[Path, str]] = [(aim, "cpu") for aim in aims]
    for index, metric in maps(metrics):
        resource = mapping(metric.get("resource"))
        if mapping(resource.get("target")).get("type") == "Utilization":
            names.append((("autoscaling", "metrics", index), text(resource.get("name"))))
    for path, name in names:
        for where, resources in _running(service):
            if all(mapping(resources.get(kind)).get(name) is None for kind in ("requests", "limits")):
                says = f"aims at a share of the requested {name}, and {where} requests none"
                yield RuleHit(path, says, f"set {where}.requests.{name}", at_key=len(path) == 1)


def _running(service: Service) -> Iterator[tuple[str, Tree]]:
    """Yield the resources of the containers that run as long as the service; without their own, those of `defaults`."""
    yield "resources", service.map("resources")
    for path, container in service.helpers():
        if path[0] == "sidecars" and container.get("resources"):
            yield f"sidecars[{path[1]}].resources", mapping(container.get("resources"))


def two_budgets(service: Service) -> Iterator[RuleHit]:
    """A PodDisruptionBudget has minAvailable or maxUnavailable."""
    budget = service.map("podDisruptionBudget")
    if budget.get("minAvailable") is not None and budget.get("maxUnavailable") is not None:
        at, other = (("podDisruptionBudget", key) for key in ("maxUnavailable", "minAvailable"))
        if service.newer(other, than=at):
            at, other = other, at
        whole_text = "{service}.podDisruptionBudget has minAvailable and maxUnavailable: only one can hold"
        yield RuleHit(at, f"set {other[1]}: null", at_key=True, message=whole_text)


def blocked_drain(service: Service) -> Iterator[RuleHit]:
    """A budget that lets no pod go stops every drain of a node, and so the cluster's next upgrade."""
    budget = service.map("podDisruptionBudget")
    if not service.serves or service.kind == "DaemonSet" or budget.get("enabled") is False:
        return
    pods = _fewest_pods(service)
    most, least = budget.get("maxUnavailable"), budget.get("minAvailable")
    never = "no pod may go: a node with one of them cannot be drained"
    if most in (0, "0%") and most is not False and pods:
        yield RuleHit(("podDisruptionBudget", "maxUnavailable"), f"is {most}, and {never}")
    elif least == "100%" or (pods and (whole(least) or 0) >= pods):
        of = "" if least == "100%" else f" of {pods}"
        yield RuleHit(("podDisruptionBudget", "minAvailable"), f"is {least}{of}, and {never}")


def _fewest_pods(service: Service) -> int:
    """Return how many pods there are at least; 0 where there is no budget."""
    replicas = whole(service.get("replicas"), 1) or 0
    if service.get("autoscaling") is not None:
        return whole(service.get("autoscaling", "minReplicas"), 1) or 1
    if service.get("keda") is not None:
        return whole(service.get("keda", "minReplicaCount"), 0) or 0
    return replicas if replicas > 1 else 0

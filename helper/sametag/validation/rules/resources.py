"""Rules about resources and the number of pods."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import integer, mapping, maps, string
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
# A larger exponent has no use, and its power would take memory.
_EXPONENTS = range(-30, 31)


def quantity(value: Any) -> int | None:
    """Return a Kubernetes quantity in billionths, rounded up as there; None if it is not a quantity."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = re.fullmatch(_QUANTITY, str(value))
    if match is None or not (match[1] or match[2]):
        return None
    decimals, unit = match[2] or "", match[3] or ""
    digits = int(match[1] + decimals)
    if unit.endswith("i"):
        amount = digits << 10 * (_BINARY.index(unit[0]) + 1)
        return int(-(-amount * _NANO // 10 ** len(decimals)))
    exponent = int(match[4]) if match[4] else _DECIMAL[unit]
    if exponent not in _EXPONENTS:
        return None
    power = 9 + exponent - len(decimals)
    return int(digits * 10**power if power >= 0 else -(-digits // 10**-power))


def request_above_limit(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects a request above its limit."""
    for path, resources in _resources(service):
        limits = mapping(resources.get("limits"))
        for name, request in mapping(resources.get("requests")).items():
            wanted, most = quantity(request), quantity(limits.get(name))
            if wanted is None or most is None or wanted <= most:
                continue
            # Shown where it was set last: a service can lower the limit below the request of `defaults`.
            limit = (*path, "limits", name)
            if service.newer(limit, than=(*path, "requests", name)):
                text = f"must not be below the request ({request}), got {limits[name]}"
                yield RuleHit(limit, text, f"lower requests.{name} as well")
            else:
                yield RuleHit((*path, "requests", name), f"must not exceed the limit ({limits[name]}), got {request}")


def whole_devices(service: Service) -> Iterator[RuleHit]:
    """Kubernetes requires the request of a device, such as a GPU, or of huge pages to equal its limit."""
    for path, resources in _resources(service):
        requests, limits = mapping(resources.get("requests")), mapping(resources.get("limits"))
        for name, request in requests.items():
            device = name.startswith(_PAGES) or ("/" in name and not name.startswith("kubernetes.io/"))
            if device and quantity(request) != quantity(limits.get(name)):
                text = f"must equal its limit ({limits.get(name, 'not set')}), got {request}"
                yield RuleHit((*path, "requests", name), text, "set only the limit; the request follows it")


def huge_pages(service: Service) -> Iterator[RuleHit]:
    """Kubernetes requires whole huge pages, together with cpu or memory."""
    for path, resources in _resources(service):
        kinds = {kind: mapping(resources.get(kind)) for kind in ("requests", "limits")}
        others = any(name in amounts for name in ("cpu", "memory") for amounts in kinds.values())
        for kind, amounts in kinds.items():
            for name, amount in amounts.items():
                size, wanted = quantity(name.removeprefix(_PAGES)), quantity(amount)
                if not (name.startswith(_PAGES) and size and wanted is not None):
                    continue
                if wanted % size:
                    yield RuleHit((*path, kind, name), f"must be a multiple of the page size, got {amount}")
                elif not others:
                    yield RuleHit((*path, kind, name), "requires cpu or memory", at_key=True)


def milli_bytes(service: Service) -> Iterator[RuleHit]:
    """In a quantity `m` is a thousandth and `M` a million; no container starts in less than a byte."""
    for path, resources in _resources(service):
        for kind in ("requests", "limits"):
            for name, amount in mapping(resources.get(kind)).items():
                if name in _BYTES and isinstance(amount, str) and amount.endswith("m") and quantity(amount) is not None:
                    text = f"is {amount}: thousandths of a byte"
                    yield RuleHit((*path, kind, name), text, f"did you mean {amount[:-1]}Mi?")


def _resources(service: Service) -> Iterator[tuple[Path, Tree]]:
    yield ("resources",), service.map("resources")
    for path, container in service.helpers():
        yield (*path, "resources"), mapping(container.get("resources"))


def minimum_above_maximum(service: Service) -> Iterator[RuleHit]:
    """The minimum of an autoscaler must not exceed its maximum."""
    scaling, keda = service.map("autoscaling"), service.map("keda")
    least, most = integer(scaling.get("minReplicas"), 1), integer(scaling.get("maxReplicas"))
    if most is not None and least is not None and least > most:
        yield RuleHit(("autoscaling", "minReplicas"), f"must not exceed maxReplicas ({most}), got {least}")
    least, most = integer(keda.get("minReplicaCount"), 0), integer(keda.get("maxReplicaCount"), 100)
    if keda and most is not None and least is not None and least > most:
        yield RuleHit(("keda", "minReplicaCount"), f"must not exceed maxReplicaCount ({most}), got {least}")
    idle = integer(keda.get("idleReplicaCount"))
    if idle is not None and least is not None and idle >= least:
        yield RuleHit(("keda", "idleReplicaCount"), f"must be below minReplicaCount ({least}), got {idle}")


def two_scalers(service: Service) -> Iterator[RuleHit]:
    """Only one of replicas, autoscaling and keda can set the number of pods."""
    if service.get("autoscaling") is not None and service.get("keda") is not None:
        message = "{service} has both autoscaling and keda: only one can set the replicas"
        yield RuleHit(("keda",), at_key=True, message=message)
    scaler = next((key for key in ("autoscaling", "keda") if service.get(key) is not None), None)
    if scaler and service.own.get("replicas") is not None:
        text = f"has no effect: {scaler} sets the replicas"
        yield RuleHit(("replicas",), text, f"remove it, or {scaler}", at_key=True)


def scaled_without_request(service: Service) -> Iterator[RuleHit]:
    """Utilization is a percentage of the request: without a request the autoscaler does nothing."""
    if service.get("autoscaling") is None:
        return
    metrics = service.get("autoscaling", "metrics")
    aims = [("autoscaling",)] if not metrics else []
    names: list[tuple[Path, str]] = [(aim, "cpu") for aim in aims]
    for index, metric in maps(metrics):
        resource = mapping(metric.get("resource"))
        if mapping(resource.get("target")).get("type") == "Utilization":
            names.append((("autoscaling", "metrics", index), string(resource.get("name"))))
    for path, name in names:
        for where, resources in _running(service):
            if all(mapping(resources.get(kind)).get(name) is None for kind in ("requests", "limits")):
                text = f"targets a percentage of the requested {name}, but {where} requests none"
                yield RuleHit(path, text, f"set {where}.requests.{name}", at_key=len(path) == 1)


def _running(service: Service) -> Iterator[tuple[str, Tree]]:
    """Yield the resources of the containers that run as long as the service (default: those of `defaults`)."""
    yield "resources", service.map("resources")
    for path, container in service.helpers():
        if path[0] == "sidecars" and container.get("resources"):
            yield f"sidecars[{path[1]}].resources", mapping(container.get("resources"))


def two_budgets(service: Service) -> Iterator[RuleHit]:
    """A PodDisruptionBudget has either minAvailable or maxUnavailable."""
    budget = service.map("podDisruptionBudget")
    if budget.get("minAvailable") is not None and budget.get("maxUnavailable") is not None:
        at, other = (("podDisruptionBudget", key) for key in ("maxUnavailable", "minAvailable"))
        if service.newer(other, than=at):
            at, other = other, at
        message = "{service}.podDisruptionBudget has both minAvailable and maxUnavailable: only one is allowed"
        yield RuleHit(at, f"set {other[1]}: null", at_key=True, message=message)


def blocked_drain(service: Service) -> Iterator[RuleHit]:
    """A budget that never allows an eviction blocks node drains, and so cluster upgrades."""
    budget = service.map("podDisruptionBudget")
    if not service.serves or service.kind == "DaemonSet" or budget.get("enabled") is False:
        return
    pods = _fewest_pods(service)
    most, least = budget.get("maxUnavailable"), budget.get("minAvailable")
    never = "blocks node drains: no pod may ever be evicted"
    if most in (0, "0%") and most is not False and pods:
        yield RuleHit(("podDisruptionBudget", "maxUnavailable"), f"is {most}, which {never}")
    elif least == "100%" or (pods and (integer(least) or 0) >= pods):
        of = "" if least == "100%" else f" of {pods}"
        yield RuleHit(("podDisruptionBudget", "minAvailable"), f"is {least}{of}, which {never}")


def _fewest_pods(service: Service) -> int:
    """Return the least number of pods; 0 if there is no budget."""
    replicas = integer(service.get("replicas"), 1) or 0
    if service.get("autoscaling") is not None:
        return integer(service.get("autoscaling", "minReplicas"), 1) or 1
    if service.get("keda") is not None:
        return integer(service.get("keda", "minReplicaCount"), 0) or 0
    return replicas if replicas > 1 else 0

"""Rules about ports, and what leads to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import listed, mapping, maps, text, whole
from sametag.validation.finding import RuleHit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Service, Tree
    from sametag.values import Path

_PROBES = ("liveness", "readiness", "startup")
_KUBERNETES_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("preStop", "postStart")
_HANDLERS = ("httpGet", "tcpSocket", "grpc")
_FOR_LOAD_BALANCERS = ("allocateLoadBalancerNodePorts", "loadBalancerClass", "loadBalancerSourceRanges")


def probed_port(service: Service) -> Iterator[RuleHit]:
    """A probe or hook that asks a port which is not there fails, and its pod never becomes ready."""
    for path, port, ports in _asked(service):
        if isinstance(port, str) and port not in ports:
            yield RuleHit(path, f"is {port}, which is not one of its ports {listed(_names(ports))}")


def undeclared_port(service: Service) -> Iterator[RuleHit]:
    """The number of a port that moves is forgotten in a probe; a name is not."""
    for path, port, ports in _asked(service):
        if whole(port) is not None and not any(mapping(one).get("containerPort") == port for one in ports.values()):
            says = f"is {port}, and no port of the container has this containerPort"
            yield RuleHit(path, says, "declare it under ports, and name it here")


def _names(ports: Tree) -> list[str]:
    return [name for name in ports if not name.startswith("[")]


def _asked(service: Service) -> Iterator[tuple[Path, Any, Tree]]:
    """Yield every port that a probe or a hook asks, with the ports of its container by name, or index in brackets."""
    ports, probes = service.map("ports"), service.map("probes")
    if "port" in probes:
        yield ("probes", "port"), probes["port"], ports
    for path, port in _handlers(("probes",), probes, _PROBES):
        yield path, port, ports
    for path, port in _handlers(("lifecycle",), service.map("lifecycle"), _HOOKS):
        yield path, port, ports
    for path, container in service.helpers():
        own = {text(port.get("name"), f"[{index}]"): port for index, port in maps(container.get("ports"))}
        for at, port in _handlers(path, container, _KUBERNETES_PROBES):
            yield at, port, own
        for at, port in _handlers((*path, "lifecycle"), mapping(container.get("lifecycle")), _HOOKS):
            yield at, port, own


def _handlers(path: Path, holder: Tree, keys: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    for key in keys if holder else ():
        asking = holder.get(key)
        for handler in _HANDLERS if isinstance(asking, dict) else ():
            asked = mapping(mapping(asking).get(handler))
            # With a host of its own, another machine is asked.
            if "port" in asked and not asked.get("host"):
                yield (*path, key, handler, "port"), asked["port"]


def led_to_port(service: Service) -> Iterator[RuleHit]:
    """What is led to a port that is not there ends in an error."""
    ports = service.map("ports")
    numbers = [_service_port(port) for port in ports.values()]
    for setting in ("ingress", "route", "monitor"):
        port = service.map(setting).get("port")
        if port is None or isinstance(port, dict | list):
            continue
        known = str(port) in ports or (port in numbers and not isinstance(port, str))
        if ports and not known:
            yield RuleHit((setting, "port"), f"is {port}, which is not one of its ports {listed(ports)}")


def leads_nowhere(service: Service) -> Iterator[RuleHit]:
    """An ingress, route or monitor needs a Service, or ports, to lead to."""
    for setting in ("ingress", "route", "monitor"):
        if service.get(setting) is None:
            continue
        if not service.map("ports"):
            yield _nowhere(setting, "and no ports")
        elif setting != "monitor" and not (service.serves and service.get("service", "enabled") is not False):
            yield _nowhere(setting, "and no Service that it could lead to")


def _nowhere(setting: str, why: str) -> RuleHit:
    return RuleHit((setting,), why, at_key=True, message=f"{{service}} has {setting}, {why}")


def route_timeouts(service: Service) -> Iterator[RuleHit]:
    """The Gateway API refuses a try that may take longer than the whole request."""
    timeouts = service.map("route", "timeouts")
    request, each = _milliseconds(timeouts.get("request")), _milliseconds(timeouts.get("backendRequest"))
    if request and each and each > request:
        says = f"is {timeouts['backendRequest']}, above the {timeouts['request']} of the whole request"
        yield RuleHit(("route", "timeouts", "backendRequest"), says)


def _milliseconds(duration: Any) -> int:
    units = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    parts = re.findall("([0-9]{1,5})(ms|[hms])", text(duration))
    return sum(int(number) * units[unit] for number, unit in parts)


def route_parents(service: Service) -> Iterator[RuleHit]:
    """The Gateway API refuses two references to one Gateway that do not name different listeners."""
    seen: dict[tuple[str, str], set[str]] = {}
    for index, parent in maps(service.get("route", "parentRefs")):
        section, gateway = text(parent.get("sectionName")), (text(parent.get("namespace")), text(parent.get("name")))
        there = seen.setdefault(gateway, set())
        if there and (section in there or "" in (section, *there)):
            says = f"names the Gateway {gateway[1]} again"
            yield RuleHit(("route", "parentRefs", index), says, "give each of them a sectionName of its own")
        there.add(section)


def repeated_port(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses two ports of one number and protocol."""
    serves = service.serves and service.get("service", "enabled") is not False
    seen: dict[tuple[str, str], str] = {}
    for name, port in sorted(service.map("ports").items()):
        fields = {"containerPort": "of the container", "nodePort": "of every node"}
        if serves and mapping(port).get("port"):
            # A port of the Service that is only the container's would be the same mistake twice.
            fields["port"] = "of its Service"
        for field, of in fields.items():
            number = _number(port, field)
            first = seen.setdefault((of, number), name) if number else name
            if first != name:
                says = f"{first} and {name} both are port {number} {of}"
                whole_text = f"{{service}}.ports: {says}"
                yield RuleHit(("ports", name, field), says, "give one another port", at_key=True, message=whole_text)
        if serves:
            seen.setdefault(("of its Service", _number({"port": _service_port(port), **mapping(port)}, "port")), name)
    yield from _repeated_host_port(service)


def _number(port: Any, field: str) -> str:
    """Return number and protocol; nothing where it has no such number."""
    port = mapping(port)
    number = whole(port.get(field))
    return f"{number}/{text(port.get('protocol'), 'TCP')}" if number else ""


def _repeated_host_port(service: Service) -> Iterator[RuleHit]:
    seen: set[str] = set()
    ports: list[tuple[Path, Tree]] = [(("ports", n), mapping(p)) for n, p in sorted(service.map("ports").items())]
    for path, container in service.helpers():
        ports += [((*path, "ports", index), port) for index, port in maps(container.get("ports"))]
    for at, port in ports:
        if whole(port.get("hostPort")):
            number = f"{port['hostPort']}/{text(port.get('protocol'), 'TCP')}{text(port.get('hostIP'))}"
            if number in seen:
                yield RuleHit((*at, "hostPort"), f"is {port['hostPort']}, which another port of the pod takes already")
            seen.add(number)


def _service_port(port: Any) -> Any:
    port = mapping(port)
    return port.get("port") or port.get("containerPort")


def service_type(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses settings of a Service that its type does not know."""
    ports = service.map("ports")
    if not (ports and service.serves) or service.get("service", "enabled") is False:
        return
    settings = service.map("service")
    kind = text(settings.get("type"), "ClusterIP")
    if settings.get("headless") is True and kind != "ClusterIP":
        yield RuleHit(("service", "headless"), f"is for a ClusterIP, and this Service is a {kind}", at_key=True)
    if kind == "ClusterIP":
        use = "set service.type"
        if settings.get("externalTrafficPolicy") is not None:
            says = "is for a NodePort or LoadBalancer, and this Service is a ClusterIP"
            yield RuleHit(("service", "externalTrafficPolicy"), says, use, at_key=True)
        for name, port in ports.items():
            if mapping(port).get("nodePort") is not None:
                says = "is for a NodePort or LoadBalancer, and this Service is a ClusterIP"
                yield RuleHit(("ports", name, "nodePort"), says, use, at_key=True)
    for key in _FOR_LOAD_BALANCERS:
        if kind != "LoadBalancer" and settings.get(key) is not None:
            yield RuleHit(("service", key), f"is for a LoadBalancer, and this Service is a {kind}", at_key=True)

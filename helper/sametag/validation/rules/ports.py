"""Rules about ports, and about the probes, ingresses, routes and monitors that refer to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import integer, listed, mapping, maps, string
from sametag.validation.finding import RuleHit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Release, Service, Tree
    from sametag.values import Path

_PROBES = ("liveness", "readiness", "startup")
_KUBERNETES_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("preStop", "postStart")
_HANDLERS = ("httpGet", "tcpSocket", "grpc")
_FOR_LOAD_BALANCERS = ("allocateLoadBalancerNodePorts", "loadBalancerClass", "loadBalancerSourceRanges")


def probed_port(service: Service) -> Iterator[RuleHit]:
    """A probe or hook of an unknown port always fails, and the pod never becomes ready."""
    for path, port, ports in _asked(service):
        if isinstance(port, str) and port not in ports:
            yield RuleHit(path, f"refers to unknown port {port} {listed('ports', _names(ports))}")


def undeclared_port(service: Service) -> Iterator[RuleHit]:
    """A port number in a probe goes stale when the port changes; a port name does not."""
    for path, port, ports in _asked(service):
        if integer(port) is not None and not any(
            mapping(declared).get("containerPort") == port for declared in ports.values()
        ):
            text = f"is {port}, which no port of the container declares"
            yield RuleHit(path, text, "declare it under ports and use its name here")


def _names(ports: Tree) -> list[str]:
    return [name for name in ports if not name.startswith("[")]


def _asked(service: Service) -> Iterator[tuple[Path, Any, Tree]]:
    """Yield every port that a probe or hook uses, with its container's ports by name, or by index in brackets."""
    ports, probes = service.map("ports"), service.map("probes")
    if "port" in probes:
        yield ("probes", "port"), probes["port"], ports
    for path, port in _handlers(("probes",), probes, _PROBES):
        yield path, port, ports
    for path, port in _handlers(("lifecycle",), service.map("lifecycle"), _HOOKS):
        yield path, port, ports
    for path, container in service.helpers():
        own = {string(port.get("name"), f"[{index}]"): port for index, port in maps(container.get("ports"))}
        for at, port in _handlers(path, container, _KUBERNETES_PROBES):
            yield at, port, own
        for at, port in _handlers((*path, "lifecycle"), mapping(container.get("lifecycle")), _HOOKS):
            yield at, port, own


def _handlers(path: Path, holder: Tree, keys: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    for key in keys if holder else ():
        asking = holder.get(key)
        for handler in _HANDLERS if isinstance(asking, dict) else ():
            asked = mapping(mapping(asking).get(handler))
            # A handler with a host asks another machine.
            if "port" in asked and not asked.get("host"):
                yield (*path, key, handler, "port"), asked["port"]


def led_to_port(service: Service) -> Iterator[RuleHit]:
    """Traffic to an unknown port is an error."""
    ports = service.map("ports")
    numbers = [_service_port(port) for port in ports.values()]
    for setting in ("ingress", "route", "monitor"):
        port = service.map(setting).get("port")
        if port is None or isinstance(port, dict | list):
            continue
        known = str(port) in ports or (port in numbers and not isinstance(port, str))
        if ports and not known:
            yield RuleHit((setting, "port"), f"refers to unknown port {port} {listed('ports', ports)}")


def leads_nowhere(service: Service) -> Iterator[RuleHit]:
    """An ingress, route or monitor needs ports, and a Service to route to."""
    for setting in ("ingress", "route", "monitor"):
        if service.get(setting) is None:
            continue
        if not service.map("ports"):
            yield _nowhere(setting, "but no ports")
        elif setting != "monitor" and not (service.serves and service.get("service", "enabled") is not False):
            yield _nowhere(setting, "but no Service to route to")


def _nowhere(setting: str, why: str) -> RuleHit:
    return RuleHit((setting,), why, at_key=True, message=f"{{service}} has {setting} {why}")


def route_timeouts(service: Service) -> Iterator[RuleHit]:
    """The Gateway API requires timeouts.backendRequest to be at most timeouts.request."""
    timeouts = service.map("route", "timeouts")
    request, backend = _milliseconds(timeouts.get("request")), _milliseconds(timeouts.get("backendRequest"))
    if request and backend > request:
        text = f"must not exceed timeouts.request ({timeouts['request']}), got {timeouts['backendRequest']}"
        yield RuleHit(("route", "timeouts", "backendRequest"), text)


def _milliseconds(duration: Any) -> int:
    units = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    parts = re.findall("([0-9]{1,5})(ms|[hms])", string(duration))
    return sum(int(number) * units[unit] for number, unit in parts)


def route_parents(service: Service) -> Iterator[RuleHit]:
    """The Gateway API requires references to one Gateway to name different listeners."""
    seen: dict[tuple[str, str], set[str]] = {}
    for index, parent in maps(service.get("route", "parentRefs")):
        section, gateway = (
            string(parent.get("sectionName")),
            (string(parent.get("namespace")), string(parent.get("name"))),
        )
        sections = seen.setdefault(gateway, set())
        if sections and (section in sections or "" in (section, *sections)):
            text = f"refers to the Gateway {gateway[1]} again"
            yield RuleHit(("route", "parentRefs", index), text, "give each reference its own sectionName")
        sections.add(section)


def repeated_port(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects two ports with the same number and protocol."""
    serves = service.serves and service.get("service", "enabled") is not False
    seen: dict[tuple[str, str], str] = {}
    for name, port in sorted(service.map("ports").items()):
        fields = {"containerPort": "of the container", "nodePort": "of every node"}
        if serves and mapping(port).get("port"):
            # Without a port of its own, the Service repeats the container's, which is reported already.
            fields["port"] = "of its Service"
        for field, of in fields.items():
            number = _number(port, field)
            first = seen.setdefault((of, number), name) if number else name
            if first != name:
                message = f"{{service}}.ports: {first} and {name} both use port {number} {of}"
                remedy = "use a different port for one of them"
                yield RuleHit(("ports", name, field), remedy=remedy, at_key=True, message=message)
        if serves:
            seen.setdefault(("of its Service", _number({"port": _service_port(port), **mapping(port)}, "port")), name)
    yield from _repeated_host_port(service)


def shared_node_port(release: Release) -> Iterator[RuleHit]:
    """Two Services cannot have the same port of the nodes."""
    owners: dict[str, str] = {}
    for name, service in sorted(release.services.items()):
        if not service.serves or service.get("service", "enabled") is False:
            continue
        for port_name, port in sorted(service.map("ports").items()):
            number = _number(port, "nodePort")
            first = owners.setdefault(number, name) if number else name
            if first != name:
                message = f"services.{first} and services.{name} both use port {number} of every node"
                path = ("services", name, "ports", port_name, "nodePort")
                remedy = "use a different port for one of them"
                yield RuleHit(path, remedy=remedy, at_key=True, message=message)


def _number(port: Any, field: str) -> str:
    """Return number and protocol; "" if the port has no such number."""
    port = mapping(port)
    number = integer(port.get(field))
    return f"{number}/{string(port.get('protocol'), 'TCP')}" if number else ""


def _repeated_host_port(service: Service) -> Iterator[RuleHit]:
    seen: set[str] = set()
    ports: list[tuple[Path, Tree]] = [
        (("ports", name), mapping(port)) for name, port in sorted(service.map("ports").items())
    ]
    for path, container in service.helpers():
        ports += [((*path, "ports", index), port) for index, port in maps(container.get("ports"))]
    for at, port in ports:
        if integer(port.get("hostPort")):
            number = f"{port['hostPort']}/{string(port.get('protocol'), 'TCP')}{string(port.get('hostIP'))}"
            if number in seen:
                yield RuleHit((*at, "hostPort"), f"is {port['hostPort']}, which another port of the pod already uses")
            seen.add(number)


def _service_port(port: Any) -> Any:
    port = mapping(port)
    return port.get("port") or port.get("containerPort")


def service_type(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects settings that the type of the Service does not support."""
    ports = service.map("ports")
    if not (ports and service.serves) or service.get("service", "enabled") is False:
        return
    settings = service.map("service")
    kind = string(settings.get("type"), "ClusterIP")
    if settings.get("headless") is True and kind != "ClusterIP":
        yield RuleHit(("service", "headless"), f"only applies to a ClusterIP; this Service is a {kind}", at_key=True)
    if kind == "ClusterIP":
        use = "set service.type"
        if settings.get("externalTrafficPolicy") is not None:
            text = "only applies to a NodePort or LoadBalancer; this Service is a ClusterIP"
            yield RuleHit(("service", "externalTrafficPolicy"), text, use, at_key=True)
        for name, port in ports.items():
            if mapping(port).get("nodePort") is not None:
                text = "only applies to a NodePort or LoadBalancer; this Service is a ClusterIP"
                yield RuleHit(("ports", name, "nodePort"), text, use, at_key=True)
    for key in _FOR_LOAD_BALANCERS:
        if kind != "LoadBalancer" and settings.get(key) is not None:
            yield RuleHit(("service", key), f"only applies to a LoadBalancer; this Service is a {kind}", at_key=True)

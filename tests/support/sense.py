"""Random services that make sense: what one setting says of another is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asking import BASE, problems

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from generating import Generator

Service = dict[str, Any]


_SERVES = ("Deployment", "StatefulSet", "DaemonSet")


def accepted(generator: Generator, dice: random.Random, count: int) -> dict[str, Service]:
    """Return so many services, s0, s1 and so on, that `sametag validate` accepts."""
    found: list[Service] = []
    while len(found) < count:
        some = {f"s{number}": service(generator, dice) for number in range(count - len(found))}
        # One that is refused can make another refused too, which is not at fault.
        while refused := problems(some):
            some = {name: made for name, made in some.items() if name not in refused}
        found += some.values()
    return {f"s{number}": made for number, made in enumerate(found)}


def service(generator: Generator, dice: random.Random) -> Service:
    """Return a service that the schema accepts and whose references lead somewhere."""
    made: Service = generator.value({"$ref": "#/definitions/service"})
    if not made.get("command"):
        made["command"] = ["/bin/app"]
    made["kind"] = _kind(made, dice)
    if made["kind"] == "CronJob" and not made.get("cronJob"):
        made["cronJob"] = generator.value(generator.definitions["service"]["properties"]["cronJob"], 1)
    if (made.get("cronJob") or {}).get("timeZone"):
        made["cronJob"]["timeZone"] = dice.choice(("Etc/UTC", "Europe/Berlin"))
    _lead_to_ports(made, dice)
    _lead_to_services(made)
    _lead_to_volumes(made, dice)
    return made


def _kind(made: Service, dice: random.Random) -> str:
    if made.get("autoscaling"):
        made.pop("keda", None)
    if made.get("hook") is not None:
        for key in ("autoscaling", "keda", "ingress", "route"):
            made.pop(key, None)
        return "Job"
    if made.get("autoscaling") or made.get("keda"):
        return dice.choice(_SERVES[:2])
    if made.get("ingress") or made.get("route"):
        return dice.choice(_SERVES)
    return made.get("kind") or dice.choice((*_SERVES, "Job", "CronJob"))


def _lead_to_ports(made: Service, dice: random.Random) -> None:
    needy = [made[key] for key in ("probes", "ingress", "route", "monitor") if made.get(key)]
    if needy and not made.get("ports"):
        made["ports"] = {"http": {"containerPort": 8080}}
    if made.get("ingress") or made.get("route"):
        (made.get("service") or {}).pop("enabled", None)
    for one in needy:
        if isinstance(one.get("port"), str):
            one["port"] = dice.choice(list(made["ports"]))


def _lead_to_services(made: Service) -> None:
    policy = made.get("networkPolicy") or {}
    for key in ("allowFrom", "allowTo"):
        if policy.get(key):
            policy[key] = [BASE if isinstance(peer, str) else peer for peer in policy[key]]


def _lead_to_volumes(made: Service, dice: random.Random) -> None:
    volumes = [name for name, volume in (made.get("volumes") or {}).items() if volume]
    for container in _containers(made):
        for key in ("volumeMounts", "volumeDevices"):
            if key in container and not volumes:
                del container[key]
            for mount in container.get(key) or ():
                mount["name"] = dice.choice(volumes)


def _containers(made: Service) -> Iterator[dict[str, Any]]:
    for key in ("initContainers", "sidecars"):
        yield from made.get(key) or ()

"""Values that Kubernetes' own types allow, whatever the chart's schema says: random services with one piece made loose.

A piece is either what a Kubernetes type describes, straight from the OpenAPI document (no range, no pattern, no oneOf),
or a text or number of the service in the place of which another plausible one stands.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from schemas import SNAPSHOT

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

Path = tuple[str | int, ...]
Service = dict[str, Any]

_TYPES: dict[str, Any] = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["definitions"]

# Where the chart passes a type of Kubernetes through, below a service; a number is an entry of a list.
PIECES: tuple[tuple[Path, str], ...] = (
    (("affinity",), "Affinity"),
    (("autoscaling", "behavior"), "HorizontalPodAutoscalerBehavior"),
    (("autoscaling", "metrics", 0), "MetricSpec"),
    (("dnsConfig",), "PodDNSConfig"),
    (("env", "A", "valueFrom"), "EnvVarSource"),
    (("envFrom", 0), "EnvFromSource"),
    (("hostAliases", 0), "HostAlias"),
    (("ingress", "tls", 0), "IngressTLS"),
    (("lifecycle",), "Lifecycle"),
    (("networkPolicy", "allowFrom", 0), "NetworkPolicyPeer"),
    (("networkPolicy", "allowTo", 0), "NetworkPolicyEgressRule"),
    (("podSecurityContext",), "PodSecurityContext"),
    (("probes", "liveness"), "Probe"),
    (("probes", "readiness"), "Probe"),
    (("resources",), "ResourceRequirements"),
    (("rules", 0), "PolicyRule"),
    (("securityContext",), "SecurityContext"),
    (("tolerations", 0), "Toleration"),
    (("topologySpreadConstraints", 0), "TopologySpreadConstraint"),
    (("volumes", "v", "claim"), "PersistentVolumeClaimSpec"),
    (("volumes", "v", "configMap"), "ConfigMapVolumeSource"),
    (("volumes", "v", "downwardAPI"), "DownwardAPIVolumeSource"),
    (("volumes", "v", "emptyDir"), "EmptyDirVolumeSource"),
    (("volumes", "v", "ephemeral"), "EphemeralVolumeSource"),
    (("volumes", "v", "hostPath"), "HostPathVolumeSource"),
    (("volumes", "v", "persistentVolumeClaim"), "PersistentVolumeClaimVolumeSource"),
    (("volumes", "v", "projected"), "ProjectedVolumeSource"),
    (("volumes", "v", "secret"), "SecretVolumeSource"),
)
# What the chart needs beside such a piece.
_AROUND: Service = {
    "command": ["/bin/app"],
    "ports": {"http": {"containerPort": 8080}},
    "ingress": {"hosts": ["app.example.com"]},
    "autoscaling": {"maxReplicas": 3},
}

_TEXTS = (
    *(
        "a",
        "A",
        "app",
        "a-b",
        "a.b",
        "a_b",
        "a/b",
        "/a",
        "./a",
        "../a",
        "a:b",
        "0",
        "80",
        "8080",
        "http",
        "1.5",
        "é",
        " ",
        "",
    ),
    *("1", "10%", "100%", "1Gi", "100m", "0.5", "1e3", "5", "10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "example.com"),
    *("*.example.com", "example.com.", "kubernetes.io/hostname", "metadata.name", "status.podIP", "limits.cpu", "In"),
    *(
        "Exists",
        "NoExecute",
        "Equal",
        "Localhost",
        "RuntimeDefault",
        "ReadWriteOnce",
        "storage",
        "cpu",
        "memory",
        "Pods",
    ),
    *(
        "Percent",
        "Resource",
        "Utilization",
        "AverageValue",
        "Value",
        "get",
        "pods",
        "TCP",
        "IPv4",
        "Memory",
        "net.a",
        "30s",
    ),
)
_NUMBERS = (0, 1, 2, 5, 30, 80, 420, 8080, 65535, 65536, -1, 100_000)


def pieces(dice: random.Random) -> Service:
    """Return a service with one piece of a Kubernetes type, as the OpenAPI document describes it."""
    path, kind = dice.choice(PIECES)
    used = {key: child for key, child in _AROUND.items() if key in ("command", "ports", path[0])}
    service: Service = json.loads(json.dumps(used))
    _put(service, path, _of_type(kind, dice, 0))
    return service


def mutant(service: Service, dice: random.Random) -> Service:
    """Return a service with another text or number in the place of one of its own."""
    copy: Service = json.loads(json.dumps(service))
    leaves = [path for path in _leaves(copy) if path[0] not in ("kind", "enabled")]
    path = dice.choice(leaves)
    value: Any = copy
    for part in path[:-1]:
        value = value[part]
    value[path[-1]] = _instead(value[path[-1]], dice)
    return copy


def _instead(value: str | float, dice: random.Random) -> str | float:
    if not isinstance(value, str):
        return dice.choice([*_NUMBERS, value + 1, value * 2])
    changed = [value + "a", value + "-", value.upper(), value.title(), "a" + value, value[:-1], value * 2, f"{value}.a"]
    return dice.choice([*changed, dice.choice(_TEXTS)])


def _leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield from _leaves(child, (*path, key))
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        yield path


def _put(tree: Any, path: Path, value: Any) -> None:
    for part, following in pairwise(path):
        tree = tree.setdefault(part, [] if isinstance(following, int) else {})
    if isinstance(tree, list):
        tree.append(value)
    else:
        tree[path[-1]] = value


def _of_type(kind: str, dice: random.Random, depth: int) -> Any:
    if kind == "Quantity":
        return dice.choice(("1", "100m", "64Mi", "1.5Gi", "1e3", 1, 0.5, "2k", "0"))
    if kind == "IntOrString":
        return dice.choice((1, 80, "http", "10%", "a-1", 8080))
    definition = _TYPES[kind]
    fields = definition.get("properties", {})
    needed = [field for field in fields if field in definition.get("required", ())]
    optional = [field for field in fields if field not in needed]
    some = dice.sample(optional, min(len(optional), dice.choice((0, 1, 1, 2) if needed else (1, 1, 2))))
    return {field: _of_field(fields[field], dice, depth + 1) for field in [*needed, *some]}


def _of_field(field: Any, dice: random.Random, depth: int) -> Any:
    if "$ref" in field:
        return _of_type(field["$ref"], dice, depth)
    kind = field.get("type", "object")
    if kind == "array":
        item = field["items"] | ({"enum": field["enum"]} if "enum" in field else {})
        return [_of_field(item, dice, depth) for _ in range(dice.choice((1, 1, 2)))]
    if kind == "object":
        entry = field.get("additionalProperties", {"type": "string"})
        return {dice.choice(("a", "app", "cpu", "memory", "storage")): _of_field(entry, dice, depth)}
    if kind == "boolean":
        return dice.random() < 0.5
    if kind == "integer":
        return dice.choice(_NUMBERS)
    return dice.choice(field["enum"]) if "enum" in field else dice.choice(_TEXTS)

"""Values of the chart with random mistakes in them."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

from sametag import values

_EXAMPLES = Path(__file__).parents[2] / "examples"

FULL_SERVICE = {
    "command": ["/bin/app"],
    "args": ["-v"],
    "replicas": 2,
    "env": {"A": "b", "C": {"secret": "db", "key": "password"}, "D": {"field": "status.podIP"}},
    "ports": {"http": {"containerPort": 8080, "port": 80}},
    "probes": {"port": "http", "liveness": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5}},
    "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "100m"}},
    "securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsUser": 1000},
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
    "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
    "labels": {"team": "a"},
}
KUBERNETES = {
    "command": ["/bin/app"],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}}
            ]
        },
    },
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "podSecurityContext": {"fsGroup": 1, "seccompProfile": {"type": "RuntimeDefault"}, "supplementalGroups": [1]},
    "dnsConfig": {"nameservers": ["10.0.0.1"], "options": [{"name": "ndots", "value": "2"}]},
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
    "envFrom": [{"secretRef": {"name": "db"}, "prefix": "DB_"}],
    "volumes": {
        "all": {
            "mountPath": "/all",
            "projected": {
                "sources": [
                    {"configMap": {"name": "a", "items": [{"key": "k", "path": "p"}]}},
                    {"downwardAPI": {"items": [{"path": "cpu", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                ]
            },
        },
        "own": {
            "ephemeral": {
                "volumeClaimTemplate": {
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
                }
            }
        },
    },
    "sidecars": [{"name": "logs", "command": ["logs"], "volumeMounts": [{"name": "all", "mountPath": "/all"}]}],
    "autoscaling": {
        "maxReplicas": 3,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 5}},
            }
        ],
        "behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}},
    },
    "networkPolicy": {
        "allowFrom": [{"podSelector": {"matchLabels": {"a": "b"}}}],
        "allowTo": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}], "ports": [{"port": 53}]}],
    },
}
BASE = {"image": {"repository": "example.com/a", "tag": "1"}, "services": {"a": FULL_SERVICE, "b": {"command": ["b"]}}}
#: What mistakes are made in: a service with most of our settings, one with many types of Kubernetes, every example.
BASES = [
    BASE,
    BASE | {"services": {"k": KUBERNETES}},
    *(values.load(values.Sources((str(file),))).tree for file in sorted(_EXAMPLES.glob("*/values.yaml"))),
]

Tree = dict[str, Any]


def mutants(seed: int, count: int) -> list[Tree]:
    """Return values with one to three random mistakes each."""
    dice = random.Random(seed)  # noqa: S311 - the same cases on every run
    return [_mutant(dice) for _ in range(count)]


def _mutant(dice: random.Random) -> Tree:
    tree = copy.deepcopy(dice.choice([BASE, *BASES]))
    for _ in range(dice.randint(1, 3)):
        container = dice.choice(_containers(tree))
        dice.choice([_replace, _replace, _drop, _rename, _copy_in])(dice, container, _key(dice, container))
    return tree


def _containers(tree: Any) -> list[Any]:
    if not isinstance(tree, dict | list) or not tree:
        return []
    children = tree.values() if isinstance(tree, dict) else tree
    return [tree, *(found for child in children for found in _containers(child))]


def _replace(dice: random.Random, container: Any, key: Any) -> None:
    container[key] = dice.choice(
        [None, True, 0, -1, 1.5, 99999, "", "x y", "http", "a\n", [], ["x"], [1], {}, {"x": 1}]
    )


def _drop(_: random.Random, container: Any, key: Any) -> None:
    if len(container) > 1:
        del container[key]


def _rename(dice: random.Random, container: Any, key: Any) -> None:
    if isinstance(container, dict):
        name = dice.choice([key[:-1] + "z", key.upper(), f"{key}s", "tag", "port", "Ü b"])
        container[name] = container.pop(key)


def _copy_in(dice: random.Random, container: Any, key: Any) -> None:
    """Put a piece of other values where it may not belong."""
    other = dice.choice(_containers(dice.choice(BASES)))
    name = _key(dice, other)
    container[str(name) if isinstance(container, dict) else key] = copy.deepcopy(other[name])


def _key(dice: random.Random, container: Any) -> Any:
    return dice.choice(list(container) if isinstance(container, dict) else range(len(container)))

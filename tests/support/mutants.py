"""Values of the chart with random mistakes in them."""

from __future__ import annotations

import copy
import random
from typing import Any

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
BASE = {"image": {"repository": "example.com/a", "tag": "1"}, "services": {"a": FULL_SERVICE, "b": {"command": ["b"]}}}

Tree = dict[str, Any]


def mutants(seed: int, count: int) -> list[Tree]:
    """Return values with one to three random mistakes each."""
    dice = random.Random(seed)  # noqa: S311 - the same cases on every run
    return [_mutant(dice) for _ in range(count)]


def _mutant(dice: random.Random) -> Tree:
    tree = copy.deepcopy(BASE)
    for _ in range(dice.randint(1, 3)):
        container = dice.choice(_containers(tree))
        key = dice.choice(list(container) if isinstance(container, dict) else range(len(container)))
        dice.choice([_replace, _replace, _drop, _rename, _copy_in])(dice, container, key)
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
    """Put a piece of a service where it may not belong."""
    if isinstance(container, dict):
        name = dice.choice(list(FULL_SERVICE))
        container[name] = copy.deepcopy(FULL_SERVICE[name])
    else:
        container[key] = copy.deepcopy(FULL_SERVICE["env"])

"""The types of Kubernetes in the schema: what the running API server has, and what the newest release has."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import refresh_kubernetes
from goldens import EXAMPLES, ROOT
from schemas import SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from refresh_kubernetes import Definitions


# The newest that was looked at: a release of tomorrow must not fail the commit of yesterday. A job that runs each week
# asks for the newest there is.
NEWEST = "1.37.2"


@pytest.mark.parametrize("against", ["server", NEWEST])
def test_a_newer_kubernetes_differs_in_nothing_but_what_is_explained(against: str) -> None:
    command = [sys.executable, str(ROOT / "tools/refresh_kubernetes.py"), "--check", against]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


def add_a_field(server: Definitions) -> None:
    server["Probe"]["properties"]["hurry"] = {"type": "boolean"}


def drop_a_field(server: Definitions) -> None:
    del server["HTTPGetAction"]["properties"]["scheme"]


def add_an_option(server: Definitions) -> None:
    server["Toleration"]["properties"]["effect"]["enum"].append("Maybe")


def add_an_option_of_a_list(server: Definitions) -> None:
    server["ServiceSpec"]["properties"]["ipFamilies"]["items"]["enum"].append("IPv8")


def drop_a_type(server: Definitions) -> None:
    del server["Probe"]


def require_a_field(server: Definitions) -> None:
    server["ExecAction"]["required"] = ["command"]


def change_a_type(server: Definitions) -> None:
    server["Probe"]["properties"]["periodSeconds"]["type"] = "string"


def change_the_words(server: Definitions) -> None:
    server["Probe"]["properties"]["periodSeconds"]["description"] = "Otherwise said."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (add_a_field, "Probe has hurry"),
        (drop_a_field, "HTTPGetAction has no scheme"),
        (add_an_option, "Toleration.effect: enum is"),
        (add_an_option_of_a_list, "ServiceSpec.ipFamilies: items is"),
        (drop_a_type, "there is no Probe"),
        (require_a_field, 'ExecAction: required is ["command"], not none'),
        (change_a_type, 'Probe.periodSeconds: type is "string", not "integer"'),
        (change_the_words, None),
    ],
)
def test_every_difference_is_found(change: Callable[[Definitions], None], said: str | None) -> None:
    snapshot: Definitions = json.loads(SNAPSHOT.read_text())["definitions"]
    _, running = refresh_kubernetes.server()
    changed = copy.deepcopy(running)
    change(changed)

    new = set(refresh_kubernetes.differences(snapshot, changed)) - set(
        refresh_kubernetes.differences(snapshot, running)
    )

    assert [line.startswith(said) for line in new] == [True] if said else new == set()


# The last release of the oldest minor version that the chart accepts.
OLDEST = "1.30.14"


def test_the_examples_render_nothing_that_the_oldest_kubernetes_does_not_have() -> None:
    chart = yaml.safe_load((ROOT / "chart/Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={OLDEST.rpartition('.')[0]}.0-0"
    oldest = refresh_kubernetes.release(OLDEST)

    assert [line for item in rendered() for line in unknown(item, item["kind"], oldest)] == []

    # The check itself: a Kubernetes without the sleep action, and one without an option, are told apart.
    without = copy.deepcopy(oldest)
    del without["LifecycleHandler"]["properties"]["sleep"]
    without["NetworkPolicySpec"]["properties"]["policyTypes"]["items"]["enum"] = ["Egress"]
    lines = {line.partition(": ")[2] for item in rendered() for line in unknown(item, item["kind"], without)}
    assert lines == {"LifecycleHandler has no sleep", "Ingress is not an option"}


def rendered() -> Iterator[dict[str, Any]]:
    """Yield the objects of every example; no template asks for the version of Kubernetes."""
    for file in sorted(EXAMPLES.glob("*/rendered.yaml")):
        yield from filter(None, yaml.safe_load_all(file.read_text()))


def unknown(item: dict[str, Any], kind: str, definitions: Definitions) -> Iterator[str]:
    """Yield the fields and options of an object that a Kubernetes does not have; of custom kinds nothing is known."""
    properties = definitions.get(kind, {}).get("properties")
    if properties is None:
        return
    for name, value in item.items():
        if name in properties:
            yield from (f"{name}.{line}" for line in _unknown(value, properties[name], definitions))
        else:
            yield f": {kind} has no {name}"


def _unknown(value: Any, described: dict[str, Any], definitions: Definitions) -> Iterator[str]:
    if isinstance(value, dict) and "$ref" in described:
        yield from unknown(value, described["$ref"], definitions)
    elif isinstance(value, dict) and "additionalProperties" in described:
        for child in value.values():
            yield from _unknown(child, described["additionalProperties"], definitions)
    elif isinstance(value, list) and "items" in described:
        for child in value:
            yield from _unknown(child, described["items"], definitions)
    elif "enum" in described and value not in (None, *described["enum"]):
        yield f": {value} is not an option"

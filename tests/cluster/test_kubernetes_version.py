"""The types of Kubernetes in the schema: what the running API server has, and what the newest release has."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import refresh_kubernetes
from gifinator import ROOT
from schemas import SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Callable

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

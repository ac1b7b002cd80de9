"""No request is lost while every service moves to another tag and back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from gifinator import NEW, OLD, VALUES, Kubectl
from load import Load

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Ran

    Run = Callable[..., Ran]

# Seconds after a rollout: the old pods end by then, and whoever still sends to them would notice.
_AFTERWARDS = 8


@pytest.mark.alone
@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_no_request_is_lost_during_upgrade_and_rollback(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    """New connections through each Service of the application, as a client of the cluster makes them."""
    where = ("gifinator", "-n", namespace)
    image = ("--set", f"image.repository={repository}", "--tag", OLD)
    assert run("sametag", "install", *where, "-f", str(VALUES), *image).code == 0
    services = {
        item["metadata"]["name"]: (item["spec"]["clusterIP"], item["spec"]["ports"][0]["port"])
        for item in json.loads(kubectl("get", "services", "-n", namespace, "-o", "json"))["items"]
    }

    with Load(*services["frontend"], "/") as frontend, Load(*services["render"], "/version") as render:
        assert run("sametag", "upgrade", *where, "--tag", NEW).code == 0
        time.sleep(_AFTERWARDS)
        assert run("sametag", "rollback", *where).code == 0
        time.sleep(_AFTERWARDS)

    for load in (frontend, render):
        print(f"answers: {dict(load.answers)}, failures: {load.failures}")
        assert load.failures == []
        assert set(load.answers) == {OLD, NEW}
        assert load.answers.total() > 300

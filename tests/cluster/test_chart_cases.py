"""The chart by plain Helm: accounts that a hook shares, the chart twice in one parent, values that were forgotten."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from gifinator import NEW, OLD, ROOT, Kubectl
from small_app import healthy, shell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Ran

SMALL = {"resources": {"requests": {"cpu": "1m", "memory": "16Mi"}}}


class Release:
    """The release `shop` of a chart in a namespace, by plain Helm."""

    def __init__(self, run: Callable[..., Ran], kubectl: Kubectl, namespace: str, file: Path) -> None:
        self._run, self._kubectl, self._namespace, self._file = run, kubectl, namespace, file

    def helm(self, *words: str) -> Ran:
        return self._run("helm", *words, "-n", self._namespace, "--timeout", "100s")

    def upgrade(self, chart: Path, values: dict[str, Any], *options: str) -> Ran:
        self._file.write_text(json.dumps(values))
        return self.helm("upgrade", "--install", "shop", str(chart), "-f", str(self._file), "--wait", *options)

    def items(self, kind: str) -> dict[str, Any]:
        found = json.loads(self._kubectl("get", kind, "-n", self._namespace, "-o", "json"))["items"]
        return {item["metadata"]["name"]: item for item in found}

    def account(self) -> str:
        """Return which `shared` ServiceAccount there is: one that is made anew is another, and ends the tokens."""
        return str(self.items("serviceaccounts")["shared"]["metadata"]["uid"])


@pytest.fixture
def release(run: Callable[..., Ran], kubectl: Kubectl, namespace: str, tmp_path: Path) -> Release:
    return Release(run, kubectl, namespace, tmp_path / "values.yaml")


CHART = ROOT / "chart"


def test_an_account_that_a_hook_shares_is_there_for_the_hook_and_stays_for_the_services(
    release: Release, repository: str
) -> None:
    def values(tag: str, account: str | None = "shared") -> dict[str, Any]:
        defaults = {**SMALL, "serviceAccount": {"name": account}}
        services = {"migrate": shell("echo migrated", hook={}), "web": healthy()}
        return {"image": {"repository": repository, "tag": tag}, "defaults": defaults, "services": services}

    assert release.upgrade(CHART, values(OLD)).code == 0
    first = release.account()
    assert release.upgrade(CHART, values(NEW)).code == 0
    assert release.account() == first
    assert release.helm("rollback", "shop", "1", "--wait").code == 0
    assert release.account() == first
    # Services of their own, and then the account is new, while there is a hook before the upgrade.
    assert release.upgrade(CHART, values(OLD, account=None)).code == 0
    assert "shared" not in release.items("serviceaccounts")
    assert release.upgrade(CHART, values(NEW)).code == 0
    (pod,) = (pod for pod in release.items("pods").values() if "deletionTimestamp" not in pod["metadata"])
    assert pod["spec"]["serviceAccountName"] == "shared"
    assert release.account() != first
    assert release.helm("uninstall", "shop", "--wait").code == 0
    assert list(release.items("serviceaccounts")) == ["default"]


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_the_chart_twice_in_one_parent_runs_two_applications_that_are_apart(
    release: Release, repository: str, tmp_path: Path
) -> None:
    parent = tmp_path / "umbrella"
    shutil.copytree(CHART, parent / "charts" / "sametag")
    dependencies = [{"name": "sametag", "version": "*", "alias": alias} for alias in ("shop", "adminArea")]
    metadata = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": dependencies}
    (parent / "Chart.yaml").write_text(json.dumps(metadata))
    web = healthy(ports={"http": {"containerPort": 8080}}, writablePaths={"/tmp": {}})  # noqa: S108 - a path in the pod
    web["command"][2] = "exec httpd -f -p 8080 -h /tmp"
    one: dict[str, Any] = {
        "image": {"repository": repository, "tag": OLD},
        "defaults": {**SMALL, "preStopDelaySeconds": 0},
        "services": {"web": web},
    }
    assert release.upgrade(parent, {"shop": one, "adminArea": one}).code == 0
    assert set(release.items("deployments")) == {"shop-shop-web", "shop-adminarea-web"}
    addresses = [
        endpoint["targetRef"]["name"]
        for piece in release.items("endpointslices").values()
        for endpoint in piece["endpoints"]
    ]
    assert len(addresses) == len(set(addresses)) == 2
    assert release.helm("test", "shop").code == 0
    assert release.upgrade(parent, {"shop": one, "adminArea": {**one, "image": {**one["image"], "tag": NEW}}}).code == 0


@pytest.mark.parametrize("helm", ["HELM3"], indirect=True)
def test_an_upgrade_whose_values_were_forgotten_deletes_nothing(release: Release, repository: str) -> None:
    values = {"image": {"repository": repository, "tag": OLD}, "defaults": SMALL, "services": {"web": healthy()}}
    assert release.upgrade(CHART, values).code == 0
    for forgotten in ({}, {"image": values["image"]}, {**values, "services": {"web": {"enabled": False}}}):
        # With no values at all, Helm would keep those of the release.
        ran = release.upgrade(CHART, forgotten, "--reset-values")
        assert ran.code != 0
        assert "this upgrade would delete every workload" in ran.stderr
    assert list(release.items("deployments")) == ["shop-web"]

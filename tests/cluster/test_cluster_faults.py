"""The cluster itself fails in the middle of a rollout, and comes back: so do the services."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gifinator import NEW, OLD
from single import wait_until
from small_app import FAILED_AND_ROLLED_BACK, check, healthy, prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedded import Cluster
    from small_app import App, Ended

pytestmark = pytest.mark.alone

# A pod counts as available only after so many seconds: each rollout takes longer than that.
_SLOWLY = {"web": healthy(minReadySeconds=8), "worker": healthy()}


@pytest.mark.parametrize(("component", "seconds"), [("kube-apiserver", 20), ("etcd", 5), ("kubelet", 30)])
def test_a_rollout_outlives_a_part_of_the_cluster(
    cluster: Cluster, make_app: Callable[[str], App], component: str, seconds: float
) -> None:
    """An install, an upgrade and a rollback, each in its middle when the component stops."""
    apps = {verb: make_app(f"{component}-{verb}") for verb in ("install", "upgrade", "rollback")}
    for app in apps.values():
        app.services = _SLOWLY
    with ThreadPoolExecutor(len(apps)) as pool:
        list(pool.map(lambda verb: prepared(apps[verb], verb), apps))
        running = {
            "install": pool.submit(apps["install"].install),
            "upgrade": pool.submit(apps["upgrade"].upgrade),
            "rollback": pool.submit(apps["rollback"].run, "rollback"),
        }
        # Each has begun, and none is at its end: a pod counts only after its minReadySeconds.
        begun = {"install": 1, "upgrade": 2, "rollback": 3}
        wait_until(lambda: all(len(apps[verb].revisions()) >= number for verb, number in begun.items()))
        cluster.stop_component(component)
        try:
            time.sleep(seconds)
        finally:
            cluster.start_component(component)
        ended = {verb: future.result() for verb, future in running.items()}

    for verb, end in ended.items():
        print(f"{component} away for {seconds} s in the middle of {verb}: exit {end.code}\n{end.stderr}")
    for verb, end in ended.items():
        _is_whole(apps[verb], verb, end)
        check(apps[verb])


def _is_whole(app: App, verb: str, ended: Ended) -> None:
    """Every service is on one tag: the new one, or after a failure the old one, or there is none of a first install."""
    assert ended.code in (0, FAILED_AND_ROLLED_BACK)
    if ended.code == 0:
        assert app.everything_runs({"install": OLD, "upgrade": NEW, "rollback": OLD}[verb])
    elif verb == "install":
        assert app.kubectl.tags(app.namespace) == {}
    else:
        assert app.everything_runs({"upgrade": OLD, "rollback": NEW}[verb])

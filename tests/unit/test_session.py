"""How a change of a release begins: what nobody has verified is looked at, what is missing is named."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from sametag.chart import load
from sametag.deploy import Options, Request, Step, rollback, upgrade
from sametag.deploy.session import begin
from sametag.errors import ClusterError, HelmError, LockedError, UsageError
from sametag.kube.connection import Target
from sametag.values import Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fake_api import ApiServer
    from sametag.deploy import Event
    from sametag.helm import Revision

CORE = "/api/v1/namespaces/apps"
APPS = "/apis/apps/v1/namespaces/apps"
SECRET = f"{CORE}/secrets/sh.helm.release.v1.app.v1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/apps/leases"
IMAGE = "registry.example.com/app:1.0"
TEMPLATE = {
    "metadata": {"labels": {"app.kubernetes.io/instance": "app"}},
    "spec": {"containers": [{"name": "web", "image": IMAGE}]},
}
WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/instance": "app"}},
    "spec": {"template": TEMPLATE},
}
A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


@pytest.fixture(autouse=True)
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A helm that tells its version, and is asked for no more."""
    program = tmp_path / "helm"
    program.write_text(f"#!{sys.executable}\nprint('v4.3.1')\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def listing(items: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    return 200, {"metadata": {"resourceVersion": "1"}, "items": items}


def released(api: ApiServer, digests: Sequence[str], status: str = "deployed", **changes: Any) -> None:
    """A release with one service, and a pod for each digest."""
    record = {
        "name": "app",
        "version": 1,
        "info": {"status": status, "last_deployed": "2026-01-02T03:04:05Z", "description": "Install complete"},
        "chart": {"metadata": {"name": "sametag", "version": "0.1.0"}},
        "config": {"image": {"repository": "registry.example.com/app", "tag": "1.0"}, "services": {"web": {}}},
        "manifest": f"---\n# Source: sametag/templates/deployment.yaml\n{json.dumps(WEB)}\n",
        **changes,
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
    api.put(SECRET, {"metadata": {"creationTimestamp": "2026-01-02T03:04:05Z"}, "data": {"release": packed}})
    owner = {"apiVersion": "apps/v1", "kind": "x", "name": "x"}
    count = len(digests)
    api.answers |= {
        f"{CORE}/secrets": listing([api.objects[SECRET]]),
        f"{APPS}/deployments": listing(
            [
                {
                    "metadata": {"name": "web", "uid": "d", "generation": 1},
                    "spec": {"replicas": count, "selector": {}, "template": TEMPLATE},
                    "status": {"observedGeneration": 1, "updatedReplicas": count, "availableReplicas": count},
                }
            ]
        ),
        f"{APPS}/replicasets": listing(
            [
                {
                    "metadata": {"name": "r", "uid": "r", "ownerReferences": [{**owner, "uid": "d"}]},
                    "spec": {"selector": {}, "template": TEMPLATE},
                }
            ]
        ),
        f"{APPS}/statefulsets": listing([]),
        f"{APPS}/daemonsets": listing([]),
        "/apis/batch/v1/namespaces/apps/jobs": listing([]),
        f"{CORE}/events": listing([]),
        f"{CORE}/pods": listing([pod(f"web-{number}", digest) for number, digest in enumerate(digests)]),
    }


def pod(name: str, digest: str) -> dict[str, Any]:
    image_id = f"registry.example.com/app@{digest}" if digest else ""
    status = {"name": "web", "image": IMAGE, "imageID": image_id, "ready": True, "restartCount": 0}
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "x", "name": "x", "uid": "r"}],
        },
        "spec": {"containers": [{"name": "web", "image": IMAGE}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [status]},
    }


def history(
    api: ApiServer, told: list[Event] | None = None, then: Callable[[], object] = lambda: None, **options: Any
) -> list[Revision]:
    """Begin, do this, and return the history that was found."""
    report = ([] if told is None else told).append
    request = Request(Target(kubeconfig=str(api.kubeconfig)), "app", report, Options(**options))

    async def main() -> list[Revision]:
        async with begin(request) as deployment:
            then()
            return deployment.history

    return asyncio.run(main())


def test_a_revision_that_nobody_verified_is_verified_when_every_pod_runs_its_tag(api: ApiServer) -> None:
    released(api, [A, A])
    (found,) = history(api)

    assert (found.verified, found.note.digest, found.note.who) == (True, A, "")
    assert "PUT /api/v1/namespaces/apps/secrets/sh.helm.release.v1.app.v1" in api.requests


@pytest.mark.parametrize("digests", [[A, B], [A, ""], []])
def test_a_tag_that_stands_for_several_images_or_for_none_is_not_verified(api: ApiServer, digests: list[str]) -> None:
    released(api, digests)
    (found,) = history(api)

    assert not found.verified


def test_a_dry_run_writes_nothing_at_all(api: ApiServer) -> None:
    released(api, [A])
    history(api, dry_run=True)

    assert [request for request in api.requests if " " in request] == []


def test_a_pending_revision_without_a_dead_holder_is_in_progress(api: ApiServer) -> None:
    released(api, [A], "pending-upgrade")

    with pytest.raises(LockedError, match=r"revision 1 \(tag 1\.0\) has been pending-upgrade since 2026") as caught:
        history(api)
    assert caught.value.remedy is not None
    assert caught.value.remedy.endswith("sametag unlock app")


def test_a_pending_revision_of_a_dead_holder_is_marked_as_failed_and_told_of(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sametag.deploy.lock._DURATION", 1)
    released(api, [A], "pending-upgrade")
    times = {"acquireTime": "2026-01-02T03:04:00.000001Z", "renewTime": "2026-01-02T03:04:10.000001Z"}
    meta = {"annotations": {"sametag/revision": "1"}, "creationTimestamp": "2026-01-02T03:04:05Z"}
    spec = {"holderIdentity": "carol@ci/1", "leaseTransitions": 1, **times}
    api.put(f"{LEASES}/sametag-app", {"metadata": meta, "spec": spec})
    told: list[Event] = []
    (found,) = history(api, told)

    assert (found.status, found.note.who) == ("failed", "carol@ci")
    assert told[1:] == [
        Step("marked revision 1 (tag 1.0) as failed: the client of carol@ci died while it was pending-upgrade")
    ]


def test_who_is_told_to_end_while_the_lock_is_given_back_gives_it_back_first(api: ApiServer) -> None:
    released(api, [A])
    request = Request(Target(kubeconfig=str(api.kubeconfig)), "app", lambda _: None, Options())

    async def main() -> None:
        done = asyncio.Event()

        async def deploy() -> None:
            async with begin(request):
                done.set()

        deploying = asyncio.create_task(deploy())
        await done.wait()
        asked = len(api.requests)
        while len(api.requests) == asked:
            await asyncio.sleep(0)
        deploying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deploying

    asyncio.run(main())

    assert api.objects[f"{LEASES}/sametag-app"]["spec"]["holderIdentity"] == ""


FOREIGN: dict[str, Any] = {
    "chart": {"metadata": {"name": "redis", "version": "21.0.1"}, "values": {"image": {"tag": "8"}}},
    "config": {"architecture": "standalone"},
}


@pytest.mark.parametrize("which", [{"to_revision": 1}, {}, {"to_tag": "7"}])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_rollback_of_a_release_that_another_chart_made_is_refused(
    api: ApiServer, which: dict[str, Any], *, dry_run: bool
) -> None:
    released(api, [A], **FOREIGN)
    told: list[Event] = []
    options = Options(dry_run=dry_run)
    request = Request(Target(kubeconfig=str(api.kubeconfig)), "app", told.append, options)

    with pytest.raises(UsageError, match=r"app was not made by the sametag chart, but by redis-21\.0\.1") as refused:
        asyncio.run(rollback(request, **which))
    assert refused.value.exit_code == 2
    assert "rolling back" not in " ".join(map(str, told))


def test_an_upgrade_of_a_release_that_is_not_there_names_the_flag_that_installs_it(api: ApiServer) -> None:
    api.answers[f"{CORE}/secrets"] = listing([])
    request = Request(Target(kubeconfig=str(api.kubeconfig)), "app", lambda _: None)

    with pytest.raises(HelmError, match="there is no release app in namespace apps") as refused:
        asyncio.run(upgrade(request, load(None), Sources(tag="2")))
    assert refused.value.remedy is not None
    assert refused.value.remedy.startswith("sametag upgrade app --install (-i) installs it; ")


def test_an_upgrade_that_keeps_the_values_of_another_chart_is_refused(api: ApiServer) -> None:
    released(api, [A], **FOREIGN)
    request = Request(Target(kubeconfig=str(api.kubeconfig)), "app", lambda _: None)

    with pytest.raises(UsageError, match="was not made by the sametag chart"):
        asyncio.run(upgrade(request, load(None), Sources(tag="2")))


def test_a_namespace_that_is_missing_is_said_with_the_way_to_create_it(api: ApiServer) -> None:
    message = 'namespaces "apps" not found'
    api.answers[f"POST {LEASES}"] = (404, {"kind": "Status", "code": 404, "message": message})

    with pytest.raises(ClusterError, match=message) as caught:
        history(api)
    assert caught.value.remedy is not None
    assert "--create-namespace" in caught.value.remedy


@pytest.mark.parametrize("wait", ["0", "0s"])
def test_a_lock_timeout_of_0_gives_up_at_once(api: ApiServer, wait: str) -> None:
    released(api, [A])
    now = datetime.now(UTC)
    times = {"acquireTime": micro(now), "renewTime": micro(now)}
    spec = {"holderIdentity": "carol@ci/1", "leaseDurationSeconds": 15, "leaseTransitions": 1, **times}
    api.put(f"{LEASES}/sametag-app", {"spec": spec})
    began = time.monotonic()

    with pytest.raises(LockedError, match="release app is locked by carol@ci") as refused:
        history(api, lock_timeout=wait)
    assert refused.value.exit_code == 7
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("others", [[], ["Lease sametag-other"], ["Secret sh.helm.release.v1.other.v1", "Pod other"]])
def test_a_namespace_that_was_created_for_a_refused_install_is_removed_unless_it_is_used(
    api: ApiServer, others: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    released(api, [])
    api.answers[f"{CORE}/secrets"] = listing([])
    missing = (404, {"kind": "Status", "code": 404, "message": 'namespaces "apps" not found'})
    api.answers[f"POST {LEASES}"] = missing
    names = {"Lease": LEASES, **{kind: f"{CORE}/{kind.lower()}s" for kind in ("Secret", "ConfigMap", "Pod")}}
    told: list[Event] = []

    async def create(_: object, name: str) -> Namespace:
        del api.answers[f"POST {LEASES}"]
        api.put(CORE, {"metadata": {"uid": "n1"}})
        return Namespace(metadata=ObjectMeta(name=name, uid="n1"))

    def refuse() -> None:
        for kind, path in names.items():
            items = [{"metadata": {"name": other.split()[1]}} for other in others if other.startswith(kind)]
            root = [{"metadata": {"name": "kube-root-ca.crt"}}] if kind == "ConfigMap" else []
            api.answers[path] = listing([*items, *root])
        raise UsageError("refused")

    monkeypatch.setattr("sametag.deploy.session._create_namespace", create)
    with pytest.raises(UsageError, match="refused"):
        history(api, told, create_namespace=True, then=refuse)

    assert (CORE in api.objects) == bool(others)
    assert f"{LEASES}/sametag-app" not in api.objects
    words = "namespace apps, which was created for this install, stays: it has "
    assert [str(event).startswith(f"warning: {words}") for event in told] == [True] * bool(others)
    assert all(other in str(told[0]) for other in others)


def test_a_reason_has_helms_limit(api: ApiServer) -> None:
    with pytest.raises(UsageError, match="longer than 256 characters"):
        history(api, description="x" * 257)


def test_a_namespace_that_is_being_deleted_is_said_even_where_its_revisions_are_gone(api: ApiServer) -> None:
    api.answers[CORE] = (200, {"metadata": {"name": "apps"}, "status": {"phase": "Terminating"}})
    ending = "unable to create new content in namespace apps because it is being terminated"
    api.answers[f"POST {LEASES}"] = (403, {"kind": "Status", "code": 403, "message": ending})
    told: list[Event] = []

    with pytest.raises(ClusterError, match="namespace apps is being deleted; nothing was changed"):
        history(api, told)
    assert told == []

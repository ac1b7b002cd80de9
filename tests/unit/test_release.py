"""The history that Helm stores: read, and written without a change to what is not ours."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from sametag.errors import ClusterError, HelmError, LockedError
from sametag.helm import Revision, describe, remove, revisions
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from fake_api import ApiServer

SECRETS = "/api/v1/namespaces/apps/secrets"


def record(number: int, tag: str, status: str = "superseded", **config: Any) -> dict[str, Any]:
    return {
        "name": "app",
        "version": number,
        "info": {
            "status": status,
            "last_deployed": "2026-01-02T03:04:05.123456789+01:00",
            "description": "Upgrade complete",
        },
        "chart": {
            "metadata": {"name": "sametag", "version": "0.1.0"},
            "values": {"image": {"repository": "registry.example.com/app", "tag": "", "pullPolicy": "IfNotPresent"}},
        },
        "config": {"image": {"tag": tag}, **config},
        "manifest": "---\n",
        "apply_method": "ssa",
    }


def secret(document: dict[str, Any]) -> dict[str, Any]:
    packed = base64.b64encode(gzip.compress(json.dumps(document).encode()))
    name = f"sh.helm.release.v1.app.v{document['version']}"
    return {"metadata": {"name": name}, "data": {"release": base64.b64encode(packed).decode()}}


def read(api: ApiServer, release: str = "app") -> list[Revision]:
    async def main() -> list[Revision]:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            return await revisions(client, release)

    return asyncio.run(main())


def test_every_revision_is_read_with_its_tag_in_one_call(api: ApiServer) -> None:
    records = [record(10, "1.10", "deployed"), record(9, "1.9")]
    api.answers[SECRETS] = (200, {"metadata": {"resourceVersion": "1"}, "items": [secret(r) for r in records]})

    assert [(r.number, r.tag, r.status) for r in read(api)] == [(9, "1.9", "superseded"), (10, "1.10", "deployed")]
    assert len(api.requests) == 1


def test_the_image_is_the_users_over_the_charts() -> None:
    revision = Revision(record(1, "1.0"))

    assert (revision.image["repository"], revision.tag) == ("registry.example.com/app", "1.0")


@pytest.mark.parametrize(("admin", "tag"), [("1.0", "1.0"), ("2.0", ""), ("", "1.0")])
def test_the_tag_of_a_chart_around_others_is_the_one_that_all_of_them_have(admin: str, tag: str) -> None:
    given = record(1, "")
    dependencies = [{"name": "sametag", "alias": "shop"}, {"name": "sametag", "alias": "admin"}, {"name": "redis"}]
    values = {"shop": {"services": {"web": {}}}, "redis": {"image": {"tag": "7"}}}
    given["chart"] = {"metadata": {"name": "u", "version": "1", "dependencies": dependencies}, "values": values}
    given["config"] = {"shop": {"image": {"tag": "1.0"}}, "admin": {"services": {"web": {}}, "image": {"tag": admin}}}

    assert Revision(given).tag == tag


def test_gos_nanoseconds_are_read() -> None:
    assert Revision(record(1, "1.0")).updated.isoformat() == "2026-01-02T03:04:05.123456+01:00"


def test_a_refusal_says_which_right_is_missing(api: ApiServer) -> None:
    message = 'secrets is forbidden: User "dev" cannot list resource "secrets"'
    api.answers[SECRETS] = (403, {"kind": "Status", "code": 403, "message": message, "reason": "Forbidden"})

    with pytest.raises(ClusterError, match="cannot list resource") as caught:
        read(api)
    assert caught.value.remedy is not None
    assert "rights" in caught.value.remedy


def test_configmaps_are_read_where_helm_keeps_its_history_there(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_DRIVER", "configmap")
    item = secret(record(1, "1.0"))
    item["data"]["release"] = base64.b64decode(item["data"]["release"]).decode()
    api.answers["/api/v1/namespaces/apps/configmaps"] = (200, {"metadata": {}, "items": [item]})

    assert [r.tag for r in read(api)] == ["1.0"]


def test_a_storage_outside_the_cluster_is_refused(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM_DRIVER", "sql")

    with pytest.raises(HelmError, match="HELM_DRIVER is sql"):
        read(api)


# What Go writes and Python would write in another way, around an info that is ours to change.
RECORD = (
    '{"name":"app","before":{"info":{"status":"no"},"n":5.8467965e+07},'
    '"info" : {"first_deployed":"2026-01-02T03:04:05Z","last_deployed":"2026-01-02T03:04:05.123456789+01:00",'
    '"deleted":"","description":"Upgrade complete","status":"deployed","notes":"\\u003cb\\u003e","new":{"k":1}},'
    '"config":{"big":1e+21,"long":12345678901234567890},"version":3,"unknown":[1.0]}'
)
PATH = f"{SECRETS}/sh.helm.release.v1.app.v3"


def stored(api: ApiServer) -> str:
    packed = base64.b64decode(base64.b64decode(api.objects[PATH]["data"]["release"]))
    return gzip.decompress(packed).decode()


def keep(api: ApiServer, text: str) -> Revision:
    """Store a record as Helm does, and return it as it reads."""
    packed = base64.b64encode(base64.b64encode(gzip.compress(text.encode()))).decode()
    labels = {"name": "app", "owner": "helm", "status": "deployed", "version": "3", "mine": "too"}
    api.put(PATH, {"metadata": {"labels": labels}, "type": "helm.sh/release.v1", "data": {"release": packed}})
    return Revision(json.loads(text))


def test_a_description_is_written_and_every_other_byte_stays(api: ApiServer) -> None:
    revision = keep(api, RECORD)

    async def main() -> Revision:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            return await describe(client, revision, "Upgrade complete: <ü>")

    assert asyncio.run(main()).description == "Upgrade complete: <ü>"
    begin, end = RECORD.index('{"first_deployed'), RECORD.index(',"config"')
    assert stored(api).startswith(RECORD[:begin])
    assert stored(api).endswith(RECORD[end:])
    before, after = json.loads(RECORD)["info"], json.loads(stored(api))["info"]
    assert after == {**before, "description": "Upgrade complete: <ü>"}
    labels = api.objects[PATH]["metadata"]["labels"]
    assert labels.pop("modifiedAt").isdigit()
    assert labels == {"name": "app", "owner": "helm", "status": "deployed", "version": "3", "mine": "too"}
    assert api.objects[PATH]["type"] == "helm.sh/release.v1"


def test_a_status_is_written_in_the_record_and_in_the_label_that_helm_finds_it_by(api: ApiServer) -> None:
    revision = keep(api, RECORD.replace('"status":"deployed"', '"status":"pending-upgrade"'))

    async def main() -> Revision:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            return await describe(client, revision, "dead", status="failed")

    assert asyncio.run(main()).status == "failed"
    assert json.loads(stored(api))["info"]["status"] == "failed"
    assert api.objects[PATH]["metadata"]["labels"]["status"] == "failed"


def test_a_record_whose_status_has_changed_is_not_ours_to_write(api: ApiServer) -> None:
    read_before = keep(api, RECORD.replace('"status":"deployed"', '"status":"pending-upgrade"'))
    keep(api, RECORD)

    async def main() -> None:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            await describe(client, read_before, "dead", status="failed")

    with pytest.raises(LockedError, match="revision 3 of app was pending-upgrade and is deployed now"):
        asyncio.run(main())
    assert stored(api) == RECORD


def test_removing_what_is_gone_already_is_no_error(api: ApiServer) -> None:
    revision = keep(api, RECORD)

    async def main() -> None:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            await remove(client, revision)
            await remove(client, revision)

    asyncio.run(main())
    assert api.objects == {}

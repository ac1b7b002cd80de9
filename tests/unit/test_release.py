"""The history that Helm stores, and the revision that a rollback goes to."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from sametag.cluster import Target, connect
from sametag.errors import ClusterError, HelmError, UsageError
from sametag.release import Revision, current, last_good, revisions, rollback_target

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


def history(*entries: tuple[str, str]) -> list[Revision]:
    return [Revision(record(number, tag, status)) for number, (tag, status) in enumerate(entries, 1)]


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

    assert (revision.repository, revision.tag) == ("registry.example.com/app", "1.0")


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("registry.example.com/team/app", "mirror.example.com/team/app"),
        ("localhost:5000/app", "mirror.example.com/app"),
        ("team/app", "mirror.example.com/team/app"),
        ("app", "mirror.example.com/app"),
    ],
)
def test_a_global_registry_takes_the_place_of_the_repositorys(repository: str, expected: str) -> None:
    given = record(1, "1.0")
    given["config"] = {"image": {"repository": repository}, "global": {"imageRegistry": "mirror.example.com"}}

    assert expected == Revision(given).repository


def test_gos_nanoseconds_are_read() -> None:
    assert Revision(record(1, "1.0")).updated.isoformat() == "2026-01-02T03:04:05.123456+01:00"


def test_a_secret_that_is_no_revision_is_named(api: ApiServer) -> None:
    broken = {"metadata": {"name": "sh.helm.release.v1.app.v1"}, "data": {"release": "bm90IGd6aXA="}}
    api.answers[SECRETS] = (200, {"metadata": {}, "items": [broken]})

    with pytest.raises(ClusterError, match=r"sh\.helm\.release\.v1\.app\.v1 cannot be decoded"):
        read(api)


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


def test_no_such_release_is_said_with_its_namespace() -> None:
    with pytest.raises(HelmError, match="no release app in namespace apps"):
        current([], "app", "apps")


def test_a_failed_revision_is_not_the_last_good_one() -> None:
    found = last_good(history(("1.0", "superseded"), ("2.0", "deployed"), ("3.0", "failed")))

    assert found is not None
    assert found.number == 2


@pytest.mark.parametrize(
    ("entries", "number"),
    [
        ([("1.0", "superseded"), ("2.0", "deployed")], 1),
        # The failure was left in place: what worked last is the way back.
        ([("1.0", "superseded"), ("2.0", "deployed"), ("3.0", "failed")], 2),
        # It was rolled back: plain Helm would redeploy the failed 3.0 now.
        ([("1.0", "superseded"), ("2.0", "superseded"), ("3.0", "failed"), ("2.0", "deployed")], 1),
        # Only values changed in between: the tag is what counts.
        ([("1.0", "superseded"), ("2.0", "superseded"), ("2.0", "deployed")], 1),
    ],
)
def test_rollback_goes_to_the_newest_good_revision_with_another_tag(
    entries: list[tuple[str, str]], number: int
) -> None:
    assert number == rollback_target(history(*entries)).number


def test_rollback_to_a_tag_takes_its_newest_deployed_revision() -> None:
    entries = history(("1.0", "superseded"), ("1.0", "superseded"), ("1.0", "failed"), ("2.0", "deployed"))

    assert rollback_target(entries, to_tag="1.0").number == 2


def test_a_tag_that_never_worked_is_no_target() -> None:
    with pytest.raises(UsageError, match=r"no deployed revision has the tag 3\.0") as caught:
        rollback_target(history(("1.0", "superseded"), ("2.0", "deployed"), ("3.0", "failed")), to_tag="3.0")
    assert caught.value.remedy == "tags in the history: 1.0, 2.0"


def test_a_revision_that_helm_has_forgotten_is_said() -> None:
    with pytest.raises(UsageError, match="no revision 7") as caught:
        rollback_target(history(("1.0", "deployed")), to_revision=7)
    assert caught.value.remedy == "Helm still has: 1"


def test_with_one_tag_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(UsageError, match="nothing to go back to"):
        rollback_target(history(("1.0", "superseded"), ("1.0", "deployed")))

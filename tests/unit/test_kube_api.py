"""What is asked of the API server about one object, and what its answers mean."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sametag.errors import ClusterError
from sametag.kube.api import Answer, Api, Objection, answer_or_refusal
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fake_api import ApiServer

CORE = "/api/v1/namespaces/apps"
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}


def ask(api: ApiServer, question: Callable[[Api], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            return await question(Api(client))

    return asyncio.run(main())


def named(name: str, **metadata: str) -> dict[str, Any]:
    return {**CONFIG, "metadata": {"name": name, **metadata}}


def status(code: int, message: str, *causes: dict[str, str]) -> tuple[int, dict[str, Any]]:
    return code, {"kind": "Status", "code": code, "message": message, "details": {"causes": list(causes)}}


@pytest.mark.parametrize(
    ("item", "path"),
    [
        (named("../../secrets/x"), f"{CORE}/configmaps/..%2F..%2Fsecrets%2Fx"),
        (named("a?b#c d"), f"{CORE}/configmaps/a%3Fb%23c%20d"),
        (named("web", namespace="../kube-system"), "/api/v1/namespaces/..%2Fkube-system/configmaps/web"),
        ({**named("system:x/y"), "kind": "Node"}, "/api/v1/nodes/system%3Ax%2Fy"),
    ],
)
def test_names_are_quoted_in_paths(api: ApiServer, item: dict[str, Any], path: str) -> None:
    assert ask(api, lambda client: client.get(item)) is None

    assert api.requests == [path]


def test_a_log_is_read_of_the_pod_of_that_name_alone(api: ApiServer) -> None:
    api.answers[f"{CORE}/pods/a%2Fb/log"] = (200, {})

    assert ask(api, lambda client: client.log("a/b", {"container": "web"})) == "{}"
    assert api.requests == [f"{CORE}/pods/a%2Fb/log?container=web"]


def test_kinds_that_are_not_built_in_are_discovered_once(api: ApiServer) -> None:
    lens = {"apiVersion": "optics.example.com/v1", "kind": "Lens", "metadata": {"name": "wide"}}
    kinds = [
        {"name": "lenses/status", "kind": "Lens", "namespaced": True},
        {"name": "lenses", "kind": "Lens", "namespaced": True},
    ]
    api.answers["/apis/optics.example.com/v1"] = (200, {"resources": kinds})

    async def twice(client: Api) -> list[Any]:
        return [await client.get(lens), await client.get(lens)]

    assert ask(api, twice) == [None, None]
    path = "/apis/optics.example.com/v1/namespaces/apps/lenses/wide"
    assert api.requests == ["/apis/optics.example.com/v1", path, path]


def test_a_valid_object_has_no_objections(api: ApiServer) -> None:
    api.answers[f"PATCH {CORE}/configmaps/web"] = (201, {})

    assert ask(api, lambda client: client.objections(CONFIG)) == Answer((), exists=False)
    (request,) = api.requests
    assert request.partition("?")[2].split("&") == [
        "fieldManager=helm",
        "dryRun=All",
        "fieldValidation=Strict",
        "force=true",
    ]


def test_objections_are_told_by_field(api: ApiServer) -> None:
    cause = {"field": "data[a b]", "message": "a valid config key must consist of alphanumeric characters"}
    api.answers[f"PATCH {CORE}/configmaps/web"] = status(422, "ConfigMap is invalid", cause)
    api.answers[f"POST {CORE}/configmaps"] = status(422, "ConfigMap is invalid", cause)

    answer = ask(api, lambda client: client.objections(CONFIG))

    assert answer == Answer((Objection(cause["field"], cause["message"]),))
    assert not answer.taken


def test_only_the_change_can_be_wrong_where_a_valid_object_exists(api: ApiServer) -> None:
    immutable = {"field": "data", "message": "field is immutable when `immutable` is set"}
    theirs = {"field": "data[x]", "message": "is not ours"}
    api.answers[f"PATCH {CORE}/configmaps/web"] = status(422, "invalid", immutable, theirs)
    api.answers[f"POST {CORE}/configmaps"] = status(409, "it exists")
    hook = {**CONFIG, "metadata": {"name": "web", "annotations": {"helm.sh/hook": "pre-install"}}}

    assert ask(api, lambda client: client.objections(CONFIG)) == Answer(
        (Objection(immutable["field"], immutable["message"]),), exists=True
    )
    assert ask(api, lambda client: client.objections(hook)) == Answer((), exists=True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(404, 'namespaces "apps" not found'), "namespace apps does not exist"),
        (
            status(403, 'User "jo" cannot patch resource "configmaps"'),
            'the cluster rejected the request: User "jo" cannot patch',
        ),
        (status(503, "away"), "the cluster rejected the request: away"),
    ],
)
def test_what_is_not_about_the_object_is_an_error(
    api: ApiServer, answer: tuple[int, dict[str, Any]], words: str
) -> None:
    api.answers[f"PATCH {CORE}/configmaps/web"] = answer

    with pytest.raises(ClusterError, match=words):
        ask(api, lambda client: client.objections(CONFIG))


@pytest.mark.parametrize("kind", ["Lens", "CronJob"])
def test_a_kind_that_the_cluster_does_not_have_is_an_objection(api: ApiServer, kind: str) -> None:
    item = {"apiVersion": "optics.example.com/v1" if kind == "Lens" else "batch/v1", "kind": kind}
    # Neither does the API server answer with a Status where a kind is missing that others have.
    api.answers["PATCH /apis/batch/v1/namespaces/apps/cronjobs/web"] = (404, {})

    answer = ask(api, lambda client: client.objections({**item, "metadata": {"name": "web"}}))

    assert answer == Answer((Objection("", f"the cluster has no kind {kind} in {item['apiVersion']}"),))


def test_a_refusal_without_a_status_is_told_by_its_code(api: ApiServer) -> None:
    api.answers[f"PUT {CORE}/configmaps/web"] = (413, {})

    refusal = ask(api, lambda client: answer_or_refusal(client.replace(CONFIG, dry_run=True)))

    assert (refusal.code, refusal.message) == (413, "HTTP 413 Request Entity Too Large")

"""A missing right is named before anything is changed; the documented Role has every right that is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sametag.deploy.permissions import RENDERED, WATCHED, refuse_missing
from sametag.errors import ClusterError
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from fake_api import ApiServer

REVIEW = "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
ROLE = yaml.safe_load((Path(__file__).parents[2] / "docs/reference/role.yaml").read_text())
MANIFEST = "---\nkind: Deployment\n---\nkind: Route\napiVersion: example.com/v1\n---\nkind: Service\n"


def ask(api: ApiServer, rules: list[dict[str, Any]], *, incomplete: bool = False, manifest: str = MANIFEST) -> str:
    status = {"resourceRules": rules, "nonResourceRules": [], "incomplete": incomplete}
    api.answers[REVIEW] = (201, {"spec": {}, "status": status})

    async def main() -> str:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            return await refuse_missing(client, "apps", manifest)

    return asyncio.run(main())


def without(resource: str, verb: str) -> list[dict[str, Any]]:
    """Return the rules of the documented Role, less one right."""
    rules = [
        {"apiGroups": rule["apiGroups"], "resources": [name], "verbs": list(rule["verbs"])}
        for rule in ROLE["rules"]
        for name in rule["resources"]
    ]
    for rule in rules:
        if rule["resources"] == [resource]:
            rule["verbs"].remove(verb)
    return rules


def test_the_documented_role_is_enough_for_every_kind_that_the_chart_renders(api: ApiServer) -> None:
    ask(api, ROLE["rules"], manifest="\n---\n".join(f"kind: {kind}" for kind in RENDERED))


def test_whoever_may_do_all_lacks_nothing(api: ApiServer) -> None:
    ask(api, [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])


@pytest.mark.parametrize(
    ("resource", "verb", "told"),
    [
        ("secrets", "update", "update secrets"),
        ("deployments", "patch", "patch deployments.apps"),
        ("services", "create", "create services"),
        *((resource, "watch", f"watch {resource}{'.' * bool(group)}{group}") for group, resource in WATCHED),
    ],
)
def test_a_missing_permission_is_named(api: ApiServer, resource: str, verb: str, told: str) -> None:
    with pytest.raises(ClusterError, match=f"missing permissions in namespace apps: {told}; nothing was changed"):
        ask(api, without(resource, verb))


def test_permissions_for_kinds_that_are_not_rendered_are_not_required(api: ApiServer) -> None:
    ask(api, without("ingresses", "patch"))


def test_of_many_missing_permissions_the_first_are_named_and_the_others_counted(api: ApiServer) -> None:
    with pytest.raises(ClusterError, match=r"get secrets, list secrets, .* and \d+ more; nothing was changed"):
        ask(api, [])


def test_a_webhook_that_does_not_tell_its_rules_refuses_nobody(api: ApiServer) -> None:
    ask(api, [], incomplete=True)


def test_revisions_in_configmaps_need_the_rights_to_those(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM_DRIVER", "configmap")

    with pytest.raises(ClusterError, match="missing permissions in namespace apps: update configmaps; nothing"):
        ask(api, without("configmaps", "update"))


def test_who_may_not_delete_pods_is_warned_where_there_is_a_statefulset(api: ApiServer) -> None:
    stateful = "kind: StatefulSet\n"

    assert ask(api, ROLE["rules"], manifest=stateful) == ""
    assert ask(api, without("pods", "delete")) == ""
    assert "delete pods" in ask(api, without("pods", "delete"), manifest=stateful)

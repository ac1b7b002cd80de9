"""The defaults are the secure ones: nothing but an image and commands is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rendering import Chart, Rendered

HTTP = {"http": {"containerPort": 8080}}
EVERY_KIND: dict[str, Any] = {
    "web": {"command": ["web"], "ports": HTTP, "sidecars": [{"name": "a"}], "initContainers": [{"name": "b"}]},
    "set": {"kind": "StatefulSet", "command": ["set"]},
    "daemon": {"kind": "DaemonSet", "command": ["daemon"]},
    "job": {"kind": "Job", "command": ["job"]},
    "hook": {"hook": {}, "command": ["hook"]},
    "cron": {"kind": "CronJob", "command": ["cron"], "cronJob": {"schedule": "@daily"}},
}


def pods(rendered: Rendered) -> list[dict[str, Any]]:
    """Return the spec of every pod that the release may start."""
    found = []
    for each in rendered.objects:
        spec = each.get("spec", {})
        spec = spec["jobTemplate"]["spec"] if each["kind"] == "CronJob" else spec
        if "template" in spec or each["kind"] == "Pod":
            found.append(spec if each["kind"] == "Pod" else spec["template"]["spec"])
    return found


@pytest.fixture
def every_pod(render: Chart) -> list[dict[str, Any]]:
    found = pods(render(EVERY_KIND))
    assert len(EVERY_KIND) + 1 == len(found), "the test of the release is one too"
    return found


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["containers"], *pod.get("initContainers", [])]


def test_every_pod_passes_the_restricted_standard(every_pod: list[dict[str, Any]]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    for pod in every_pod:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for container in containers(pod):
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_no_pod_is_root_or_writes_its_image(every_pod: list[dict[str, Any]]) -> None:
    for pod in every_pod:
        context = pod["securityContext"]
        assert [context["runAsUser"], context["runAsGroup"], context["fsGroup"]] == [65532] * 3
        for container in containers(pod):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_no_pod_knows_the_cluster(every_pod: list[dict[str, Any]]) -> None:
    for pod in every_pod:
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False


def test_every_container_has_requests_and_limits_and_no_cpu_limit(every_pod: list[dict[str, Any]]) -> None:
    for pod in every_pod:
        for container in containers(pod):
            assert {"cpu", "memory", "ephemeral-storage"} == container["resources"]["requests"].keys()
            assert {"memory", "ephemeral-storage"} == container["resources"]["limits"].keys()


def test_each_service_is_somebody_of_its_own(render: Chart) -> None:
    rendered = render({"web": {"command": ["web"]}, "api": {"command": ["api"]}})
    assert {"app-web", "app-api"} == rendered.all("ServiceAccount").keys()
    assert rendered.pod("app-web")["spec"]["serviceAccountName"] == "app-web"
    assert all(a["automountServiceAccountToken"] is False for a in rendered.all("ServiceAccount").values())


def test_rights_bring_the_token_and_are_the_services_own(render: Chart) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    rendered = render({"web": {"command": ["web"], "rules": rules}, "api": {"command": ["api"]}})
    assert rules == rendered.one("Role")["rules"]
    assert rendered.one("RoleBinding")["subjects"] == [
        {"kind": "ServiceAccount", "name": "app-web", "namespace": "demo"}
    ]
    assert rendered.pod("app-web")["spec"]["automountServiceAccountToken"] is True
    assert rendered.pod("app-api")["spec"]["automountServiceAccountToken"] is False


def test_services_may_share_an_account_or_use_another(render: Chart) -> None:
    shared = {"name": "shared", "annotations": {"role": "a"}}
    rendered = render(
        {
            "web": {"command": ["web"], "serviceAccount": shared},
            "api": {"command": ["api"], "serviceAccount": shared},
            "old": {"command": ["old"], "serviceAccount": {"create": False, "name": "old"}},
            "none": {"command": ["none"], "serviceAccount": {"create": False}},
        }
    )
    assert rendered.one("ServiceAccount")["metadata"]["annotations"] == {"role": "a"}
    names = [rendered.pod(f"app-{name}")["spec"].get("serviceAccountName") for name in ("web", "api", "old", "none")]
    assert names == ["shared", "shared", "old", None]


def test_every_pod_is_selected_by_a_network_policy(render: Chart) -> None:
    rendered = render(EVERY_KIND)
    selected = {
        policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for policy in rendered.all("NetworkPolicy").values()
    }
    assert EVERY_KIND.keys() == selected

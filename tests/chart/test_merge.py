"""`defaults` and a service: maps merge, lists and scalars of the service win, null removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rendering import BOTH_HELMS

if TYPE_CHECKING:
    from rendering import Chart

pytestmark = BOTH_HELMS


def test_maps_merge_at_every_level(render: Chart) -> None:
    defaults = {"resources": {"limits": {"memory": "1Gi"}}, "env": {"A": "1", "B": "2"}}
    services = {"web": {"command": ["web"], "resources": {"limits": {"cpu": "1"}}, "env": {"B": "3"}}}
    container = render(services, defaults=defaults).container("app-web")
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]


def test_lists_and_scalars_of_the_service_win(render: Chart) -> None:
    defaults = {"args": ["a", "b"], "replicas": 3}
    rendered = render({"web": {"command": ["web"], "args": ["c"], "replicas": 1}}, defaults=defaults)
    assert rendered.container("app-web")["args"] == ["c"]
    assert rendered.one("Deployment")["spec"]["replicas"] == 1


def test_null_removes_wherever_it_stands(render: Chart) -> None:
    defaults = {"env": {"A": "1"}, "args": ["a"], "resources": {"limits": {"memory": None}}}
    services = {
        "web": {
            "command": ["web"],
            "env": None,
            "args": None,
            "securityContext": None,
            "podSecurityContext": {"fsGroup": None},
            "labels": {"team": None},
        }
    }
    rendered = render(services, defaults=defaults)
    container = rendered.container("app-web")
    assert not {"env", "args", "securityContext"} & container.keys()
    assert "memory" not in container["resources"]["limits"]
    assert "fsGroup" not in rendered.pod("app-web")["spec"]["securityContext"]
    assert "null" not in rendered.text


def test_what_one_service_overrides_stays_with_it(render: Chart) -> None:
    """The merged maps share what nothing overrides: a change of one must not reach another."""
    services = {
        "a": {"command": ["a"], "resources": {"limits": {"memory": "9Gi"}}, "securityContext": {"runAsUser": 1}},
        "b": {"command": ["b"]},
        "c": {"command": ["c"], "resources": {"limits": {"memory": None}}},
    }
    rendered = render(services)
    assert rendered.container("app-b")["resources"]["limits"]["memory"] == "512Mi"
    assert "runAsUser" not in rendered.container("app-b")["securityContext"]
    assert "memory" not in rendered.container("app-c")["resources"]["limits"]


def test_a_service_that_is_null_or_disabled_is_not_there(render: Chart) -> None:
    rendered = render({"web": {"command": ["web"]}, "gone": None, "off": {"enabled": False}})
    assert list(rendered.all("Deployment")) == ["app-web"]


def test_values_that_are_all_null_render_nothing(render: Chart) -> None:
    assert render({"web": None}, defaults=None, namePrefix=None).objects == []


def test_zero_is_a_number_like_any_other(render: Chart) -> None:
    """Templates that ask whether a value is there lose it."""
    zeros = {"terminationGracePeriodSeconds": 0, "revisionHistoryLimit": 0, "preStopDelaySeconds": 0}
    service = {"command": ["web"], "ports": {"http": {"containerPort": 80}}, "env": {"A": 0, "B": False}, **zeros}
    rendered = render({"web": service, "job": {"kind": "Job", "command": ["j"], "job": {"backoffLimit": 0}}})
    assert rendered.pod("app-web")["spec"]["terminationGracePeriodSeconds"] == 0
    assert rendered.one("Deployment")["spec"]["revisionHistoryLimit"] == 0
    assert rendered.one("Job")["spec"]["backoffLimit"] == 0
    assert "lifecycle" not in rendered.container("app-web")
    assert [each["value"] for each in rendered.container("app-web")["env"]] == ["0", "false"]


def test_zero_replicas_are_kept(render: Chart) -> None:
    assert render({"web": {"command": ["web"], "replicas": 0}}).one("Deployment")["spec"]["replicas"] == 0

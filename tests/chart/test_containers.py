"""What runs in a pod: variables, probes, files, helpers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from rendering import CHART

if TYPE_CHECKING:
    from rendering import Chart

HTTP = {"http": {"containerPort": 8080}}


def env_of(render: Chart, env: dict[str, Any], **service: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = render({"web": {"command": ["web"], "env": env, **service}}).container("app-web")[
        "env"
    ]
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (8080, "8080"),
        (1000000, "1000000"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        ("", ""),
        ("1.10", "1.10"),
        ('a "b" \\ $c\n\té', 'a "b" \\ $c\n\té'),
        ("{{ .Values }}", "{{ .Values }}"),
    ],
)
def test_a_variable_is_what_was_written(render: Chart, value: object, expected: str) -> None:
    assert [{"name": "A", "value": expected}] == env_of(render, {"A": value})


def test_variables_come_from_secrets_config_maps_and_the_pod(render: Chart) -> None:
    env = {
        "A": {"secret": "s", "key": "k"},
        "B": {"configMap": "c", "key": "k", "optional": True},
        "C": {"field": "status.podIP"},
        "D": {"valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
    }
    assert env_of(render, env) == [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
    ]


def test_a_variable_that_uses_others_comes_after_them(render: Chart) -> None:
    """Kubernetes fills in only what stands before."""
    names = [each["name"] for each in env_of(render, {"ALL": "$(HOST):$(PORT)", "HOST": "h", "PORT": 1})]
    assert names == ["HOST", "PORT", "ALL"]


def test_variables_stand_after_those_that_they_use_however_long_the_chain(render: Chart) -> None:
    env = {
        "A": "$(D)/$(C)",
        "B": "x",
        "C": "$(E)",
        "D": "$(C)$(SECRET)",
        "E": "$(B)",
        "SECRET": {"secret": "s", "key": "k"},
    }
    for service in (
        {"env": env},
        {"sidecars": [{"name": "s", "env": env}]},
        {"initContainers": [{"name": "s", "env": env}]},
    ):
        spec = render({"web": {"command": ["web"], **service}}).pod("app-web")["spec"]
        (found,) = (c["env"] for c in spec["containers"] + spec.get("initContainers", []) if "env" in c)
        assert [variable["name"] for variable in found] == ["B", "SECRET", "E", "C", "D", "A"]


def test_variables_that_need_no_other_order_keep_theirs(render: Chart) -> None:
    """Another order would restart every pod."""
    env = {"C": "$(A)", "A": "1", "D": "$(A)", "B": "$$(D)", "E": "$(NOWHERE)"}
    assert [variable["name"] for variable in env_of(render, env)] == ["A", "B", "C", "D", "E"]


@pytest.mark.parametrize(
    ("env", "circle"),
    [
        ({"A": "$(B)", "B": "$(C)", "C": "$(B)"}, "B refers to itself: B -> C -> B"),
        ({"A": "$$$(A)"}, "A refers to itself: A -> A"),
    ],
)
def test_a_circle_of_variables_is_refused(render: Chart, env: dict[str, str], circle: str) -> None:
    assert f"services.web.env.{circle}" in render.refusal({"web": {"command": ["web"], "env": env}})
    helper = {"command": ["web"], "sidecars": [{"name": "a"}, {"name": "b", "env": env}]}
    assert f"services.web.sidecars[1].env.{circle}" in render.refusal({"web": helper})


def test_an_escaped_reference_is_none_and_one_to_the_same_name_elsewhere_is_no_circle(render: Chart) -> None:
    assert env_of(render, {"A": "$$(A)"}) == [{"name": "A", "value": "$$(A)"}]
    source = [{"secretRef": {"name": "s"}}]
    assert env_of(render, {"A": "$(A)/x"}, envFrom=source) == [{"name": "A", "value": "$(A)/x"}]


def test_a_list_of_variables_keeps_its_order_and_replaces_those_of_defaults(render: Chart) -> None:
    env = [
        {"name": "Z", "value": 8080},
        {"name": "A", "value": "$(Z)"},
        {"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "EMPTY"},
    ]
    rendered = render({"web": {"command": ["web"], "env": env}}, defaults={"env": {"LEVEL": "info"}})
    assert rendered.container("app-web")["env"] == [{"name": "Z", "value": "8080"}, *env[1:]]


def test_a_name_of_the_services_own_secret_means_that_one(render: Chart) -> None:
    env = {"A": {"secret": "login", "key": "k"}, "B": {"secret": "there", "key": "k"}}
    secrets = {"login": {"data": {"k": "v"}}, "there": {"existing": "elsewhere"}}
    names = [each["valueFrom"]["secretKeyRef"]["name"] for each in env_of(render, env, secrets=secrets)]
    assert names == ["app-web-login", "elsewhere"]


def test_short_probes_ask_over_http_or_the_port(render: Chart) -> None:
    def probes(**probes: object) -> dict[str, Any]:
        return render({"web": {"command": ["web"], "ports": HTTP, "probes": probes}}).container("app-web")

    container = probes(port="http", path="/live", readinessPath="/ready")
    assert container["livenessProbe"]["httpGet"] == {"path": "/live", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}
    assert container["startupProbe"]["httpGet"] == {"path": "/live", "port": "http"}
    assert probes(port=8080)["livenessProbe"]["tcpSocket"] == {"port": 8080}


def test_a_slow_start_is_no_failed_start_and_fails_before_the_rollout(render: Chart) -> None:
    rendered = render({"web": {"command": ["web"], "ports": HTTP, "probes": {"port": "http"}}})
    probe = rendered.container("app-web")["startupProbe"]
    longest = probe["periodSeconds"] * probe["failureThreshold"]
    assert 60 <= longest < rendered.one("Deployment")["spec"]["progressDeadlineSeconds"]


def test_a_full_probe_stands_in_the_place_of_the_short_one(render: Chart) -> None:
    own = {"exec": {"command": ["check"]}}
    service = {"command": ["web"], "ports": HTTP, "probes": {"port": "http", "liveness": own}}
    container = render({"web": service}).container("app-web")
    assert own == container["livenessProbe"]
    assert "tcpSocket" in container["readinessProbe"]


def test_there_are_no_probes_unless_asked_for(render: Chart) -> None:
    container = render({"web": {"command": ["web"], "ports": HTTP}}).container("app-web")
    assert not {"livenessProbe", "readinessProbe", "startupProbe"} & container.keys()


def test_a_probe_of_a_port_that_is_not_there_is_refused(render: Chart) -> None:
    service = {"command": ["web"], "ports": HTTP, "probes": {"port": "htp"}}
    assert "services.web.probes.port refers to unknown port htp (ports: http)" in render.refusal({"web": service})


def test_a_pod_with_ports_waits_before_it_stops(render: Chart) -> None:
    """Those who have not heard that it stops still send requests."""
    rendered = render({"web": {"command": ["web"], "ports": HTTP}, "worker": {"command": ["worker"]}})
    delay = rendered.container("app-web")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 0 < delay < rendered.pod("app-web")["spec"]["terminationGracePeriodSeconds"]
    assert "lifecycle" not in rendered.container("app-worker")


def test_the_delay_gives_way_to_the_users_hook_or_to_zero(render: Chart) -> None:
    own = {"preStop": {"exec": {"command": ["drain"]}}}
    web = {"command": ["web"], "ports": HTTP}
    assert own == render({"web": {**web, "lifecycle": own}}).container("app-web")["lifecycle"]
    assert "lifecycle" not in render({"web": {**web, "preStopDelaySeconds": 0}}).container("app-web")


def test_writable_paths_are_folders_of_a_limited_size(render: Chart) -> None:
    paths = {"/tmp": {}, "/cache": {"sizeLimit": "1Gi", "medium": "Memory"}}  # noqa: S108 - a path in the pod
    rendered = render({"web": {"command": ["web"], "writablePaths": paths}})
    volumes = {v["name"]: v["emptyDir"] for v in rendered.pod("app-web")["spec"]["volumes"]}
    mounted = {m["mountPath"]: volumes[m["name"]] for m in rendered.container("app-web")["volumeMounts"]}
    assert mounted == {"/cache": {"sizeLimit": "1Gi", "medium": "Memory"}, "/tmp": {"sizeLimit": "64Mi"}}  # noqa: S108


def test_config_is_files_or_variables(render: Chart) -> None:
    config = {
        "files": {"mountPath": "/etc/app", "data": {"a.ini": "x = 1\n\ny = 2\n", "on": "off"}},
        "one": {"mountPath": "/etc/one.pem", "subPath": "one.pem", "existing": "shared"},
        "flags": {"env": True, "data": {"BIG": 1000000, "ON": True}},
    }
    rendered = render({"web": {"command": ["web"], "config": config}})
    maps = rendered.all("ConfigMap")
    assert maps["app-web-files"]["data"] == {"a.ini": "x = 1\n\ny = 2\n", "on": "off"}
    assert maps["app-web-flags"]["data"] == {"BIG": "1000000", "ON": "true"}
    assert len(maps) == 2
    container = rendered.container("app-web")
    assert container["envFrom"] == [{"configMapRef": {"name": "app-web-flags"}}]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts["/etc/one.pem"]["subPath"] == "one.pem"
    volumes = {v["name"]: v["configMap"]["name"] for v in rendered.pod("app-web")["spec"]["volumes"]}
    assert (
        volumes[mounts["/etc/app"]["name"]],
        volumes[mounts["/etc/one.pem"]["name"]],
    ) == ("app-web-files", "shared")


@pytest.mark.parametrize("text", ["", "a", "a\n", "\na\n\n", "  a\n b", "a: b # c", "tab\there", "é\u2028", "a\\n"])
def test_a_file_is_what_was_written(render: Chart, text: str) -> None:
    config = {"a": {"data": {"file": text}}}
    assert {"file": text} == render({"web": {"command": ["web"], "config": config}}).one("ConfigMap")["data"]


def test_secrets_are_encoded_once(render: Chart) -> None:
    secret = render({"web": {"command": ["web"], "secrets": {"a": {"data": {"b": "c", "n": 5}}}}}).one("Secret")
    assert secret["data"] == {"b": "Yw==", "n": "NQ=="}


def test_a_change_of_content_rolls_the_services_that_use_it_and_no_others(render: Chart) -> None:
    def pods(content: str) -> list[Any]:
        using = {"command": ["web"], "config": {"a": {"data": {"b": content}}}}
        rendered = render({"using": using, "other": {"command": ["other"]}})
        return [rendered.pod("app-using"), rendered.pod("app-other")]

    before, after = pods("1"), pods("2")
    assert before[0] != after[0]
    assert before[1] == after[1]
    assert pods("1") == before


def test_two_volumes_at_one_path_are_refused(render: Chart) -> None:
    service = {
        "command": ["web"],
        "writablePaths": {"/data": {}},
        "volumes": {"data": {"mountPath": "/data", "emptyDir": {}}},
    }
    assert "services.web mounts two volumes at /data: writable-" in render.refusal({"web": service})


def test_a_claim_outlives_the_release(render: Chart) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    rendered = render({"web": {"command": ["web"], "volumes": {"data": {"mountPath": "/data", "claim": claim}}}})
    found = rendered.one("PersistentVolumeClaim")
    assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    (volume,) = rendered.pod("app-web")["spec"]["volumes"]
    assert {"claimName": found["metadata"]["name"]} == volume["persistentVolumeClaim"]


def test_helpers_get_the_defaults_of_security_and_resources(render: Chart) -> None:
    helpers = [{"name": "a", "env": {"B": 1}, "securityContext": {"runAsUser": 7}}, {"name": "b", "resources": {}}]
    sidecars = render({"web": {"command": ["web"], "sidecars": helpers}}).pod("app-web")["spec"]["containers"][1:]
    before = render({"web": {"command": ["web"], "initContainers": helpers}}).pod("app-web")["spec"]["initContainers"]
    for containers in (sidecars, before):
        assert [each["name"] for each in containers] == ["a", "b"]
        assert containers[0]["env"] == [{"name": "B", "value": "1"}]
        assert containers[0]["securityContext"]["runAsUser"] == 7
        assert containers[0]["securityContext"]["readOnlyRootFilesystem"] is True
        assert containers[0]["resources"]["limits"]["memory"] == "512Mi"


# Double encoding makes U+0080 to U+009F; toYaml makes nothing of a value with one.
ODD = ["Stra\u00c3\u009fe <&>", "a\u2028b\n", "\x7f", "\x85", "plain"]


def test_text_with_characters_that_yaml_cannot_hold_arrives_as_it_was_written(render: Chart) -> None:
    exec_all = {"exec": {"command": ODD}}
    service: dict[str, Any] = {
        "command": ["web"],
        "args": ODD,
        "config": {"c": {"data": {f"k{number}": text for number, text in enumerate(ODD)}, "env": True}},
        "lifecycle": {"postStart": exec_all},
        "probes": {"liveness": exec_all},
        "sidecars": [{"name": "s", "image": "app:1", "args": ODD, "command": ["s"]}],
    }
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": ODD[0], "l": ODD[1]}}
    rendered = render({"web": service}, extraObjects=[extra])
    web, sidecar = rendered.pod("app-web")["spec"]["containers"]
    assert [web["args"], web["lifecycle"]["postStart"]["exec"]["command"], sidecar["args"]] == [ODD] * 3
    assert [web["livenessProbe"]["exec"]["command"], sidecar["command"]] == [ODD, ["s"]]
    data = {name: made["data"] for name, made in rendered.all("ConfigMap").items()}
    assert data == {"app-web-c": service["config"]["c"]["data"], "x": extra["data"]}


def test_the_same_holds_for_every_setting_that_is_rendered_as_it_is(render: Chart) -> None:
    settings: dict[str, Any] = {
        "volumes": {"share": {"mountPath": "/s", "nfs": {"server": "nfs", "path": f"/{ODD[0]}"}}},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "resourceNames": ODD, "verbs": ["get"]}],
        "keda": {"triggers": [{"type": "cron", "metadata": {"query": ODD[0]}}]},
    }
    rendered = render({"web": {"command": ["web"], **settings}})
    assert {"name": "share", "nfs": settings["volumes"]["share"]["nfs"]} in rendered.pod("app-web")["spec"]["volumes"]
    assert rendered.one("Role")["rules"] == settings["rules"]
    assert rendered.one("ScaledObject")["spec"]["triggers"] == settings["keda"]["triggers"]


def test_no_template_writes_yaml_in_another_way() -> None:
    actions = [
        (file.name, action)
        for file in sorted((CHART / "templates").iterdir())
        for action in re.findall(r"\{\{(?!-? */\*)[^}]*\btoYaml\b[^}]*\}\}", file.read_text())
    ]
    assert actions == [("_prepare.tpl", "{{- toYaml . }}")]

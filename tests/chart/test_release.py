"""The chart as a whole: lint, notes, more objects, the test of a release, another chart's dependency."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from rendering import BOTH_HELMS, CHART, KUBERNETES, objects_of
from sametag import chart as charts
from sametag import values
from sametag.validation import subcharts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rendering import Chart

WEB = {"command": ["web"], "ports": {"http": {"containerPort": 8080, "port": 80}}}


def test_lint_is_clean_with_the_charts_own_values(helm: str, render: Chart) -> None:
    command = [helm, "lint", "--strict", "--kube-version", KUBERNETES, str(CHART)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "1 chart(s) linted, 0 chart(s) failed" in ran.stdout + ran.stderr
    assert "[WARNING]" not in ran.stdout
    assert render({}).objects == []


def test_more_objects_are_written_as_they_are_and_templates_run_in_strings(render: Chart) -> None:
    theirs = {"url": "postgres://{{ .user }}:{{ .password }}@db/{{`x`}}", "n": "1.10"}
    extra = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": theirs},
        "apiVersion: v1\nkind: LimitRange\nmetadata:\n  name: {{ .Release.Name }}-{{ .Values.image.tag | quote }}\n",
    ]
    rendered = render({"web": WEB}, extraObjects=extra)
    assert theirs == rendered.one("ConfigMap")["data"]
    assert rendered.one("LimitRange")["metadata"]["name"] == 'app-"1.10"'


def test_the_test_of_a_release_reaches_every_port_from_the_one_image(render: Chart) -> None:
    services = {
        "web": WEB,
        "dns": {"command": ["dns"], "ports": {"dns": {"containerPort": 53, "protocol": "UDP"}}},
        "off": {**WEB, "replicas": 0},
        "worker": {"command": ["worker"]},
    }
    pod = render(services).one("Pod")
    (container,) = pod["spec"]["containers"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert container["image"] == "registry.example.com/app:1.10"
    assert "for target in app-web:80; do" in container["args"][0]


def test_the_test_may_use_another_image_or_be_left_out(render: Chart) -> None:
    pod = render({"web": WEB}, test={"image": "busybox:1"}).one("Pod")
    assert pod["spec"]["containers"][0]["image"] == "busybox:1"
    assert render({"web": WEB}, test={"enabled": False}).all("Pod") == {}
    assert render({"worker": {"command": ["worker"]}}).all("Pod") == {}


def test_the_test_of_a_release_has_the_settings_that_every_pod_has(render: Chart) -> None:
    defaults = {
        "labels": {"team": "a", "helm.sh/chart": "b"},
        "podLabels": {"cost": "b"},
        "podAnnotations": {"sidecar.istio.io/inject": "false"},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
        "dnsPolicy": "Default",
        "affinity": {"podAntiAffinity": {}, "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    }
    pod = render({"web": WEB}, defaults=defaults).one("Pod")
    assert {"team": "a", "cost": "b", "helm.sh/chart": "b"}.items() <= pod["metadata"]["labels"].items()
    assert pod["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
    for setting in ("nodeSelector", "tolerations", "priorityClassName", "runtimeClassName", "dnsPolicy"):
        assert defaults[setting] == pod["spec"][setting]
    assert list(pod["spec"]["affinity"]) == ["nodeAffinity"]


def test_notes_say_what_was_deployed_and_how_to_go_back(tmp_path: Path) -> None:
    """By Helm 4 alone: Helm 3 shows notes only with a cluster."""
    file = tmp_path / "values.yaml"
    services = {"web": WEB, "job": {"command": ["j"], "kind": "Job"}}
    file.write_text(
        json.dumps({"image": {"repository": "registry.example.com/app", "tag": "1.10"}, "services": services})
    )
    command = [os.environ["SAMETAG_HELM4"], "install", "app", str(CHART), "--namespace", "demo", "--values", str(file)]
    ran = subprocess.run([*command, "--dry-run=client"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    notes = ran.stdout.partition("NOTES:")[2]
    for words in ("tag 1.10", "web", "Deployment", "job", "image.tag=", "helm rollback app", "helm test app"):
        assert words in notes


def parent(folder: Path, condition: str = "") -> Path:
    """Make a chart that depends on ours, twice."""
    chart = folder / "parent"
    shutil.copytree(CHART, chart / "charts" / "sametag")
    dependencies = [
        {"name": "sametag", "version": "*", "condition": condition},
        {"name": "sametag", "version": "*", "alias": "second"},
    ]
    metadata = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": dependencies}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(metadata))
    return chart


def rendered_by(helm: str, chart: Path, *options: str) -> str:
    command = [helm, "template", "app", str(chart), "--kube-version", KUBERNETES, *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


SHARED = {
    "image": {"repository": "app", "tag": "1"},
    "services": {
        "web": {
            **WEB,
            "replicas": 2,
            "config": {"a": {"data": {"b": "c"}}},
            "networkPolicy": {"allowFrom": ["api"], "allowTo": ["api"]},
        },
        "api": {**WEB, "kind": "StatefulSet"},
    },
}


def test_two_of_it_in_one_parent_share_no_object_and_select_no_pod_of_each_other(helm: str, tmp_path: Path) -> None:
    """Also where one is a dependency of a dependency."""
    chart = parent(tmp_path)
    inner = {
        "apiVersion": "v2",
        "name": "inner_one",
        "version": "1.0.0",
        "dependencies": [{"name": "sametag", "version": "*"}],
    }
    nested = chart / "charts" / "inner_one"
    shutil.copytree(CHART, nested / "charts" / "sametag")
    (nested / "Chart.yaml").write_text(json.dumps(inner))
    (chart / "values.yaml").write_text(
        json.dumps({"sametag": SHARED, "second": SHARED, "inner_one": {"sametag": SHARED}})
    )
    objects = objects_of(rendered_by(helm, chart))
    names = [(o["kind"], o["metadata"]["name"]) for o in objects]
    assert len(names) == len(set(names)) > 30
    assert ("Deployment", "app-inner-one-sametag-web") in names
    pods = [o["spec"]["template"]["metadata"]["labels"] for o in objects if o["kind"] in ("Deployment", "StatefulSet")]
    pods += [o["metadata"]["labels"] for o in objects if o["kind"] == "Pod"]
    selectors = list(selectors_of(objects))
    assert len(selectors) > 30
    for selector in selectors:
        assert len([labels for labels in pods if selector.items() <= labels.items()]) == 1


def selectors_of(tree: object) -> Iterator[dict[str, str]]:
    """Yield what selects pods, everywhere."""
    if isinstance(tree, list):
        for item in tree:
            yield from selectors_of(item)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if key == "matchLabels" or (key == "selector" and tree.get("ports")):
                yield value
            yield from selectors_of(value)


def test_objects_of_one_name_in_one_parent_are_an_error_that_names_both(helm: str, tmp_path: Path) -> None:
    chart = parent(tmp_path)
    both = {**SHARED, "namePrefix": ""}
    (chart / "values.yaml").write_text(json.dumps({"sametag": both, "second": both}))
    command = [helm, "template", "app", str(chart), "--kube-version", KUBERNETES]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    for service in ("second.services.api", "sametag.services.api"):
        assert service in ran.stderr
    assert "rename one of them, or set another namePrefix" in ran.stderr


def test_an_upgrade_to_no_service_is_refused(render: Chart) -> None:
    """It would delete every workload: mostly somebody forgot the values."""
    for services in ({}, {"web": {**WEB, "enabled": False}}):
        assert render(services).objects == []
        assert "would delete every workload" in render.refusal(services, "--is-upgrade")
    assert render({"web": WEB}, "--is-upgrade").objects


def test_another_chart_may_depend_on_it_twice(helm: str, tmp_path: Path) -> None:
    chart = parent(tmp_path, "sametag.enabled")
    values = {
        "global": {"imageRegistry": "mirror.example.org"},
        "sametag": {"image": {"repository": "app", "tag": "1"}, "services": {"web": {"command": ["web"]}}},
        "second": {"image": {"repository": "other", "tag": "2"}, "services": {"api": {"command": ["api"]}}},
    }
    (chart / "values.yaml").write_text(yaml.safe_dump(values))

    def images(*options: str) -> set[str]:
        objects = objects_of(rendered_by(helm, chart, *options))
        return {o["spec"]["template"]["spec"]["containers"][0]["image"] for o in objects if o["kind"] == "Deployment"}

    assert {"mirror.example.org/app:1", "mirror.example.org/other:2"} == images()
    assert {"mirror.example.org/other:2"} == images("--set", "sametag.enabled=false")


IMPORTED = {"repository": "of-the-parent", "tag": "1"}


@BOTH_HELMS
@pytest.mark.parametrize(
    ("imports", "of_the_parent", "image"),
    [
        ([{"child": "image", "parent": "second.image"}], {"sametag": {"image": IMPORTED}}, "of-the-parent:1"),
        # What the user says of the dependency is not imported.
        ([{"child": "image", "parent": "second.image"}], {}, None),
        ([{"child": "none", "parent": "second.image"}], {"sametag": {"image": IMPORTED}}, None),
        # The parent's own values are above what it imports.
        (
            [{"child": "image", "parent": "second.image"}],
            {"sametag": {"image": IMPORTED}, "second": {"image": {"tag": "2"}}},
            "of-the-parent:2",
        ),
        # By a name under `exports`, into the root.
        (["shared"], {"sametag": {"exports": {"shared": {"second": {"image": IMPORTED}}}}}, None),
    ],
)
def test_values_that_a_parent_imports_are_validated_as_helm_merges_them(
    helm: str, tmp_path: Path, imports: list[object], of_the_parent: dict[str, object], image: str | None
) -> None:
    folder = parent(tmp_path)
    metadata = yaml.safe_load((folder / "Chart.yaml").read_text())
    metadata["dependencies"][0]["import-values"] = imports
    (folder / "Chart.yaml").write_text(yaml.safe_dump(metadata))
    (folder / "values.yaml").write_text(json.dumps(of_the_parent))
    services = {"web": {"command": ["web"]}}
    first = {"image": {"repository": "app", "tag": "1"}, "services": services}
    user = {"sametag": first, "second": {"services": services}}
    file = tmp_path / "user.yaml"
    file.write_text(json.dumps(user))
    command = [helm, "template", "app", str(folder), "--kube-version", KUBERNETES, "--values", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = subcharts.checker(charts.load(str(folder)), "app")(values.load(values.Sources(files=(str(file),))))
    assert values.has_errors(found) is (ran.returncode != 0), (found, ran.stderr)
    assert (ran.returncode == 0) is (image is not None)
    if image:
        pods = {
            o["metadata"]["name"]: o["spec"]["template"] for o in objects_of(ran.stdout) if o["kind"] == "Deployment"
        }
        assert pods["app-second-web"]["spec"]["containers"][0]["image"] == image

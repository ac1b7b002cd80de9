"""The chart as a whole: lint, notes, more objects, the test of a release, another chart's dependency."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import yaml

from rendering import CHART, KUBERNETES

if TYPE_CHECKING:
    from pathlib import Path

    from rendering import Chart

WEB = {"command": ["web"], "ports": {"http": {"containerPort": 8080, "port": 80}}}


def test_lint_is_clean_with_the_charts_own_values(helm: str, render: Chart) -> None:
    command = [helm, "lint", "--strict", "--kube-version", KUBERNETES, str(CHART)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "1 chart(s) linted, 0 chart(s) failed" in ran.stdout + ran.stderr
    assert "[WARNING]" not in ran.stdout
    assert render({}).objects == []


def test_more_objects_are_rendered_with_helms_language(render: Chart) -> None:
    extra = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-a"}, "data": {"n": "1"}},
        "apiVersion: v1\nkind: LimitRange\nmetadata:\n  name: {{ .Release.Name }}-{{ .Values.image.tag | quote }}\n",
    ]
    rendered = render({"web": WEB}, extraObjects=extra)
    assert rendered.one("ConfigMap")["metadata"]["name"] == "app-a"
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


def test_another_chart_may_depend_on_it_twice(helm: str, tmp_path: Path) -> None:
    chart = parent(tmp_path, "sametag.enabled")
    values = {
        "global": {"imageRegistry": "mirror.example.org"},
        "sametag": {"image": {"repository": "app", "tag": "1"}, "services": {"web": {"command": ["web"]}}},
        "second": {"image": {"repository": "other", "tag": "2"}, "services": {"api": {"command": ["api"]}}},
    }
    (chart / "values.yaml").write_text(yaml.safe_dump(values))

    def images(*options: str) -> set[str]:
        command = [helm, "template", "app", str(chart), "--kube-version", KUBERNETES, *options]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        objects = yaml.load_all(ran.stdout, yaml.CSafeLoader)
        return {
            o["spec"]["template"]["spec"]["containers"][0]["image"] for o in objects if o and o["kind"] == "Deployment"
        }

    assert {"mirror.example.org/app:1", "mirror.example.org/other:2"} == images()
    assert {"mirror.example.org/other:2"} == images("--set", "sametag.enabled=false")

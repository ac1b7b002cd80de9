"""Render the chart with a real Helm, and look at the objects."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

#: Where the two could differ.
BOTH_HELMS = pytest.mark.parametrize("helm", ["HELM4", "HELM3"], indirect=True)

CHART = Path(__file__).parents[2] / "chart"
# The Helm that was built with `go install` renders for a Kubernetes of years ago.
KUBERNETES = "1.36.3"

Object = dict[str, Any]


class Strict(yaml.CSafeLoader):
    """Refuses a key that is twice in one map, as kustomize and others do: of two, somebody's is lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the signature that is overridden
        """Return the map, if its keys are different."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key is there twice: {sorted(map(str, keys))}"
        return super().construct_mapping(node, deep)


def objects_of(manifests: str) -> list[Object]:
    """Return the objects of rendered manifests."""
    return [item for item in yaml.load_all(manifests, Strict) if item]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects of a render, and its text."""

    text: str

    @property
    def objects(self) -> list[Object]:
        return objects_of(self.text)

    def kinds(self) -> list[str]:
        return sorted(found["kind"] for found in self.objects)

    def all(self, kind: str) -> dict[str, Object]:
        """Return the objects of a kind by name."""
        return {found["metadata"]["name"]: found for found in self.objects if found["kind"] == kind}

    def one(self, kind: str) -> Object:
        """Return the only object of a kind."""
        (found,) = self.all(kind).values()
        return found

    def pod(self, name: str) -> Object:
        """Return the pod template of the workload of a name."""
        workloads = (found for found in self.objects if found["metadata"]["name"] == name and "spec" in found)
        (template,) = (found["spec"]["template"] for found in workloads if "template" in found["spec"])
        pod: Object = template
        return pod

    def container(self, name: str) -> Object:
        """Return the main container of the workload of a name."""
        container: Object = self.pod(name)["spec"]["containers"][0]
        return container


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart, rendered by one Helm as the release `app` in the namespace `demo`."""

    helm: str
    folder: Path

    def __call__(self, services: Object, *options: str, **values: Any) -> Rendered:
        """Render services of the one image; what Helm refuses is an error."""
        ran = self.run(services, *options, **values)
        assert ran.returncode == 0, ran.stderr
        return Rendered(ran.stdout)

    def refusal(self, services: Object, *options: str, **values: Any) -> str:
        """Return what Helm says when it refuses."""
        ran = self.run(services, *options, **values)
        assert ran.returncode != 0, ran.stdout
        return ran.stderr

    def without_schema(self, services: Object, **values: Any) -> str:
        """Return what the templates alone say when they refuse."""
        return self.refusal(services, "--skip-schema-validation", **values)

    def run(self, services: Object, *options: str, **values: Any) -> subprocess.CompletedProcess[str]:
        image = {"repository": "registry.example.com/app", "tag": "1.10"}
        file = self.folder / "values.yaml"
        # JSON: PyYAML writes some texts bare that Helm reads as numbers.
        file.write_text(json.dumps({"image": image, "services": services, **values}))
        return self.template("app", file, *options)

    def template(self, release: str, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
        command = [self.helm, "template", release, str(CHART), "--namespace", "demo", "--values", str(file)]
        command += ["--kube-version", KUBERNETES, *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

"""The schema: what is right is accepted, what is wrong is refused at its place, by Helm and by `sametag validate`.

Every file in schema/accept and schema/reject is a test. A rejected one begins with where the mistake is, as
`# line 6: services.web.replicas`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sametag import schema, values

if TYPE_CHECKING:
    from rendering import Chart

FOLDER = Path(__file__).parent / "schema"
CHART = Path(__file__).parents[2] / "chart"
EXAMPLES = sorted((CHART.parent / "examples").glob("*/values.yaml"))
ACCEPTED = sorted((FOLDER / "accept").glob("*.yaml")) + EXAMPLES
REJECTED = sorted((FOLDER / "reject").glob("*.yaml"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def problems(file: Path) -> list[tuple[int | None, str]]:
    defaults = values.load(values.Sources(files=(str(CHART / "values.yaml"),)))
    found = schema.validate(defaults, values.load(values.Sources(files=(str(file),))), SCHEMA)
    return [(problem.location.line if problem.location else None, problem.path) for problem in found]


def name(file: Path) -> str:
    return file.parent.name if file.name == "values.yaml" else file.stem


def test_the_folders_are_not_empty() -> None:
    assert len(ACCEPTED) >= 20
    assert len(REJECTED) >= 60


@pytest.mark.parametrize("file", ACCEPTED, ids=name)
def test_what_is_right_is_accepted(file: Path) -> None:
    assert problems(file) == []


@pytest.mark.parametrize("file", REJECTED, ids=name)
def test_what_is_wrong_is_one_problem_at_its_place(file: Path) -> None:
    expected = re.match(r"# line (\d+): (.+)\n", file.read_text())
    assert expected, f"{file.name} does not begin with where its mistake is"
    assert [(int(expected[1]), expected[2])] == problems(file)


@pytest.mark.parametrize("file", [file for file in ACCEPTED if file not in EXAMPLES], ids=name)
def test_helm_accepts_what_is_right(render: Chart, file: Path) -> None:
    ran = render.template("app", file)
    assert ran.returncode == 0, ran.stderr
    assert "null" not in ran.stdout


@pytest.mark.parametrize("file", REJECTED, ids=name)
def test_helm_refuses_what_is_wrong(render: Chart, file: Path) -> None:
    ran = render.template("app", file)
    assert ran.returncode != 0
    assert "values don't meet the specifications of the schema" in ran.stderr


def nodes(tree: Any) -> list[dict[str, Any]]:
    if isinstance(tree, list):
        return [node for item in tree for node in nodes(item)]
    return [tree, *(node for child in tree.values() for node in nodes(child))] if isinstance(tree, dict) else []


def test_it_means_the_same_to_every_helm() -> None:
    """draft-07 with local references that stand alone: what Helm 3.12 to 4 enforce alike, without the network."""
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    for node in nodes(SCHEMA):
        if isinstance(node.get("$ref"), str):
            assert len(node) == 1, node
            assert node["$ref"].removeprefix("#/definitions/") in SCHEMA["definitions"]
        assert not {"$id", "$defs", "unevaluatedProperties", "dependentRequired"} & node.keys()


def test_its_patterns_mean_the_same_to_every_engine() -> None:
    for node in nodes(SCHEMA):
        if isinstance(node.get("pattern"), str):
            assert not re.search(r"\\[dwsDWSZAb]|\(\?", node["pattern"]), node["pattern"]


def test_it_is_closed_everywhere() -> None:
    """But for what a parent chart shares, and for objects of kinds that nobody knows here."""
    for definition in [SCHEMA, *SCHEMA["definitions"].values()]:
        if "properties" in definition and "type" in definition:
            assert definition["additionalProperties"] is False, definition.get("title")
    assert SCHEMA["properties"]["global"]["additionalProperties"] is True


def test_everything_of_ours_is_described() -> None:
    for key, definition in {"": SCHEMA, **SCHEMA["definitions"]}.items():
        if key[:1].isupper():
            continue
        for setting, node in definition.get("properties", {}).items():
            target = node.get("$ref", "").rpartition("/")[2]
            described = node.get("description") or SCHEMA["definitions"].get(target, {}).get("description")
            assert described or is_kubernetes_own(key), f"{key}.{setting}"


def is_kubernetes_own(definition: str) -> bool:
    return definition in {"job", "cronJob", "statefulSet", "kubernetesService", "volume"}


def test_it_takes_little_of_a_release() -> None:
    """Every revision stores it, and a revision has 1 MiB."""
    import base64
    import gzip

    text = base64.b64encode((CHART / "values.schema.json").read_bytes())
    assert len(base64.b64encode(gzip.compress(text))) < 30_000

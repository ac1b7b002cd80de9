"""The schema and the rules beyond it: what is right is accepted, what is wrong is refused or warned of at its place.

Every file in schema/accept, schema/reject and schema/warn is a test. A rejected one begins with where the mistake is,
as `# line 6: services.web.replicas`. One that no schema can reject goes on with `# rule: unknown-port; the chart too`:
the name of the rule, and who refuses it as well: `the chart` (in the same words), `the API server`, or `nobody else`;
tests/cluster/test_semantics.py asks the API server.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import schemas
from rendering import BOTH_HELMS, objects_of
from sametag import validation, values
from sametag.chart.service import Naming, read
from sametag.validation.catalogue import entries
from sametag.validation.rules.made import of_services

if TYPE_CHECKING:
    from rendering import Chart
    from sametag.values import Problem

FOLDER = Path(__file__).parent / "schema"
CHART = Path(__file__).parents[2] / "chart"
EXAMPLES = sorted((CHART.parent / "examples").glob("*/values.yaml"))
ACCEPTED = sorted((FOLDER / "accept").glob("*.yaml")) + EXAMPLES
REJECTED = sorted((FOLDER / "reject").glob("*.yaml"))
WARNED = sorted((FOLDER / "warn").glob("*.yaml"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
DESCRIBED: dict[str, Any] = json.loads((CHART.parent / "docs/reference/values.schema.json").read_text())


class Expected(NamedTuple):
    """What a file says about itself: line and path of the mistake, its rule unless the schema's, who refuses it."""

    line: int
    path: str
    rule: str
    by: str


def expected(file: Path) -> Expected:
    said = re.match(r"# line (\d+): (.+)\n(?:# rule: ([a-z-]+)(?:; (.+))?\n)?", file.read_text())
    assert said, f"{file.name} does not begin with where its mistake is"
    return Expected(int(said[1]), said[2], said[3] or "", said[4] or "")


def problems(file: Path) -> list[Problem]:
    defaults = values.load(values.Sources(files=(str(CHART / "values.yaml"),)))
    return validation.validate(defaults, values.load(values.Sources(files=(str(file),))), SCHEMA)


def places(found: list[Problem]) -> list[tuple[int | None, str]]:
    return [(problem.location.line if problem.location else None, problem.path) for problem in found]


def errors(file: Path) -> list[Problem]:
    return [problem for problem in problems(file) if problem.severity == "error"]


def name(file: Path) -> str:
    return file.parent.name if file.name == "values.yaml" else file.stem


SAID_BY_THE_SCHEMA = [file for file in REJECTED if not expected(file).rule]
SAID_BY_A_RULE = [file for file in REJECTED if expected(file).rule]


def test_the_folders_are_not_empty() -> None:
    assert len(ACCEPTED) >= 20
    assert len(SAID_BY_THE_SCHEMA) >= 60
    assert len(SAID_BY_A_RULE) >= 60
    assert len(WARNED) >= 15


def test_every_rule_has_a_file() -> None:
    """But for one that needs a megabyte, and one that needs the name of a release; they have tests of their own."""
    tested = {expected(file).rule for file in REJECTED + WARNED}
    assert {entry.name for entry in entries() if entry.group == "semantics"} - tested == {
        "too-large",
        "wrong-release-name",
    }


@pytest.mark.parametrize("file", ACCEPTED, ids=name)
def test_what_is_right_is_accepted(file: Path) -> None:
    assert problems(file) == []


@pytest.mark.parametrize("file", REJECTED, ids=name)
def test_what_is_wrong_is_one_problem_at_its_place(file: Path) -> None:
    wanted, found = expected(file), errors(file)
    assert [wanted[:2]] == places(found)
    if wanted.rule:
        assert [wanted.rule] == [problem.rule for problem in found]


@pytest.mark.parametrize("file", WARNED, ids=name)
def test_what_is_probably_wrong_is_one_warning_at_its_place(file: Path) -> None:
    wanted, found = expected(file), problems(file)
    assert [(wanted.rule, "warning")] == [(problem.rule, problem.severity) for problem in found]
    assert [wanted[:2]] == places(found)


@pytest.mark.parametrize("file", WARNED, ids=name)
def test_a_warning_is_silenced_at_its_line_or_above_it(file: Path, tmp_path: Path) -> None:
    wanted, lines = expected(file), file.read_text().splitlines()
    comment = f"# sametag: ignore {wanted.rule}"
    copy = tmp_path / "values.yaml"
    copy.write_text(
        "\n".join([*lines[: wanted.line - 1], f"{lines[wanted.line - 1]} {comment}", *lines[wanted.line :]])
    )
    assert problems(copy) == []
    copy.write_text("\n".join([*lines[: wanted.line - 1], f"  {comment}", *lines[wanted.line - 1 :]]))
    assert problems(copy) == []


@BOTH_HELMS
@pytest.mark.parametrize("file", [file for file in ACCEPTED + WARNED if file not in EXAMPLES], ids=name)
def test_helm_accepts_what_is_right(render: Chart, file: Path) -> None:
    ran = render.template("app", file)
    assert ran.returncode == 0, ran.stderr
    assert not re.search(r"(?m)[:-] null$", ran.stdout)
    assert compared(file, "app") == created_by_the_chart(ran.stdout)


def compared(file: Path, release: str) -> set[tuple[str, str, str]]:
    """Return the objects of the services that `same-object` compares."""
    defaults = values.load(values.Sources(files=(str(CHART / "values.yaml"),)))
    merged = values.on_defaults(defaults, values.load(values.Sources(files=(str(file),))))
    return {(made.group, made.kind, made.name) for made in of_services(read(merged, Naming(release)))}


def created_by_the_chart(manifests: str) -> set[tuple[str, str, str]]:
    """Return the objects of the services; not Jobs that are no hooks, whose names end in a digest."""
    own = [text for text in manifests.split("\n---\n") if "/extraobjects.yaml" not in text]
    objects = [o for text in own for o in objects_of(text)]
    hooks = [o for o in objects if o["kind"] != "Job" or "helm.sh/hook" in o["metadata"].get("annotations", {})]
    return {(o["apiVersion"].rpartition("/")[0], o["kind"], o["metadata"]["name"]) for o in hooks}


def test_the_objects_of_every_example_are_compared() -> None:
    kinds = set()
    for file in EXAMPLES:
        rendered = created_by_the_chart((file.parent / "rendered.yaml").read_text())
        assert compared(file, file.parent.name) == rendered
        kinds |= {kind for _, kind, _ in rendered}
    templates = "".join(file.read_text() for file in (CHART / "templates").iterdir())
    assert set(re.findall(r"(?m)^kind: (\w+)", templates)) - kinds == set()


@pytest.mark.parametrize("file", SAID_BY_THE_SCHEMA, ids=name)
def test_helm_refuses_what_is_wrong(render: Chart, file: Path) -> None:
    ran = render.template("app", file)
    assert ran.returncode != 0
    assert "values don't meet the specifications of the schema" in ran.stderr


@pytest.mark.parametrize("file", [file for file in SAID_BY_A_RULE if expected(file).by == "the chart too"], ids=name)
def test_the_chart_refuses_in_the_same_words(render: Chart, file: Path) -> None:
    ran = render.template("app", file)
    assert ran.returncode != 0
    assert errors(file)[0].message in ran.stderr


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


def maps(tree: Any) -> list[dict[str, Any]]:
    """Return the maps with settings; a condition (`if`, `not`) only asks for some."""
    if isinstance(tree, list):
        return [found for item in tree for found in maps(item)]
    if not isinstance(tree, dict):
        return []
    children = (child for key, child in tree.items() if key not in {"if", "then", "else", "not"})
    own = [tree] if isinstance(tree.get("properties"), dict) and "object" in tree.get("type", ()) else []
    return own + [found for child in children for found in maps(child)]


def test_it_is_closed_everywhere() -> None:
    """But for what a parent chart shares."""
    assert len(maps(SCHEMA)) > 100
    assert [found for found in maps(SCHEMA) if found["additionalProperties"]] == [SCHEMA["properties"]["global"]]


def test_every_setting_of_ours_is_described_where_editors_and_the_reference_read_it() -> None:
    ours = {name: found for name, found in DESCRIBED["definitions"].items() if name[:1].islower()}
    assert len(ours) > 30
    missing = [
        f"{name}: {setting}"
        for name, definition in {**ours, "the top": {**DESCRIBED, "definitions": {}}}.items()
        for found in maps(definition)
        for setting, child in found["properties"].items()
        if not described(child)
    ]
    assert missing == []


def described(setting: dict[str, Any]) -> bool:
    reference = setting.get("$ref") or next((part.get("$ref") for part in setting.get("allOf", ())), None) or ""
    target = DESCRIBED["definitions"].get(reference.rpartition("/")[2], {})
    return bool(setting.get("description") or target.get("description"))


def test_both_copies_name_their_kubernetes() -> None:
    assert SCHEMA["$comment"] == DESCRIBED["$comment"] == f"Kubernetes {schemas.KUBERNETES}"


def test_the_copy_that_is_released_only_lacks_what_editors_show() -> None:
    assert not [node for node in nodes(SCHEMA) if isinstance(node.get("description"), str)]
    assert schemas.without_descriptions(DESCRIBED) == SCHEMA


def test_it_takes_little_of_a_release() -> None:
    """Every revision stores it as base64 in gzip in base64; Go packs it 2% less tightly than this does."""
    stored = base64.b64encode(gzip.compress(base64.b64encode((CHART / "values.schema.json").read_bytes())))
    assert len(stored) <= 40_000

"""The expressions of --set and its sisters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sametag import values
from sametag.values import Location, Sources

CASES = json.loads((Path(__file__).parent / "data" / "helm-set-expressions.json").read_text())
OPTIONS = ("set", "set-string", "set-literal", "set-json")


def load(option: str, *expressions: str, **more: Any) -> values.Values:
    more[option.replace("-", "_")] = expressions
    return values.load(Sources(**more))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["expression"])
def test_an_expression_is_read_as_helm_reads_it(case: dict[str, Any], option: str) -> None:
    found = load(option, case["expression"])
    if case[option] == "error":
        assert [problem.rule for problem in found.problems] == ["set-expression"]
        return
    expected = {key: seen["json"] for key, seen in case[option].items()}
    if option == "set-json":
        expected, found = _as_float64(expected), found._replace(tree=_as_float64(found.tree))
    assert expected == found.tree
    assert found.problems == ()


def _as_float64(tree: Any) -> Any:
    return json.loads(json.dumps(tree), parse_int=float)


@pytest.mark.parametrize(
    ("option", "expression", "words"),
    [
        ("set", "a", "a has no value"),
        ("set", "a.b", "b has no value"),
        ("set", "=1", "a name is missing"),
        ("set", "a..b=1", "a name is missing"),
        ("set", "[0]=1", "a name is missing"),
        ("set", "a[0]", "[0] must be followed by"),
        ("set", "a[0]x=1", "[0] must be followed by"),
        ("set", "x[=1", "is not an index"),
        ("set", "a[-1]=1", "the index must be 0 to 65536"),
        ("set", "a={x", "the list must end with }"),
        ("set", "a[0].b=", "Helm drops an empty value"),
        ("set", ".".join("abcdefghijklmnopqrstuvwxyzABCDEFGHI") + "=1", "more than 30 names"),
        ("set", "a" + "[0]" * 200 + "=1", "more than 100 levels"),
        ("set-json", "a=x", "not valid JSON"),
        ("set-json", "a=NaN", "is not a JSON number"),
        ("set-json", "a=1e999", "too large"),
        ("set-json", 'a={"b":1,"b":2}', "duplicate key b in a JSON object"),
        ("set-json", '{"a":1} x', "something follows"),
        ("set-json", 'a="\\ud800"', "half a character"),
        ("set-json", "a=" + "[" * 300 + "]" * 300, "more than 100 levels"),
        ("set-json", "a=" + "[" * 100_000, "more than 100 levels"),
        ("set-file", "a=/does/not/exist", "/does/not/exist: cannot be read"),
        ("set", "a=\udcff", "not UTF-8"),
    ],
)
def test_an_expression_that_cannot_be_read_is_one_problem(option: str, expression: str, words: str) -> None:
    (problem,) = load(option, expression).problems
    assert problem.rule == "set-expression"
    assert words in problem.message
    assert problem.location
    assert problem.location.option == f"--{option}"


@pytest.mark.parametrize(
    ("expression", "words"),
    [("null.a=1", "null is not a map"), ("text.a=1", "text is not a map"), ("map[0]=1", "map is not a list")],
)
def test_nothing_is_set_inside_of_what_is_no_map_or_list(tmp_path: Path, expression: str, words: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text('"null": null\ntext: x\nmap: {}\n')
    (problem,) = load("set", expression, files=(str(file),)).problems
    assert words in problem.message


def test_each_setting_of_an_expression_knows_its_column() -> None:
    found = load("set", "a.b=1,c[0]=x,d={y,z}")
    source = "--set a.b=1,c[0]=x,d={y,z}"
    assert Location(source, None, 1) == found.locate(("a", "b"))
    assert Location(source, None, 7) == found.locate_key(("c", 0))
    assert Location(source, None, 14) == found.locate(("d", 1))
    assert found.locate(("e",)) is None


def test_a_setting_knows_its_text() -> None:
    assert load("set", "image.tag=5,a=b").written(("image", "tag")) == "5"


def test_a_broken_expression_changes_nothing_and_the_others_are_read() -> None:
    found = load("set", "a.b=1", "a.c[=2", "d=3")
    assert found.tree == {"a": {"b": 1}, "d": 3}
    assert len(found.problems) == 1


def test_a_json_object_without_a_name_is_merged_like_a_file() -> None:
    assert load("set-json", 'a={"c":1}', ' {"a":{"b":null}}').tree == {"a": {"b": None, "c": 1}}


def test_a_long_expression_is_shown_shortened() -> None:
    (problem,) = load("set", "a=" + "x" * 1000 + ",b").problems
    assert problem.location
    assert len(problem.location.source) < 100

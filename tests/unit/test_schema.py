"""What is said about values that a schema rejects: one problem for each cause, in the user's words, at its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sametag import validation, values
from sametag.validation import engine as engines
from sametag.values import Location, Problem

CASES = yaml.safe_load((Path(__file__).parent / "data" / "schema-problems.yaml").read_text())
NAME = {"pattern": "^[a-z][a-z0-9-]*$", "x-error": "must be a DNS label: lower-case letters, digits and '-'"}
REFUSED = {"not": {}, "x-error": "is not allowed: every service runs the one image.tag", "x-remedy": "remove it"}
SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "the values",
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {
            "title": "the image",
            "type": "object",
            "required": ["tag"],
            "properties": {
                "repository": {"type": ["string", "null"], "minLength": 3},
                "tag": {"type": ["string", "null"], "pattern": "^[a-z0-9.]+$", "x-error": "must be a tag"},
                "policy": {"type": ["string", "null"], "enum": ["Always", "IfNotPresent", None]},
            },
            "additionalProperties": False,
        },
        "services": {
            "type": ["object", "null"],
            "propertyNames": NAME,
            "additionalProperties": {"$ref": "#/definitions/service"},
        },
        "defaults": {"$ref": "#/definitions/service"},
    },
    "additionalProperties": False,
    "definitions": {
        "service": {
            "title": "a service",
            "type": ["object", "null"],
            "properties": {
                "tag": REFUSED,
                "enabled": {"type": ["boolean", "null"]},
                "replicas": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
                "weight": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "step": {"type": "integer", "multipleOf": 2},
                "command": {"type": ["array", "null"], "minItems": 1, "maxItems": 3, "items": {"type": "string"}},
                "hosts": {"type": "array", "uniqueItems": True, "items": {"type": "string", "format": "ipv4"}},
                "short": {"type": "string", "maxLength": 3},
                "version": {"const": "v1"},
                "labels": {"type": "object", "minProperties": 1, "maxProperties": 2},
                "env": {"type": ["object", "null"], "additionalProperties": {"$ref": "#/definitions/variable"}},
                "ports": {"type": ["object", "null"], "additionalProperties": {"$ref": "#/definitions/port"}},
                "percent": {"type": ["integer", "string"], "pattern": "^[0-9]+%$", "x-error": "must be a count or 25%"},
                "strategy": {
                    "type": ["object", "null"],
                    "properties": {"type": {"enum": ["Recreate", "RollingUpdate", None]}},
                    "additionalProperties": False,
                },
                "livenessProbe": {"$ref": "#/definitions/probe"},
                "resources": {
                    "type": ["object", "null"],
                    "properties": {
                        "limits": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
                        "requests": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
                    },
                    "additionalProperties": False,
                },
            },
            "dependencies": {"weight": ["step"]},
            "additionalProperties": False,
        },
        "port": {
            "title": "a port",
            "type": ["object", "null"],
            "required": ["containerPort"],
            "properties": {"containerPort": {"type": "integer"}, "protocol": {"type": "string"}},
            "additionalProperties": False,
        },
        "probe": {
            "type": ["object", "null"],
            "properties": {
                "periodSeconds": {"type": "integer"},
                "httpGet": {
                    "type": ["object", "null"],
                    "required": ["port"],
                    "properties": {"path": {"type": "string"}, "port": {"type": ["integer", "string"]}},
                    "additionalProperties": False,
                },
                "exec": {"type": "object"},
            },
            "additionalProperties": False,
            "oneOf": [{"type": "null"}, {"required": ["httpGet"]}, {"required": ["exec"]}],
            "x-error": "needs exactly one of httpGet, exec",
        },
        "variable": {
            "title": "an environment variable",
            "anyOf": [
                {"type": ["string", "number", "boolean", "null"]},
                {
                    "type": "object",
                    "required": ["secret", "key"],
                    "properties": {"secret": {"type": "string"}, "key": {"type": "string"}},
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "required": ["field"],
                    "properties": {"field": {"type": "string"}},
                    "additionalProperties": False,
                },
            ],
        },
    },
}
NO_DEFAULTS = values.from_text("", "chart/values.yaml")
HEAD = 'image: {tag: "1"}\n'


@pytest.fixture(params=["fast", "reference"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test with both engines; without jsonschema-rs the other is chosen by itself."""
    if request.param == "reference":
        monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
        assert engines.best() is engines.reference
    else:
        assert engines.best() is engines.fast


def check(text: str, **options: Any) -> list[Problem]:
    read = values.from_text(text, "values.yaml")
    user = values.load(values.Sources(**options))
    user = user._replace(tree=values.coalesce(read, user).tree, layers=(*read.layers, *user.layers))
    found = validation.validate(NO_DEFAULTS, user._replace(problems=read.problems), SCHEMA)
    # Most of these values are about something else.
    return [problem for problem in found if problem.rule != "no-services"]


def service(text: str) -> str:
    """Put keys into the service `a`, where they begin on line 4 in column 5."""
    return HEAD + "services:\n  a:\n" + "".join(f"    {line}\n" for line in text.splitlines())


def said(problems: list[Problem]) -> list[str]:
    """Write problems as they appear on a screen, the remedy in brackets."""
    return [
        f"{p.location.line}:{p.location.column}: {p.message}" + (f" [{p.remedy}]" if p.remedy else "")
        for p in problems
        if p.location
    ]


@pytest.mark.parametrize("text", [HEAD, HEAD + "services:\n", HEAD + "services: {a: {replicas: 3.0, command: [x]}}\n"])
def test_valid_values_have_no_problems(text: str) -> None:
    assert check(text) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["service"])
def test_a_rejected_value_or_key_is_said_in_the_users_words(case: dict[str, str]) -> None:
    assert said(check(service(case["service"]))) == [case["says"]]


@pytest.mark.parametrize(
    ("written", "as_helm"), [("1.10", "1.1"), ("1e3", "1000"), ("0123456", "42798"), ("58467965", "5.8467965e+07")]
)
def test_a_numeric_tag_shows_its_source_and_what_helm_makes_of_it(written: str, as_helm: str) -> None:
    expected = (
        f"1:14: image.tag must be a string, but Helm reads {written} as the number {as_helm}"
        f' [put quotes around it: "{written}"]'
    )
    assert said(check(f"image: {{tag: {written}}}\n")) == [expected]


def test_a_tag_of_an_expression_is_shown_with_the_option_that_helps() -> None:
    (problem,) = check(HEAD, set=("image.tag=5",))
    assert problem.location == Location("--set image.tag=5", None, 1)
    assert (problem.message, problem.remedy) == ("image.tag must be a string, got the number 5", "use --set-string")


@pytest.mark.parametrize("option", ["set_string", "set_literal"])
def test_a_number_that_an_option_made_text_is_shown_with_the_option_that_helps(option: str) -> None:
    (problem,) = check(HEAD, **{option: ("services.a.replicas=5",)})
    assert problem.remedy == "use --set"


def test_a_thing_beside_its_map_is_told_where_it_belongs() -> None:
    expected = "2:1: render is not a setting of the values [render looks like a service: it belongs under services]"
    assert said(check(HEAD + "render:\n  replicas: 3\nservices: {}\n")) == [expected]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('imgae: {tag: "1"}\n', "1:1: imgae is not a setting of the values; did you mean image?"),
        ('image: {tga: "1"}\n', "1:9: tga is not a setting of the image; did you mean tag?"),
    ],
)
def test_what_is_missing_because_of_a_typo_is_not_reported_too(text: str, problem: str) -> None:
    assert said(check(text)) == [problem]


def test_what_is_missing_is_shown_at_its_parent() -> None:
    assert said(check("services: {}\nimage:\n  repository: abc\n")) == ["2:1: image.tag is missing"]
    assert said(check("services: {}\n")) == ["1:1: image is missing"]


def test_a_bad_name_is_shown_at_the_key() -> None:
    expected = (
        "2:12: the name \"A_b\" in services must be a DNS label: lower-case letters, digits and '-' [did you mean a-b?]"
    )
    assert said(check(HEAD + "services: {A_b: {}}\n")) == [expected]


def test_one_mistake_behind_an_anchor_is_one_problem() -> None:
    text = (
        service("livenessProbe: &p {httpGet: {prt: 1, port: 1}}")
        + "  b: {livenessProbe: *p}\n  c: {livenessProbe: *p}\n"
    )
    (problem,) = check(text)
    assert problem.location == Location("values.yaml", 4, 34)
    assert "(also services.b.livenessProbe.httpGet.prt and services.c.livenessProbe.httpGet.prt)" in problem.message


def test_a_value_of_the_defaults_is_shown_there() -> None:
    assert said(check(HEAD + "defaults: {replicas: x}\n")) == [
        '2:22: defaults.replicas must be an integer, got the string "x"'
    ]


def test_all_problems_are_found_at_once_in_the_order_of_the_lines() -> None:
    lines = [line.split(":")[0] for line in said(check(service("replicas: x\nenabled: 3\nfoo: 1") + "zzz: 1\n"))]
    assert lines == ["4", "5", "6", "7"]


def test_a_chart_default_satisfies_what_is_required_and_null_removes_it() -> None:
    defaults = values.from_text('image: {tag: "1"}\n', "chart/values.yaml")
    assert validation.validate(defaults, values.from_text("services: {a: {}}", "v"), SCHEMA) == []
    (problem,) = validation.validate(defaults, values.from_text("image: null\n", "v"), SCHEMA)
    assert problem.message == "image is missing"


def test_values_that_cannot_be_read_are_not_checked_further() -> None:
    rules = {problem.rule for problem in check("services: {a: {replicas: x}}\na: 1\na: 2\n")}
    assert rules == {"duplicate-key"}


def test_a_chart_without_a_schema_has_only_problems_of_reading() -> None:
    assert validation.validate(NO_DEFAULTS, values.from_text("a: 1\n", "v"), None) == []


def test_the_tag_latest_is_a_warning() -> None:
    (problem,) = check("image: {tag: latest}\n")
    assert (problem.severity, problem.rule, problem.location) == (
        "warning",
        "latest-tag",
        Location("values.yaml", 1, 14),
    )


def test_an_end_of_line_does_not_end_a_pattern() -> None:
    assert [problem.rule for problem in check('image: {tag: "a\\n"}\n')] == ["wrong-format"]


def test_long_texts_are_shortened_and_control_characters_escaped() -> None:
    (problem,) = check(service(f'replicas: "{"x" * 500}\\n"'))
    assert len(problem.message) < 150
    (problem,) = check(service('replicas: "a\\nb"'))
    assert r'"a\nb"' in problem.message


def test_a_schema_that_contains_itself_can_be_explained() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/definitions/node"}}, "additionalProperties": False}
    recursive = {"allOf": [{"$ref": "#/definitions/node"}], "definitions": {"node": node}}
    (problem,) = validation.validate(NO_DEFAULTS, values.from_text("next: {next: {nxt: {}}}\n", "v"), recursive)
    assert problem.message == "nxt is not a key of next; did you mean next?"


@pytest.mark.parametrize(
    "unusable",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/definitions/none"},
        {"properties": {"a": {"type": "strin"}}},
        {"properties": {"a": {"pattern": "("}}},
    ],
)
def test_a_schema_that_cannot_be_used_is_a_warning_and_nothing_is_fetched(unusable: dict[str, Any]) -> None:
    (problem,) = validation.validate(NO_DEFAULTS, values.from_text("a: b\n", "v"), unusable)
    assert (problem.severity, problem.rule) == ("warning", "unusable-schema")
    assert "\n" not in problem.message


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"contains": {"type": "string"}}, "a is missing a required entry"),
        ({"items": [{}], "additionalItems": False}, "a has too many entries"),
        ({"not": {"type": "array"}}, "a is not allowed"),
        ({"oneOf": [{"type": "array"}, {"minItems": 1}]}, "a fits more than one alternative"),
    ],
)
def test_rules_of_other_charts_are_said_too(rules: dict[str, Any], message: str) -> None:
    found = validation.validate(NO_DEFAULTS, values.from_text("a: [1, 2]\n", "v"), {"properties": {"a": rules}})
    assert [problem.message for problem in found] == [message]


def test_newer_drafts_are_read_too() -> None:
    newer = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {"b": {"type": "object", "dependentRequired": {"c": ["d"]}}},
        "properties": {"a": {"prefixItems": [{"type": "string"}]}, "b": {"$ref": "#/$defs/b"}},
    }
    found = validation.validate(NO_DEFAULTS, values.from_text("a: [1]\nb: {c: 1}\n", "v"), newer)
    assert [problem.path for problem in found] == ["a[0]", "b"]


def test_what_explains_problems_is_imported_only_for_problems() -> None:
    code = (
        "import sys; from sametag import validation, values;"
        "validation.validate(values.from_text('', ''), values.from_text('', ''), {}); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sametag.validation.explain", "difflib", "jsonschema", "dataclasses"}.intersection(loaded)

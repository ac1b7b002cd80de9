"""How problems are printed, in every format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft4Validator

from sametag.output.problems import FORMATS, Report, collect, lines
from sametag.values import Location, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).parents[2] / "docs/reference/formats.md"
SARIF = Path(__file__).parent / "data/sarif/sarif-2.1.0-rtm.5.json"

IN_FILE = Problem(
    "unknown-key",
    "error",
    "services.render.replcas",
    Location("values.yaml", 12, 5),
    "replcas is not a setting of a service; did you mean replicas?",
)
IN_EXPRESSION = Problem(
    "wrong-type",
    "error",
    "image.tag",
    Location("--set image.tag=5", None, 1),
    "image.tag must be a string, got the number 5",
    "use --set-string",
)
WARNING = Problem("latest-tag", "warning", "image.tag", Location("a,b:c.yaml", 1, 2), "100% wrong", "change\nit")
UNREADABLE = Problem("unreadable-file", "error", "", Location("no.yaml"), "cannot be read: no such file")
NOWHERE = Problem("unusable-schema", "warning", "", None, "the chart's schema cannot be used here")
ALL = (IN_FILE, IN_EXPRESSION, WARNING, UNREADABLE, NOWHERE)
HOSTILE = "a\x1b[2Jb\nc\u202ed\udc80e]]>&<\x00"


@pytest.fixture(autouse=True)
def _outside_of_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)


def printed(problems: Sequence[Problem], style: str = "text", *files: str, colour: bool = False) -> list[str]:
    return list(lines(Report(files, tuple(problems)), style, colour=colour))


def parsed(problems: Sequence[Problem], style: str, *files: str) -> Any:
    (text,) = printed(problems, style, *files)
    return json.loads(text)


def junit(problems: Sequence[Problem], *files: str) -> ET.Element:
    (text,) = printed(problems, "junit", *files)
    assert text.isascii()
    return ET.fromstring(text)  # noqa: S314 - we wrote it


def test_text_is_place_and_message_with_the_remedy_below_and_the_count() -> None:
    assert printed([IN_FILE, IN_EXPRESSION, WARNING]) == [
        "values.yaml:12:5: replcas is not a setting of a service; did you mean replicas?",
        "--set image.tag=5: image.tag must be a string, got the number 5",
        "  use --set-string",
        "a,b:c.yaml:1:2: warning: 100% wrong [latest-tag]",
        r"  change\nit",
        "2 errors, 1 warning",
    ]


def test_one_valid_file_is_no_text_and_many_are_counted() -> None:
    assert printed([], "text", "values.yaml") == []
    assert printed([], "text", "a.yaml", "b.yaml") == ["no problems in 2 files"]
    assert printed([IN_FILE], "text", "values.yaml", "b.yaml")[-1] == "1 error in 2 files"


def test_colour_changes_nothing_but_the_colour() -> None:
    coloured = "\n".join(printed(ALL, colour=True))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == "\n".join(printed(ALL))


def test_no_text_of_the_values_moves_the_cursor_or_breaks_a_format() -> None:
    hostile = IN_FILE._replace(message=HOSTILE, location=Location(HOSTILE, 1, 1), remedy=HOSTILE, path=HOSTILE)
    assert all(line.isprintable() for line in printed([hostile]))
    assert len(printed([hostile], "github")) == 1
    assert parsed([hostile], "gitlab")[0]["description"] == f"{HOSTILE}; {HOSTILE}"
    assert junit([hostile], HOSTILE).attrib["failures"] == "1"
    for style in FORMATS:
        for line in printed([hostile], style, HOSTILE):
            line.encode()


def test_json_is_versioned_and_has_every_field() -> None:
    assert parsed([IN_EXPRESSION, IN_FILE._replace(location=None)], "json", "values.yaml") == {
        "version": 1,
        "files": ["values.yaml"],
        "problems": [
            {
                "rule": "wrong-type",
                "severity": "error",
                "path": "image.tag",
                "location": {"source": "--set image.tag=5", "line": None, "column": 1},
                "message": "image.tag must be a string, got the number 5",
                "remedy": "use --set-string",
            },
            {
                "rule": "unknown-key",
                "severity": "error",
                "path": "services.render.replcas",
                "location": None,
                "message": IN_FILE.message,
                "remedy": None,
            },
        ],
    }


def test_annotations_are_escaped_as_github_documents() -> None:
    assert printed([IN_FILE, WARNING, UNREADABLE], "github") == [
        f"::error file=values.yaml,line=12,col=5,title=unknown-key::values.yaml:12:5: {IN_FILE.message}",
        "::warning file=a%2Cb%3Ac.yaml,line=1,col=2,title=latest-tag::a,b:c.yaml:1:2: 100%25 wrong%0Achange%0Ait",
        "::error file=no.yaml,line=1,col=1,title=unreadable-file::no.yaml: cannot be read: no such file",
    ]


def test_an_annotation_without_a_file_says_where_in_its_text() -> None:
    in_input = IN_FILE._replace(location=Location("<stdin>", 3, 4))
    assert printed([IN_EXPRESSION, in_input, NOWHERE], "github") == [
        "::error title=wrong-type::--set image.tag=5: image.tag must be a string, got the number 5%0Ause --set-string",
        f"::error title=unknown-key::<stdin>:3:4: {IN_FILE.message}",
        f"::warning title=unusable-schema::{NOWHERE.message}",
    ]


def test_code_quality_has_what_gitlab_asks_for() -> None:
    entries = parsed(ALL, "gitlab")
    assert entries[0] | {"fingerprint": ""} == {
        "description": IN_FILE.message,
        "check_name": "unknown-key",
        "fingerprint": "",
        "severity": "major",
        "location": {"path": "values.yaml", "lines": {"begin": 12}},
    }
    assert [(entry["location"]["path"], entry["severity"]) for entry in entries[1:]] == [
        ("--set image.tag=5", "major"),
        ("a,b:c.yaml", "minor"),
        ("no.yaml", "major"),
        ("values", "minor"),
    ]
    assert len({entry["fingerprint"] for entry in entries}) == len(ALL)


@pytest.mark.parametrize("style", ["github", "gitlab", "sarif"])
def test_a_path_is_that_in_the_repository(style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deploy").mkdir()
    monkeypatch.chdir(tmp_path / "deploy")

    def shown(file: str) -> str:
        (line,) = printed([IN_FILE._replace(location=Location(file, 1, 1))], style)
        (found,) = re.findall(r'(?:"path": "|"uri": "|file=)([^",]+)', line)
        return str(found)

    assert shown("./a.yaml") == "a.yaml"
    assert shown(str(tmp_path / "deploy/a.yaml")) == "a.yaml"
    assert shown("../b.yaml") == str(tmp_path / "b.yaml")

    monkeypatch.setenv("CI_PROJECT_DIR" if style == "gitlab" else "GITHUB_WORKSPACE", str(tmp_path))
    assert shown("./a.yaml") == "deploy/a.yaml"
    assert shown("../b.yaml") == "b.yaml"
    assert shown("/etc/a.yaml") == "/etc/a.yaml"


def fingerprints(*problems: Problem) -> list[str]:
    return [entry["fingerprint"] for entry in parsed(problems, "gitlab")]


def test_a_fingerprint_outlives_other_lines_and_other_words() -> None:
    moved = IN_FILE._replace(location=Location("values.yaml", 99, 1), message="said better")
    assert fingerprints(IN_FILE) == fingerprints(moved)


def test_no_two_problems_have_one_fingerprint() -> None:
    elsewhere = IN_FILE._replace(location=Location("other.yaml", 12, 5))
    other_rule, whole_file = IN_FILE._replace(rule="duplicate-key"), IN_FILE._replace(path="")
    found = fingerprints(IN_FILE, IN_FILE, elsewhere, other_rule, whole_file, whole_file._replace(message="another"))
    assert len(set(found)) == len(found)


def test_junit_has_one_case_a_file_and_one_failure_in_it() -> None:
    second = IN_FILE._replace(location=Location("values.yaml", 13, 1), message="also wrong")
    root = junit([IN_FILE, second, WARNING], "values.yaml", "a,b:c.yaml", "good.yaml")
    suite = root[0]

    assert (root.tag, root.attrib["tests"], root.attrib["failures"]) == ("testsuites", "3", "1")
    assert (suite.tag, suite.attrib["tests"], suite.attrib["failures"]) == ("testsuite", "3", "1")
    assert [case.attrib["name"] for case in suite] == ["values.yaml", "a,b:c.yaml", "good.yaml"]
    failed, warned, good = suite
    (failure,) = failed
    assert (failure.tag, failure.attrib["message"]) == ("failure", "2 errors")
    assert failure.text == f"values.yaml:12:5: {IN_FILE.message}\nvalues.yaml:13:1: also wrong"
    assert [(child.tag, child.text) for child in warned] == [
        ("system-out", "a,b:c.yaml:1:2: warning: 100% wrong [latest-tag]\n  change\\nit")
    ]
    assert list(good) == []


def test_junit_has_a_case_for_every_other_source_that_fails() -> None:
    root = junit([IN_EXPRESSION, NOWHERE], "values.yaml")
    assert [case.attrib["name"] for case in root[0]] == ["values.yaml", "--set image.tag=5", "values"]


def test_sarif_is_what_its_schema_says_and_names_every_problem() -> None:
    log = parsed(ALL, "sarif", "values.yaml", "a,b:c.yaml", "no.yaml", "<stdin>")

    assert list(Draft4Validator(json.loads(SARIF.read_text())).iter_errors(log)) == []
    (run,) = log["runs"]
    described = run["tool"]["driver"]["rules"]
    rules = [rule["id"] for rule in described]
    assert "Unknown key." in [rule["fullDescription"]["text"] for rule in described]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [problem.rule for problem in ALL]
    assert [result["level"] for result in run["results"]] == [problem.severity for problem in ALL]
    assert [one["location"]["uri"] for one in run["artifacts"]] == ["values.yaml", "a%2Cb%3Ac.yaml", "no.yaml"]
    assert run["results"][0]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "values.yaml"},
                "region": {"startLine": 12, "startColumn": 5},
            },
            "logicalLocations": [{"fullyQualifiedName": "services.render.replcas"}],
        }
    ]
    assert run["results"][1]["message"]["text"].startswith("--set image.tag=5: image.tag must be a string")


def test_the_schema_of_sarif_refuses_what_is_none() -> None:
    log = parsed([IN_FILE], "sarif")
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not Draft4Validator(json.loads(SARIF.read_text())).is_valid(log)


def test_every_format_is_documented() -> None:
    headings = re.findall(r"^## (\w+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(FORMATS)


@pytest.mark.parametrize("style", FORMATS)
def test_every_format_prints_every_problem(style: str) -> None:
    text = "\n".join(printed([IN_FILE, IN_EXPRESSION], style))
    assert all(problem.message in text for problem in (IN_FILE, IN_EXPRESSION))


@pytest.mark.parametrize("style", ["json", "gitlab", "junit", "sarif"])
def test_no_problems_are_still_a_report(style: str) -> None:
    (text,) = printed([], style, "values.yaml")
    assert text.startswith(("{", "[", "<?xml"))


def test_what_every_file_has_is_said_once() -> None:
    shared = IN_FILE._replace(location=Location("base.yaml", 1, 1))
    report = collect([(("base.yaml", "a.yaml"), [shared]), (("base.yaml", "b.yaml"), [shared])])
    assert report == Report(("base.yaml", "a.yaml", "b.yaml"), (shared,))


def test_what_only_some_files_have_names_them_unless_it_is_in_them() -> None:
    shared, own = IN_FILE._replace(location=Location("base.yaml", 1, 1)), IN_FILE._replace(location=Location("0", 1, 1))
    checked = [(("base.yaml", str(number)), [shared] if number else [own]) for number in range(6)]
    assert [problem.message for problem in collect(checked).problems] == [
        IN_FILE.message,
        f"{IN_FILE.message} (with 1, 2, 3 and 2 more)",
    ]


def test_strict_takes_warnings_for_errors_in_every_format() -> None:
    report = Report((), (WARNING,)).strict()
    assert list(lines(report, "text")) == ["a,b:c.yaml:1:2: 100% wrong", r"  change\nit", "1 error"]
    assert json.loads(next(lines(report, "gitlab")))[0]["severity"] == "major"

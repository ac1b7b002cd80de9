"""How problems are printed."""

from __future__ import annotations

import json

import pytest

from sametag.output import problems as output
from sametag.values import Location, Problem

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
    "image.tag must be text, got the number 5",
    "use --set-string",
)
WARNING = Problem("latest-tag", "warning", "image.tag", Location("a,b:c.yaml", 1, 2), "100% wrong", "change\nit")


def test_text_is_place_and_message_with_the_remedy_below_and_the_count() -> None:
    assert list(output.text([IN_FILE, IN_EXPRESSION, WARNING])) == [
        "values.yaml:12:5: replcas is not a setting of a service; did you mean replicas?",
        "--set image.tag=5: image.tag must be text, got the number 5",
        "  use --set-string",
        "a,b:c.yaml:1:2: warning: 100% wrong",
        r"  change\nit",
        "2 errors, 1 warning",
    ]


def test_no_problems_are_no_text() -> None:
    assert list(output.text([])) == []


def test_colour_changes_nothing_but_the_colour() -> None:
    import re

    coloured = "\n".join(output.text([IN_FILE, WARNING], colour=True))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == "\n".join(output.text([IN_FILE, WARNING]))


@pytest.mark.parametrize("hostile", ["a\x1b[2Jb", "a\nb", "a\u202eb", "a\udc80b"])
def test_no_text_of_the_values_moves_the_cursor_or_breaks_the_encoding(hostile: str) -> None:
    problem = IN_FILE._replace(message=hostile, location=Location(hostile, 1, 1), remedy=hostile)
    for line in output.text([problem]):
        assert line.isprintable()
        line.encode()


def test_json_is_versioned_and_has_every_field() -> None:
    assert json.loads(output.as_json([IN_EXPRESSION, IN_FILE._replace(location=None)])) == {
        "version": 1,
        "problems": [
            {
                "rule": "wrong-type",
                "severity": "error",
                "path": "image.tag",
                "location": {"source": "--set image.tag=5", "line": None, "column": 1},
                "message": "image.tag must be text, got the number 5",
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


def test_json_of_no_problems_is_still_a_report() -> None:
    assert json.loads("\n".join(output.lines([], "json"))) == {"version": 1, "problems": []}


def test_annotations_are_escaped_as_github_documents() -> None:
    assert list(output.github([IN_FILE, WARNING])) == [
        f"::error file=values.yaml,line=12,col=5,title=unknown-key::{IN_FILE.message}",
        "::warning file=a%2Cb%3Ac.yaml,line=1,col=2,title=latest-tag::100%25 wrong%0Achange%0Ait",
    ]


def test_an_annotation_without_a_file_says_where_in_its_text() -> None:
    (line,) = output.github([IN_EXPRESSION])
    assert (
        line
        == "::error title=wrong-type::--set image.tag=5: image.tag must be text, got the number 5%0Ause --set-string"
    )
    (line,) = output.github([IN_FILE._replace(location=Location("<stdin>", 3, 4))])
    assert line.startswith("::error title=unknown-key::<stdin>:3:4: ")


@pytest.mark.parametrize("style", output.FORMATS)
def test_every_format_prints_every_problem(style: str) -> None:
    printed = "\n".join(output.lines([IN_FILE, IN_EXPRESSION], style))
    assert all(problem.message in printed for problem in (IN_FILE, IN_EXPRESSION))

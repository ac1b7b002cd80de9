"""Problems as a JUnit report: one test case for each file.

A case has one `failure` with all that is wrong in the file, since Jenkins and GitLab read no second one. Warnings fail
nothing: they are in its `system-out`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from sametag.output.problems.report import counted, place, printable
from sametag.output.problems.text import problem_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sametag.output.problems.report import Report
    from sametag.values import Problem

_NAME = "sametag validate"


def testsuites(report: Report) -> str:
    """Return the report as one XML document."""
    cases: dict[str, list[Problem]] = {printable(file): [] for file in report.files}
    for problem in report.problems:
        source = printable(problem.location.source) if problem.location else ""
        cases.setdefault(source or "values", []).append(problem)
    root = ET.Element("testsuites", name=_NAME)
    suite = ET.SubElement(root, "testsuite", name=_NAME)
    failures = sum([_add_case(suite, name, problems) for name, problems in cases.items()])
    for element in (root, suite):
        element.attrib.update(tests=str(len(cases)), failures=str(failures), errors="0")
    ET.indent(root)
    # ASCII, with references for the rest: what standard output is encoded in is not known here.
    document: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return document.decode()


def _add_case(suite: ET.Element, name: str, problems: Sequence[Problem]) -> bool:
    """Add one test case; return whether it failed."""
    case = ET.SubElement(suite, "testcase", classname=_NAME, name=name, file=name)
    errors = [problem for problem in problems if problem.severity == "error"]
    warnings = [problem for problem in problems if problem.severity == "warning"]
    if errors:
        first = errors[0]
        message = f"{place(first.location)}: {printable(first.message)}" if len(errors) == 1 else counted(errors)
        ET.SubElement(case, "failure", type=first.rule, message=message).text = _text(errors)
    if warnings:
        ET.SubElement(case, "system-out").text = _text(warnings)
    return bool(errors)


def _text(problems: Sequence[Problem]) -> str:
    return "\n".join(line for problem in problems for line in problem_lines(problem))

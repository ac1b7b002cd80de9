"""A rollout as a test suite, which every CI shows: a service is a test case."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sametag.output.plain import plain
from sametag.output.wording import SCHEDULED, UNTOUCHED

if TYPE_CHECKING:
    from sametag.output import shapes
    from sametag.output.report.story import Service, Story


def junit(story: Story) -> str:
    """Return the XML.

    Source of the format: https://github.com/testmoapp/junitxml
    """
    end = story.end
    suites = Element("testsuites")
    suite = SubElement(suites, "testsuite", name=f"sametag {end['command']} {end['release']}")
    for service in story.services.values():
        _service(suite, story, service)
    if end["result"] == "failed" and not story.failures:
        case = _case(suite, story, end["command"], story.seconds)
        SubElement(case, "error", message=_clean(end["message"])).text = _clean(end["remedy"] or "")
    counts = {"tests": "testcase", "failures": ".//failure", "errors": ".//error", "skipped": ".//skipped"}
    for element in (suites, suite):
        element.attrib |= {name: str(len(suite.findall(path))) for name, path in counts.items()}
        element.set("time", f"{story.seconds:.3f}")
    suite.set("timestamp", story.began.isoformat(timespec="seconds"))
    indent(suites)
    return tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _service(suite: Element, story: Story, service: Service) -> None:
    seconds = (service.job and service.job["seconds"]) or service.ready_after or 0
    case = _case(suite, story, service.name, seconds)
    failures = [failure for failure in story.failures if service.name in failure["services"]]
    for failure in failures:
        message = _clean(f"{failure['reason']}: {failure['message']}")
        SubElement(case, "failure", type=failure["reason"], message=message).text = _clean(_evidence(failure))
    if service.job or service.state == SCHEDULED:
        SubElement(case, "system-out").text = _clean(service.words)
    elif not service.touched:
        SubElement(case, "system-out").text = UNTOUCHED
    elif not failures and service.ready_after is None:
        SubElement(case, "skipped", message="not ready when the rollout ended")


def _case(suite: Element, story: Story, name: str, seconds: float) -> Element:
    return SubElement(suite, "testcase", classname=story.end["release"], name=name, time=f"{seconds:.3f}")


def _evidence(failure: shapes.Failure) -> str:
    place = [f"{name}: {failure[name]}" for name in ("pod", "container") if failure[name]]
    return "\n".join([*place, failure["message"], *failure["events"], *failure["previousLog"], *failure["log"]])


def _clean(text: str) -> str:
    """Return the text without what XML cannot hold."""
    return "\n".join(map(plain, text.split("\n"))).replace("\ufffe", "").replace("\uffff", "")

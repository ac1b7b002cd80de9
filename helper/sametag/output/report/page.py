"""A rollout as one page of HTML that asks for nothing else: no script, no font, no image."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from sametag.output.plain import plain
from sametag.output.report.timeline import percent_of_a_tick, timeline
from sametag.output.wording import SCHEDULED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sametag.output.progress.documents import Document
    from sametag.output.report.story import Story


def page(story: Story) -> str:
    """Return the page; every text in it is escaped."""
    end = story.end
    failed = bool(end["exitCode"])
    template = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"{end['command'].capitalize()} of {end['release']}"),
        result=f"failed, exit code {end['exitCode']}" if failed else escape(end["result"]),
        mood="bad" if failed else "good",
        message=_message(end),
        facts=_facts(story),
        step=percent_of_a_tick(story.seconds),
        timeline=timeline(story),
        failures=_section("What failed", story.failures),
        troubles=_section("Trouble on the way", story.troubles),
        count=len(story.documents),
        events="\n".join(
            f"<li><time>{story.at(document):.1f} s</time><span>{_event(document)}</span></li>"
            for document in story.documents
        ),
    )


def text(words: object) -> str:
    """Return words as HTML."""
    return escape(plain(str(words)))


def _message(end: Document) -> str:
    if not end["exitCode"]:
        return ""
    remedy = f'<p class="muted">{text(end["remedy"])}</p>' if end["remedy"] else ""
    return f'<p class="bad">{text(end["message"])}</p>{remedy}'


def _facts(story: Story) -> str:
    facts = {"Tag": _tags(story)} if story.rollouts else {}
    if story.rollouts:
        facts |= {"Namespace": story.rollouts[0].namespace}
    if "revision" in story.end:
        facts |= {"Revision": story.end["revision"]}
    if story.services:
        jobs = sum(bool(service.job) or service.state == SCHEDULED for service in story.services.values())
        facts |= {"Services": str(len(story.services) - jobs)}
    facts |= {"Began": f"{story.began:%Y-%m-%d %H:%M:%S} UTC", "Took": f"{story.seconds:.1f} s"}
    return "".join(f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in facts.items())


def _tags(story: Story) -> str:
    """Return the tags in the order in which the release had them."""
    before = dict.fromkeys(service.before for service in story.services.values() if service.before)
    tags = [*before, *(rollout.tag for rollout in story.rollouts)]
    return " → ".join(tag for at, tag in enumerate(tags) if at == 0 or tag != tags[at - 1])


def _section(title: str, found: Sequence[Document]) -> str:
    if not found:
        return ""
    cards = "\n".join(map(_card, found))
    return f'<section aria-label="{title}">\n<h2>{title}</h2>\n{cards}\n</section>'


def _card(found: Document) -> str:
    place = " · ".join(f"{name} {found[name]}" for name in ("pod", "container") if found[name])
    events = "".join(f"<li>{text(event)}</li>" for event in found["events"])
    log = "\n".join(map(text, found["log"]))
    previous = "\n".join(map(text, found["previousLog"]))
    return "\n".join(
        (
            f'<article class="failure"><h3>{text(", ".join(found["services"]))}</h3>',
            f'<p class="muted mono">{text(place)}</p>' if place else "",
            f'<p><strong class="bad">{text(found["reason"])}</strong> {text(found["message"])}</p>',
            f"<h4>Events</h4><ul>{events}</ul>" if events else "",
            f'<h4>Log before the restart</h4><pre tabindex="0">{previous}</pre>' if previous else "",
            f'<h4>Log, the last {len(found["log"])} lines</h4><pre tabindex="0">{log}</pre>' if log else "",
            "</article>",
        )
    )


def _event(document: Document) -> str:
    """Say an event in one line."""
    match document["event"]:
        case "step":
            return text(document["text"])
        case "start":
            return f"<strong>{text(document['action'])} to {text(document['tag'])} begins</strong>"
        case "service":
            troubles = ", ".join(dict.fromkeys(trouble["reason"] for trouble in document["troubles"]))
            more = f" ({troubles})" if troubles else ""
            if document["job"] or document["cronJob"]:
                return text(f"{document['name']}: {document['words']}")
            numbers = f"{document['updated']} updated, {document['ready']} ready of {document['desired']}"
            return text(f"{document['name']}: {document['words']}{more}, {numbers}")
        case "trouble" | "failure":
            return text(
                f"{', '.join(document['services'])}: {document['event']}: {document['reason']}: {document['message']}"
            )
        case _:
            return f"<strong>{text(document['result'])}</strong>"

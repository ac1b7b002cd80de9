"""A rollout as one page of HTML that asks for nothing else: no script, no font, no image."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from sametag.output.plain import plain
from sametag.output.report.story import OLDER
from sametag.output.wording import GONE, READY, SCHEDULED, STARTING, TROUBLE, UNTOUCHED, counted_kinds, number_of
from sametag.rollout import DONE, FAILED, RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.output import shapes
    from sametag.output.report.story import Pod, Rollout, Service, Span, Story


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
        step=_percent_of_a_tick(story.seconds),
        timeline=_timeline(story),
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


def _message(end: shapes.End) -> str:
    if end["result"] != "failed":
        return ""
    remedy = f'<p class="muted">{text(end["remedy"])}</p>' if end["remedy"] else ""
    return f'<p class="bad">{text(end["message"])}</p>{remedy}'


def _facts(story: Story) -> str:
    facts: dict[str, object] = {"Tag": _tags(story)} if story.rollouts else {}
    if story.rollouts:
        facts |= {"Namespace": story.rollouts[0].namespace}
    if story.end["result"] == "succeeded":
        facts |= {"Revision": story.end["revision"]}
    if story.services:
        facts |= {"Of": counted_kinds(service.kind for service in story.services.values())}
    facts |= {"Began": f"{story.began:%Y-%m-%d %H:%M:%S} UTC", "Took": f"{story.seconds:.1f} s"}
    return "".join(f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in facts.items())


def _tags(story: Story) -> str:
    """Return the tags in the order in which the release had them."""
    before = dict.fromkeys(service.before for service in story.services.values() if service.before)
    tags = [*before, *(rollout.tag for rollout in story.rollouts)]
    return " → ".join(tag for at, tag in enumerate(tags) if at == 0 or tag != tags[at - 1])


def _section(title: str, found: Sequence[shapes.Evidence]) -> str:
    if not found:
        return ""
    cards = "\n".join(map(_card, found))
    return f'<section aria-label="{title}">\n<h2>{title}</h2>\n{cards}\n</section>'


def _card(found: shapes.Evidence) -> str:
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


def _event(document: shapes.Document) -> str:
    """Say an event in one line."""
    match document["event"]:
        case "step":
            return text(document["text"])
        case "start":
            return f"<strong>{text(document['action'])} to {text(document['tag'])} begins</strong>"
        case "service":
            return text(_service_event(document))
        case "trouble" | "failure":
            return text(
                f"{', '.join(document['services'])}: {document['event']}: {document['reason']}: {document['message']}"
            )
        case "plan":
            return f"a dry run: {number_of(len(document['objects']), 'object')} would change"
        case "end":
            return f"<strong>{text(document['result'])}</strong>"


def _service_event(document: shapes.Service) -> str:
    if document["job"] or document["cronJob"]:
        return f"{document['name']}: {document['words']}"
    troubles = ", ".join(dict.fromkeys(trouble["reason"] for trouble in document["troubles"]))
    more = f" ({troubles})" if troubles else ""
    numbers = f"{document['updated']} updated, {document['ready']} ready of {document['desired']}"
    return f"{document['name']}: {document['words']}{more}, {numbers}"


_LEGEND = {OLDER: "older pods", STARTING: "starting", READY: "ready", RUNNING: "running Job", TROUBLE: "in trouble"}
_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
# Labels that begin further right end at the right edge.
_LEFT = 40.0
_TICKS = 6  # at most, so that they can be read on a phone


def _percent_of_a_tick(seconds: float) -> str:
    """Return the distance of two ticks, in percent of the whole."""
    return f"{100 * _step(seconds) / _whole(seconds):.4f}"


def _whole(seconds: float) -> float:
    return max(seconds, 0.1)


def _step(seconds: float) -> float:
    return next((step for step in _STEPS if seconds / step <= _TICKS), seconds / _TICKS)


def _timeline(story: Story) -> str:
    """Return the section; empty where no service was seen."""
    if not story.services:
        return ""
    legend = "".join(f'<span><i class="swatch {name}"></i>{words}</span>' for name, words in _LEGEND.items())
    services = "\n".join(_service(story, service) for service in story.services.values())
    return f"""<section aria-labelledby="timeline">
<h2 id="timeline">Timeline</h2>
<p class="legend">{legend}</p>
<div class="scale" aria-hidden="true"><div class="row"><div></div><div>
<div class="bands">{"".join(_bands(story))}</div><div class="ticks">{"".join(_ticks(story))}</div>
</div></div></div>
<ol>
{services}
</ol>
</section>"""


def _bands(story: Story) -> Iterator[str]:
    """Yield a label where each rollout begins."""
    for rollout in story.rollouts:
        label, begin = escape(f"{rollout.action} to {rollout.tag}"), _percent(story, rollout.at)
        # Each has a line of its own, so that none is cut however short its time is.
        place = f"margin-left:{begin}%" if float(begin) <= _LEFT else "justify-self:end"
        yield f'<span style="{place}">{label}</span>'


def _ticks(story: Story) -> Iterator[str]:
    step = _step(story.seconds)
    # The last one would be cut off where it is near the end.
    for number in range(int(_whole(story.seconds) * 0.88 / step) + 1):
        yield f'<span style="left:{_percent(story, number * step)}%">{number * step:g} s</span>'


def _percent(story: Story, at: float) -> str:
    return f"{min(100 * at / _whole(story.seconds), 100):.3f}"


def _place(story: Story, began: float, ended: float) -> str:
    return f"left:{_percent(story, began)}%;width:{_percent(story, ended - began)}%"


def _service(story: Story, service: Service) -> str:
    failed = any(service.name in failure["services"] for failure in story.failures)
    mood = {READY: "good", DONE: "good", TROUBLE: "bad", FAILED: "bad"}.get(service.state, "muted")
    alone = service.job or service.state in (GONE, SCHEDULED, UNTOUCHED)
    now = service.words if alone else f"{service.words} on {service.tag}"
    if not alone and service.ready_after is not None and len(story.rollouts) == 1:
        now += f" after {service.ready_after:.1f} s"
    pods = "\n".join(_pod(story, pod) for pod in service.pods.values())
    return f"""<li class="service"><div class="service-head"><h3>{escape(service.name)}</h3>
{'<strong class="bad">failed</strong>' if failed else ""}<span class="{mood}">{escape(now)}</span></div>
<ul>
{pods}
</ul></li>"""


def _pod(story: Story, pod: Pod) -> str:
    tags = ", ".join(pod.tags)
    bars = "".join(_bar(story, span) for span in pod.spans)
    marks = "".join(_mark(story, rollout) for rollout in story.rollouts[1:])
    said = escape(f"pod {pod.name} on {tags}: " + ", ".join(map(_words, pod.spans)), quote=True)
    return (
        f'<li class="pod row"><div class="pod-name mono">{escape(pod.name)} <strong>{escape(tags)}</strong></div>'
        f'<div class="track" role="img" aria-label="{said}">{bars}{marks}</div></li>'
    )


def _bar(story: Story, span: Span) -> str:
    place = _place(story, span.began, span.ended)
    return f'<span class="bar {span.state}" style="{place}" title="{escape(_words(span), quote=True)}"></span>'


def _mark(story: Story, rollout: Rollout) -> str:
    return f'<span class="mark" style="left:{_percent(story, rollout.at)}%"></span>'


def _words(span: Span) -> str:
    return f"{span.reason or span.state} from {span.began:.1f} s to {span.ended:.1f} s"

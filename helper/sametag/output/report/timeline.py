"""The timeline of the report: a bar for every state of every pod."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from sametag.output.report.story import OLDER
from sametag.output.wording import GONE, READY, SCHEDULED, STARTING, TROUBLE, UNTOUCHED
from sametag.rollout import DONE, FAILED, RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.output.report.story import Pod, Rollout, Service, Span, Story

_LEGEND = {OLDER: "older pods", STARTING: "starting", READY: "ready", RUNNING: "running Job", TROUBLE: "in trouble"}
_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_TICKS = 6  # at most, so that they can be read on a phone


def percent_of_a_tick(seconds: float) -> str:
    """Return the distance of two ticks, in percent of the whole."""
    return f"{100 * _step(seconds) / _whole(seconds):.4f}"


def _whole(seconds: float) -> float:
    return max(seconds, 0.1)


def _step(seconds: float) -> float:
    return next((step for step in _STEPS if seconds / step <= _TICKS), seconds / _TICKS)


def timeline(story: Story) -> str:
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
    """Yield a label over the time of each rollout."""
    ends = [*(rollout.at for rollout in story.rollouts[1:]), story.seconds]
    for rollout, end in zip(story.rollouts, ends, strict=True):
        said = escape(f"{rollout.action} to {rollout.tag}")
        yield f'<span style="{_place(story, rollout.at, end)}">{said}</span>'


def _ticks(story: Story) -> Iterator[str]:
    step = _step(story.seconds)
    # The last one would be cut off where it is near the end.
    for number in range(int(_whole(story.seconds) * 0.95 / step) + 1):
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

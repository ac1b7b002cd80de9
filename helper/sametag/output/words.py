"""The words that every output has for a rollout: on a terminal, in lines, in the report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sametag.rollout import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.deploy import Outcome
    from sametag.rollout import Evidence, ServiceState, Trouble

# A digest is long, and its first 12 digits are what people compare.
DIGEST_LENGTH = len("sha256:") + 12

# Colours and whatever else a program writes for a terminal, and what no terminal shows.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)|[\x00-\x08\x0a-\x1f\x7f-\x9f]")

WAITING, STARTING, FINISHING, READY, TROUBLE = "waiting", "starting", "finishing", "ready", "trouble"
GONE = "gone"  # the release has it no more


def tag_of(reference: str) -> str:
    """Return an image reference without its repository."""
    _, tag, digest = split(reference)
    return tag or digest[:DIGEST_LENGTH] or "latest"


def phase(state: ServiceState, before: ServiceState | None, tag: str) -> str:
    """Say how far a service is on its way to a tag.

    Returns:
        WAITING: nothing has happened to it yet. STARTING: new pods are not ready. FINISHING: they are, and older ones
        are left. READY. TROUBLE: something is wrong with its newest pods.
    """
    unchanged = before is not None and before.spec == state.spec
    elsewhere = not state.extra and bool(state.pods) and tag not in state.tags
    if not state.observed or (unchanged and elsewhere):
        return WAITING
    if state.troubles:
        return TROUBLE
    if state.complete:
        return READY
    return FINISHING if state.others and sum(pod.ready for pod in state.pods) >= state.desired else STARTING


def plain(text: str) -> str:
    """Return a line of a log without what would move the cursor, or colour what comes after it."""
    return _CONTROL.sub("", text)


def evidence_lines(found: Evidence) -> Iterator[str]:
    """Yield what a failed pod left behind: the reason, its events, its last log lines."""
    place = where(found.trouble)
    yield f"{found.service}: {place}{': ' if place else ''}{plain(found.trouble.summary)}"
    for event in found.events:
        yield f"  event: {plain(event)}"
    for line in found.previous:
        yield f"  log before the restart: {plain(line)}"
    for line in found.log:
        yield f"  log: {plain(line)}"


def where(trouble: Trouble) -> str:
    """Name the pod and the container; empty where the trouble is the whole workload's."""
    return " ".join(part for part in (f"pod {trouble.pod}" if trouble.pod else "", trouble.container) if part)


_DONE = {"install": "installed", "upgrade": "upgraded", "rollback": "rolled back"}


def outcome_line(command: str, release: str, outcome: Outcome) -> str:
    """Say in one line what is true after a deployment."""
    revision, count = outcome.revision, len(outcome.services)
    return (
        f"{_DONE[command]} {release}: {services(count)} on tag {revision.tag or revision.digest} "
        f"(revision {revision.number}) in {outcome.seconds:.1f} s"
    )


# Names in one line; a hundred would hide what matters.
_NAMES = 5


def names(all_of_them: Sequence[str]) -> str:
    """Return some names in one line, and how many more there are."""
    more = [f"and {len(all_of_them) - _NAMES} more"] if len(all_of_them) > _NAMES else []
    return ", ".join([*all_of_them[:_NAMES], *more])


def services(count: int) -> str:
    """Return `1 service` or `4 services`."""
    return "1 service" if count == 1 else f"{count} services"

"""The words that every output has for a rollout: on a terminal, in lines, in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.output.plain import plain
from sametag.rollout import AWAITED, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.deploy import Outcome
    from sametag.rollout import Evidence, Run, Schedule, ServiceState, Trouble

# A digest is long, and its first 12 digits are what people compare.
DIGEST_LENGTH = len("sha256:") + 12

WAITING, STARTING, FINISHING, READY, TROUBLE = "waiting", "starting", "finishing", "ready", "trouble"
GONE = "gone"  # the release has it no more
SCHEDULED = "scheduled"  # a CronJob
UNTOUCHED = "untouched"  # the rollout ended before it came to it


def tag_of(reference: str) -> str:
    """Return an image reference without its repository."""
    _, tag, digest = split(reference)
    return tag or digest[:DIGEST_LENGTH] or "latest"


def phase(state: ServiceState, before: ServiceState | None, tag: str) -> str:
    """Say how far a service is on its way to a tag.

    Returns:
        WAITING: nothing has happened to it yet. STARTING: new pods are not ready. FINISHING: they are, and older ones
        are left. READY. TROUBLE: something is wrong with its newest pods. Of a Job, the state of its run; of a CronJob,
        SCHEDULED once it has the tag.
    """
    if state.run:
        return TROUBLE if state.troubles and not state.run.ended else state.run.state
    unchanged = before is not None and before.spec == state.spec
    # A chart around others may have several tags.
    elsewhere = not state.extra and bool(state.pods or state.cron) and not {*tag.split(", ")} & {*state.tags}
    if state.cron:
        return WAITING if unchanged and elsewhere else SCHEDULED
    if not state.observed or (unchanged and elsewhere):
        return WAITING
    if state.troubles:
        return TROUBLE
    if state.complete:
        return READY
    return FINISHING if state.others and sum(pod.ready for pod in state.pods) >= state.desired else STARTING


def in_words(state: ServiceState, word: str) -> str:
    """Say how far it is: of a Job with its tries and seconds, of a CronJob with its schedule; `word` is its phase."""
    if state.run:
        reason = f" ({state.troubles[0].reason})" if word == TROUBLE else ""
        return f"{state.run}{reason}"
    return str(state.cron) if state.cron else word


def run_document(run: Run) -> dict[str, Any]:
    """Return how far a Job is as plain data."""
    return {"state": run.state, "tries": run.tries, "limit": run.limit, "ended": run.ended, "seconds": run.seconds}


def schedule_document(cron: Schedule) -> dict[str, Any]:
    """Return when a CronJob runs, and how it last did, as plain data."""
    return {
        "schedule": cron.schedule,
        "timeZone": cron.time_zone or None,
        "suspended": cron.suspended,
        "lastRun": cron.last_began.isoformat() if cron.last_began else None,
        "nextRun": cron.next.isoformat() if cron.next else None,
        "last": run_document(cron.last) if cron.last else None,
        "onTag": run_document(cron.on_tag) if cron.on_tag else None,
    }


# Of one cause a terminal shows at most this; the report and the events have it all.
_EVENTS, _LOG_LINES = 3, 8

# What the kubelet tells besides the reason, and that says no more.
_NOISE = ("BackOff: ", "Failed: Error: ", "Killing: Stopping container ")


def cause_lines(found: Evidence) -> Iterator[str]:
    """Yield a trouble that may heal, with its services, and what it waits for."""
    yield f"{names(found.services)}{counted(found)}: {plain(found.trouble.summary)}"
    if awaited := AWAITED.get(found.trouble.reason):
        yield f"  waiting for {awaited}"


def place_lines(found: Evidence) -> Iterator[str]:
    """Yield where something failed; the error says why."""
    if place := where(found.trouble):
        more = f", and {found.pods - 1} more" if found.pods > 1 else ""
        yield f"{names(found.services)}: {place} ({found.trouble.reason}{more})"


def left_lines(found: Evidence) -> list[str]:
    """Return what one pod of a cause left behind: its events, its last log lines."""
    told = " ".join(found.trouble.message.split())
    events = [
        event
        for event in found.events
        if not event.startswith(_NOISE) and " ".join(event.partition(": ")[2].split()) not in told
    ]
    log = found.log if found.log != found.previous else ()
    return [
        *(f"  event: {plain(event)}" for event in events[-_EVENTS:]),
        *(f"  log before the restart: {plain(line)}" for line in found.previous[-_LOG_LINES:]),
        *(f"  log: {plain(line)}" for line in log[-_LOG_LINES:]),
    ]


def counted(found: Evidence) -> str:
    """Say how many services fail for one cause, where it is not one."""
    return f" ({len(found.services)})" if found.others else ""


def where(trouble: Trouble) -> str:
    """Name the pod and the container; empty where the trouble is the whole workload's."""
    return " ".join(part for part in (f"pod {trouble.pod}" if trouble.pod else "", trouble.container) if part)


_DONE = {"install": "installed", "upgrade": "upgraded", "rollback": "rolled back"}


def outcome_line(command: str, release: str, outcome: Outcome) -> str:
    """Say in one line what is true after a deployment."""
    revision, count = outcome.revision, len(outcome.services)
    unseen = "".join(f"; {name}: {words}" for name, words in outcome.unseen.items())
    return (
        f"{_DONE[command]} {release}: {services(count)} on tag {revision.tag or revision.digest} "
        f"(revision {revision.number}) in {outcome.seconds:.1f} s{unseen}"
    )


# Names in one line; a hundred would hide what matters.
_NAMES = 5


def names(all_of_them: Sequence[str]) -> str:
    """Return some names in one line, and how many more there are."""
    more = [f"and {len(all_of_them) - _NAMES} more"] if len(all_of_them) > _NAMES else []
    return ", ".join([*all_of_them[:_NAMES], *more])


def services(count: int) -> str:
    """Return `1 service` or `4 services`."""
    return number_of(count, "service")


def number_of(count: int, word: str) -> str:
    """Return `1 object` or `4 objects`."""
    return f"1 {word}" if count == 1 else f"{count} {word}s"

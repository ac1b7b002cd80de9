"""Words that all outputs of a rollout share: the terminal, the lines, the report."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from sametag.output.plain import plain
from sametag.rollout import AWAITED, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sametag.output import shapes
    from sametag.rollout import Evidence, Run, Schedule, ServiceState, Trouble

# People compare the first 12 digits of a digest.
DIGEST_LENGTH = len("sha256:") + 12

WAITING: Final = "waiting"
STARTING: Final = "starting"
FINISHING: Final = "finishing"
READY: Final = "ready"
TROUBLE: Final = "trouble"
GONE: Final = "gone"  # no longer part of the release
SCHEDULED: Final = "scheduled"  # a CronJob
UNTOUCHED = "untouched"  # the rollout ended before reaching it


def tag_of(reference: str) -> str:
    """Return an image reference without its repository."""
    _, tag, digest = split(reference)
    return tag or digest[:DIGEST_LENGTH] or "latest"


def phase(state: ServiceState, before: ServiceState | None, tag: str) -> shapes.Phase:
    """Return how far a service is on its way to a tag.

    Returns:
        WAITING: nothing has happened yet. STARTING: its new pods are not ready. FINISHING: they are, but older ones are
        left. READY. TROUBLE: its newest pods have a problem. For a Job, the state of its run; for a CronJob, SCHEDULED
        once it has the tag.
    """
    if state.run:
        return TROUBLE if state.troubles and not state.run.ended else state.run.state
    unchanged = before is not None and before.spec == state.spec
    # The release of a parent chart may have several tags.
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
    """Return a phase in words: for a Job with tries and seconds, for a CronJob with its schedule."""
    if state.run:
        reason = f" ({state.troubles[0].reason})" if word == TROUBLE else ""
        return f"{state.run}{reason}"
    return str(state.cron) if state.cron else word


def run_document(run: Run) -> shapes.Run:
    """Return the run of a Job as plain data."""
    return {"state": run.state, "tries": run.tries, "limit": run.limit, "ended": run.ended, "seconds": run.seconds}


def schedule_document(cron: Schedule) -> shapes.Schedule:
    """Return when a CronJob runs, and how its last run went, as plain data."""
    return {
        "schedule": cron.schedule,
        "timeZone": cron.time_zone or None,
        "suspended": cron.suspended,
        "lastRun": cron.last_began.isoformat() if cron.last_began else None,
        "nextRun": cron.next.isoformat() if cron.next else None,
        "last": run_document(cron.last) if cron.last else None,
        "onTag": run_document(cron.on_tag) if cron.on_tag else None,
    }


# The most that a terminal shows of one cause; the report and the events have everything.
_EVENTS, _LOG_LINES = 3, 8

# Events that add nothing to the reason.
_NOISE = ("BackOff: ", "Failed: Error: ", "Killing: Stopping container ")


def cause_lines(found: Evidence) -> Iterator[str]:
    """Yield a trouble that may heal: its services, the trouble, what it is waiting for."""
    yield f"{names(found.services)}{counted(found)}: {plain(found.trouble.summary)}"
    if awaited := AWAITED.get(found.trouble.reason):
        yield f"  waiting for {awaited}"


def place_lines(found: Evidence) -> Iterator[str]:
    """Yield where something failed; the error at the end says why."""
    if place := where(found.trouble):
        more = f", and {found.pods - 1} more" if found.pods > 1 else ""
        yield f"{names(found.services)}: {place} ({found.trouble.reason}{more})"


def left_lines(found: Evidence) -> list[str]:
    """Return the events and last log lines of one pod of a cause."""
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
    """Return how many services have one cause, such as ` (4)`; empty for one."""
    return f" ({len(found.services)})" if found.others else ""


def where(trouble: Trouble) -> str:
    """Name the pod and the container; empty if the trouble is the whole workload's."""
    return " ".join(part for part in (f"pod {trouble.pod}" if trouble.pod else "", trouble.container) if part)


def kind(state: ServiceState) -> shapes.Kind:
    """Return what a state is of: `service`, `job`, `cronJob`, or `workload` for one of no service."""
    return "job" if state.run else "cronJob" if state.cron else "workload" if state.extra else "service"


_KINDS = {"service": "service", "job": "Job", "cronJob": "CronJob"}


def counted_kinds(kinds: Iterable[str]) -> str:
    """Count services, Jobs and CronJobs apart, such as `4 services, 1 Job`; workloads of no service do not count."""
    counts = Counter(kinds)
    return ", ".join(
        number_of(counts[name], word) for name, word in _KINDS.items() if counts[name] or name == "service"
    )


# A line with a hundred names would hide what matters.
_NAMES = 5


def names(items: Sequence[str]) -> str:
    """Return some names in one line, and how many more there are."""
    more = [f"and {len(items) - _NAMES} more"] if len(items) > _NAMES else []
    return ", ".join([*items[:_NAMES], *more])


def number_of(count: int, word: str) -> str:
    """Return `1 object` or `4 objects`."""
    return f"1 {word}" if count == 1 else f"{count} {word}s"

"""Why a rollout is stuck: what the watch saw, and what it means that Helm gave up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sametag.helm.command import KilledError
from sametag.rollout import Evidence, Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sametag.errors import HelmError
    from sametag.rollout import Members

# Helm 4 and 3, and what ends their waiting for a Job or a hook.
_TIMED_OUT = re.compile(r"context deadline exceeded|timed out waiting|client rate limiter Wait returned an error")
_WAITED = re.compile(
    r"not ready|hooks? failed|job failed|job \S+ failed|BackoffLimitExceeded|DeadlineExceeded|progress deadline"
    r"|resource \S+ failed",
    re.IGNORECASE,
)

# Names in one line; a hundred would hide the cause.
_NAMES = 5


class StuckError(Exception):
    """The watch saw what cannot heal, or Helm gave up after it had begun."""

    def __init__(self, reason: str, found: Sequence[Evidence]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = tuple(found)


def why_helm_gave_up(error: HelmError, stuck: StuckError, timeout: str, members: Members) -> StuckError:
    """Return why Helm gave up, with what was seen: Helm says so only where it was refused.

    Args:
        error: Helm's.
        stuck: What was seen to be wrong.
        timeout: Helm's, as it was given.
        members: The workloads of the revision.
    """
    if isinstance(error, KilledError):
        return StuckError(error.message, stuck.evidence)
    if _TIMED_OUT.search(error.message):
        waited = f": {stuck.reason}" if stuck.reason else ""
        return StuckError(f"timed out after {timeout}, which --timeout can make longer{waited}", stuck.evidence)
    if _WAITED.search(error.message):
        return StuckError(stuck.reason or error.message, stuck.evidence)
    message = " ".join(error.message.split())
    named = [member.title for member in members.found.values() if f'"{member.name}"' in message]
    refused = Evidence(named[0] if named else members.release, Trouble("ApplyFailed", message))
    # What the refusal kept from beginning was not ready for that reason.
    others = [found for found in stuck.evidence if found.trouble.reason != "NotReady"]
    causes = [refused, *others]
    return StuckError(summary_of(causes), causes)


def summary_of(causes: Sequence[Evidence]) -> str:
    """Say the first cause with the services that it stops, and how many more there are: the summary has them all."""
    if not causes:
        return ""
    services, cause = causes[0].services, causes[0].trouble.summary
    count = f" ({len(services)})" if len(services) > 1 else ""
    names = ", ".join(services[:_NAMES]) + (", …" if len(services) > _NAMES else "")
    more = {1: "", 2: " (and 1 more cause)"}.get(len(causes), f" (and {len(causes) - 1} more causes)")
    return f"{names}{count}: {cause}{more}"

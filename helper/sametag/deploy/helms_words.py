"""What it means that Helm gave up: it waited too long, it was refused, or it was killed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sametag.deploy.watched import StuckError, in_short
from sametag.helm.command import KilledError
from sametag.rollout import Evidence, Trouble

if TYPE_CHECKING:
    from sametag.errors import HelmError
    from sametag.rollout import Members

# Helm 4 and 3, and what ends their waiting for a Job or a hook.
_TIMED_OUT = re.compile(r"context deadline exceeded|timed out waiting|client rate limiter Wait returned an error")
_WAITED = re.compile(
    r"not ready|hooks? failed|job failed|job \S+ failed|BackoffLimitExceeded|DeadlineExceeded|progress deadline"
    r"|resource \S+ failed",
    re.IGNORECASE,
)


def told(error: HelmError, stuck: StuckError, timeout: str, members: Members) -> StuckError:
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
    return StuckError(in_short(causes), causes)

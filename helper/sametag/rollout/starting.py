"""Why a container does not start, or does not stay up, from what runtime, kubelet and probes report."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.rollout.kube_types import Container, ContainerStatus, Event, Probe, Terminated

#: A container that has crashed so often is in a crash loop.
CRASHES = 2  # a program that lost a race at start gets one more try

# The kubelet reports 25 events about one pod, and then one every five minutes.
_EVENTS = 20

# runc and crun. The last words are those of execve(2).
_EXEC = re.compile(
    r"exec:? \"?(?P<command>[^\s\":]+)\"?: "
    r"(?:(?:stat|open) \S+: )?"
    r"(?P<error>executable file not found in \$PATH|no such file or directory|permission denied|exec format error"
    r"|is a directory|not a directory)",
    re.IGNORECASE,
)
_CRUN = re.compile(r"executable file [`'\"](?P<command>[^`'\"]+)[`'\"] not found in \$PATH")
_ERRORS = {
    "permission denied": "may not be executed: permission denied",
    "exec format error": "is not a program for this node: exec format error (another platform, or no #! line)",
    "is a directory": "is a directory",
    "not a directory": "is not in the image: a part of its path is a file",
}


def why_not_started(message: str, container: Container | None) -> str:
    """Say why the runtime could not start a container's command, in words about the image."""
    message = " ".join(message.split())
    found = _EXEC.search(message) or _CRUN.search(message)
    if found is None:
        return message.rpartition("unable to start container process: ")[2] or message
    command, error = found["command"], found.groupdict().get("error", "").lower()
    known = next((words for sign, words in _ERRORS.items() if sign in error), "")
    if known:
        return f'"{command}" {known}'
    return f'"{command}" is not in the image{_looked_for(command, container)}'


def _looked_for(command: str, container: Container | None) -> str:
    if "/" in command:
        # The kernel says the same of a script whose interpreter is missing.
        return ", or its interpreter is not"
    path = next((entry.value for entry in container.env if entry.name == "PATH"), "") if container else ""
    return f" (PATH: {path})" if path else " (it was looked for in the image's PATH)"


def said_by_exec(lines: Iterable[str]) -> str:
    """Return why a command could not be executed where the runtime left that in the container's log; else empty.

    runc starts the container before the kernel refuses the file: it ends with 255 (1, 126 or 127 by others), and the
    one line of its log is runc's.
    """
    written = [line for line in lines if line.strip()]
    if len(written) != 1 or not re.match(r"(?:\S+: )?exec ", written[0]):
        return ""
    return why_not_started(written[0], None) if _EXEC.search(written[0]) else ""


def crash(status: ContainerStatus, container: Container | None, events: Iterable[Event]) -> tuple[str, str]:
    """Return the reason and the message of a container that has ended and is to be restarted, or runs again."""
    ended = status.lastState.terminated or status.state.terminated
    probe = _killed_by(status, container, events)
    times = "once" if status.restartCount == 1 else f"{status.restartCount} times"
    if probe:
        kind, words = probe
        return f"{kind}ProbeFailed", f"{words}; restarted {times}" if status.restartCount else words
    reason = "Crashed" if status.restartCount < CRASHES else "CrashLoopBackOff"
    restarts = ("", "1 restart")[status.restartCount] if status.restartCount <= 1 else f"{status.restartCount} restarts"
    end = f"ended with exit code {ended.exitCode} ({ended.reason})" if ended else ""
    return reason, "; ".join(part for part in (restarts, end) if part)


def killed_by_a_probe(
    status: ContainerStatus, container: Container | None, events: Iterable[Event]
) -> tuple[str, str] | None:
    """Return what is wrong with a container that runs again because a probe failed, until it is ready."""
    if status.ready or not status.restartCount or _killed_by(status, container, events) is None:
        return None
    return crash(status, container, events)


def _killed_by(status: ContainerStatus, container: Container | None, events: Iterable[Event]) -> tuple[str, str] | None:
    """Return the probe whose failure made the kubelet kill the container last, with its words; None where none did.

    The event about the kill may be missing: probes that fail each second use up what the kubelet may report.
    """
    mine = [event for event in events if event.involvedObject.is_about(status.name)]
    ended = status.lastState.terminated or status.state.terminated
    for kind in ("Startup", "Liveness"):
        words, count = _failures(mine, kind)
        probe = container.probe(kind) if container else None
        if probe is None or not words:
            continue
        killed = any(e.reason == "Killing" and f"failed {kind.lower()} probe" in e.message for e in mine)
        if kind == "Startup":
            killed = killed or (not status.started and _lasted(ended) >= probe.allowance)
        else:
            killed = killed or count >= probe.failureThreshold
        if killed and not (ended and ended.reason == "OOMKilled"):
            return kind, words
    return None


def not_ready(status: ContainerStatus, container: Container | None, events: Iterable[Event]) -> tuple[str, str] | None:
    """Return what the readiness probe reports of a container that runs, once it has failed for longer than allowed."""
    probe = container.probe("Readiness") if container else None
    if probe is None or status.ready or status.state.running is None:
        return None
    words, count = _failures([event for event in events if event.involvedObject.is_about(status.name)], "Readiness")
    return ("ReadinessProbeFailed", words) if words and count >= min(probe.failureThreshold, _EVENTS) else None


def _failures(events: Iterable[Event], kind: str) -> tuple[str, int]:
    """Return the kubelet's newest words about a probe that failed, and how often it has reported a failure."""
    failed = [event for event in events if event.reason == "Unhealthy" and event.message.startswith(f"{kind} probe")]
    if not failed:
        return "", 0
    newest = max(failed, key=lambda event: event.lastTimestamp or "")
    return " ".join(newest.message.split()), sum(max(event.count, 1) for event in failed)


def _lasted(ended: Terminated | None) -> float:
    """Return for how many seconds a container ran, by the clock of its node."""
    if ended is None or not ended.startedAt or not ended.finishedAt:
        return 0
    return (datetime.fromisoformat(ended.finishedAt) - datetime.fromisoformat(ended.startedAt)).total_seconds() + 1


def waits_for(status: ContainerStatus, container: Container | None) -> str:
    """Say what a container that is not ready waits for, where nothing is known to be wrong."""
    waiting = status.state.waiting
    if waiting is not None:
        return f"is being made ({waiting.reason})" if waiting.reason else "is being made"
    if status.state.terminated is not None:
        return f"has ended with exit code {status.state.terminated.exitCode}"
    kind = "Startup" if container and container.probe("Startup") and not status.started else "Readiness"
    probe = container.probe(kind) if container else None
    return f"runs; its {kind.lower()} probe{_asks(probe)} has not succeeded" if probe else "is not ready"


def _asks(probe: Probe) -> str:
    if probe.httpGet is not None:
        return f" (GET :{probe.httpGet.port}{probe.httpGet.path or '/'})"
    if probe.tcpSocket is not None:
        return f" (TCP :{probe.tcpSocket.port})"
    return ""

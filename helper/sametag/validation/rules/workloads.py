"""Rules about the kind of a workload: what it knows, how it is replaced, when it runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import listed, mapping, maps, text, whole
from sametag.text import either
from sametag.validation.finding import RuleHit
from sametag.values import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Service, Tree
    from sametag.values import Path

# The kinds that know a setting; where it is missing here, all do.
KINDS: dict[str, tuple[str, ...]] = {
    "hook": ("Job",),
    "statefulSet": ("StatefulSet",),
    "cronJob": ("CronJob",),
    "job": ("Job", "CronJob"),
    "restartPolicy": ("Job", "CronJob"),
    "replicas": ("Deployment", "StatefulSet"),
    "autoscaling": ("Deployment", "StatefulSet"),
    "keda": ("Deployment", "StatefulSet"),
    "podDisruptionBudget": ("Deployment", "StatefulSet"),
    "strategy": ("Deployment", "StatefulSet", "DaemonSet"),
    "minReadySeconds": ("Deployment", "StatefulSet", "DaemonSet"),
    "revisionHistoryLimit": ("Deployment", "StatefulSet", "DaemonSet"),
}
_STRATEGIES = {
    "Deployment": ("RollingUpdate", "Recreate"),
    "StatefulSet": ("RollingUpdate", "OnDelete"),
    "DaemonSet": ("RollingUpdate", "OnDelete"),
}
_ROLLING = {
    "Deployment": ("maxSurge", "maxUnavailable"),
    "StatefulSet": ("partition", "maxUnavailable"),
    "DaemonSet": ("maxSurge", "maxUnavailable"),
}
_GRACE, _DEADLINE = 30, 600
# Helm's --timeout, unless it is given.
_HELM_WAITS = 300
# The fields of cron with their limits and names; https://pkg.go.dev/github.com/robfig/cron/v3 reads them in Kubernetes.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)


def other_kind(service: Service) -> Iterator[RuleHit]:
    """A setting that the kind of the workload does not know would have no effect."""
    for setting, kinds in KINDS.items():
        # What else stands in `defaults` is for those services that know it.
        source = service.merged if setting in ("hook", "autoscaling", "keda") else service.own
        if source.get(setting) is not None and service.kind not in kinds:
            says = f"is for a {either(kinds)}, and this is a {service.kind}"
            yield RuleHit((setting,), says, "remove it, or set another kind", at_key=True)


def wrong_strategy(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a strategy that the kind does not know, or that replaces no pod."""
    strategy, kind = service.map("strategy"), service.kind
    known = _STRATEGIES.get(kind)
    if not strategy or known is None:
        return
    chosen, rolling = text(strategy.get("type"), "RollingUpdate"), service.map("strategy", "rollingUpdate")
    if chosen not in known:
        says = f"is {chosen}, and a {kind} knows {' and '.join(known)}"
        yield RuleHit(("strategy", "type"), says)
    elif chosen != "RollingUpdate" and strategy.get("rollingUpdate") is not None and kind != "DaemonSet":
        says = f"is for type RollingUpdate, and this is {chosen}"
        yield RuleHit(("strategy", "rollingUpdate"), says, "remove it", at_key=True)
    else:
        yield from _unknown(kind, rolling)
        yield from _rolling(service, rolling) if chosen == "RollingUpdate" else ()


def _unknown(kind: str, rolling: dict[str, Any]) -> Iterator[RuleHit]:
    for key, value in rolling.items():
        if key not in _ROLLING[kind] and value is not None:
            says = f"is not for a {kind}, which knows {' and '.join(_ROLLING[kind])}"
            yield RuleHit(("strategy", "rollingUpdate", key), says, "remove it", at_key=True)


def _rolling(service: Service, rolling: dict[str, Any]) -> Iterator[RuleHit]:
    at, kind = ("strategy", "rollingUpdate"), service.kind
    surge, fewer = rolling.get("maxSurge"), rolling.get("maxUnavailable")
    surge = (0 if kind == "DaemonSet" else "25%") if surge is None else surge
    fewer = (1 if kind == "DaemonSet" else "25%") if fewer is None else fewer
    none = (0, "0%")
    if kind != "StatefulSet" and surge in none and fewer in none:
        yield RuleHit((*at, "maxUnavailable"), "is 0, and maxSurge is 0: no pod could be replaced", "let one be 1")
    if kind == "DaemonSet" and surge not in none and fewer not in none:
        says = f"is {surge}, and maxUnavailable is {fewer}: one of them must be 0"
        yield RuleHit((*at, "maxSurge"), says, "set maxUnavailable: 0 beside it")


def ready_after_deadline(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a rollout that has failed before its pods can be available."""
    ready, deadline = whole(service.get("minReadySeconds")), whole(service.get("progressDeadlineSeconds"), _DEADLINE)
    if service.kind == "Deployment" and ready and deadline and deadline <= ready:
        says = f"is {ready}, and must be below progressDeadlineSeconds, {deadline}"
        yield RuleHit(("minReadySeconds",), says)


def slow_stop(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a delay before the stop that is longer than the stop may take."""
    grace = whole(service.get("terminationGracePeriodSeconds"), _GRACE) or 0
    hooks = ("preStop", "postStart") if "lifecycle" in service.merged else ()
    paths: list[tuple[str, ...]] = [("lifecycle", hook, "sleep", "seconds") for hook in hooks]
    for at, container in service.helpers():
        for hook in ("preStop", "postStart"):
            sleep = mapping(mapping(mapping(container.get("lifecycle")).get(hook)).get("sleep"))
            if (whole(sleep.get("seconds")) or 0) > grace:
                says = f"is {sleep['seconds']}, above terminationGracePeriodSeconds, {grace}"
                yield RuleHit((*at, "lifecycle", hook, "sleep", "seconds"), says, "lower it, or raise that")
    if service.serves and service.map("ports") and not service.get("lifecycle", "preStop"):
        paths.append(("preStopDelaySeconds",))
    for path in paths:
        seconds = whole(service.get(*path)) or 0
        limit = ("terminationGracePeriodSeconds",)
        if seconds > grace and service.newer(limit, than=path):
            yield RuleHit(limit, f"is {grace}, below {path_text(path)}, {seconds}")
        elif seconds > grace:
            yield RuleHit(
                path, f"is {seconds}, above terminationGracePeriodSeconds, {grace}", "lower it, or raise that"
            )


def probe_settings(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses settings that this probe has not."""
    kinds = ("liveness", "readiness", "startup")
    probes: list[tuple[Path, Tree, str]] = [(("probes", key), service.map("probes", key), key) for key in kinds]
    for path, container in service.helpers():
        probes += [((*path, f"{key}Probe"), mapping(container.get(f"{key}Probe")), key) for key in kinds]
    for at, probe, key in probes:
        if not probe:
            continue
        if key != "readiness" and (whole(probe.get("successThreshold")) or 1) > 1:
            yield RuleHit((*at, "successThreshold"), f"is {probe['successThreshold']}, and must be 1 for a {key} probe")
        if key == "readiness" and probe.get("terminationGracePeriodSeconds") is not None:
            says = "is for a probe that stops the container"
            yield RuleHit((*at, "terminationGracePeriodSeconds"), says, "remove it", at_key=True)


def job_settings(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses settings of a Job that need another one."""
    job = service.map("job")
    if service.serves or not job:
        return
    indexed = job.get("completionMode") == "Indexed"
    for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if job.get(key) is not None and not indexed:
            yield RuleHit(("job", key), "needs completionMode: Indexed", at_key=True)
    if job.get("maxFailedIndexes") is not None and job.get("backoffLimitPerIndex") is None:
        yield RuleHit(("job", "maxFailedIndexes"), "needs backoffLimitPerIndex beside it", at_key=True)
    # For a Job that says neither, Kubernetes sets both.
    counted = job.get("completions") is not None or (service.kind == "Job" and job.get("parallelism") is None)
    if indexed and not counted:
        yield RuleHit(("job", "completionMode"), "is Indexed, and needs completions beside it")
    if job.get("podFailurePolicy") is not None and service.get("restartPolicy") == "OnFailure":
        yield RuleHit(("job", "podFailurePolicy"), "needs restartPolicy: Never", at_key=True)
    names = [service.name, *(text(container.get("name")) for _, container in service.helpers())]
    for index, rule in maps(service.get("job", "podFailurePolicy", "rules")):
        at: Path = ("job", "podFailurePolicy", "rules", index)
        if rule.get("action") == "FailIndex" and job.get("backoffLimitPerIndex") is None:
            yield RuleHit((*at, "action"), "is FailIndex, and job.backoffLimitPerIndex is missing")
        name = mapping(rule.get("onExitCodes")).get("containerName")
        if isinstance(name, str) and name not in names:
            yield RuleHit(
                (*at, "onExitCodes", "containerName"), f"is {name}, which is no container of the pod {listed(names)}"
            )


def schedule(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a time that no clock shows."""
    if service.kind != "CronJob":
        return
    given = service.get("cronJob", "schedule")
    if given is None:
        yield RuleHit(("cronJob", "schedule"), message="{service} needs cronJob.schedule: it is a CronJob")
    elif isinstance(given, str) and (wrong := _cron(given)):
        yield RuleHit(("cronJob", "schedule"), wrong)


def _cron(given: str) -> str | None:
    fields = given.split()
    if len(fields) != len(_FIELDS):
        return None
    for written, (name, least, most, names) in zip(fields, _FIELDS, strict=True):
        for part in written.split(","):
            if not _fits(part.lower(), least, most, names):
                return f"has the {name} {written}, which must be {least} to {most}"
    return None


def _fits(part: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    if span in ("*", "?"):
        return True
    first, dash, last = span.partition("-")
    begin, end = _number(first, least, names), _number(last if dash else first, least, names)
    return least <= begin <= end <= most


def _number(text: str, least: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + least
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else -1


def slow_start(service: Service) -> Iterator[RuleHit]:
    """A start that takes longer than Helm waits, or than the rollout's deadline, fails whatever the probes allow."""
    path, seconds = _longest_start(service)
    if service.kind != "Deployment" or not seconds:
        return
    deadline = whole(service.own.get("progressDeadlineSeconds"))
    if deadline is not None and deadline < seconds:
        says = f"is {deadline}, and {path_text(path)} allows a start of {seconds} seconds"
        yield RuleHit(("progressDeadlineSeconds",), says, "remove it, so that it follows, or raise it")
    elif seconds > _HELM_WAITS:
        says = f"allows a start of {seconds} seconds, and Helm waits {_HELM_WAITS} seconds unless --timeout says more"
        yield RuleHit(path, says, "lower failureThreshold, or always give a longer --timeout", at_key=True)


def _longest_start(service: Service) -> tuple[Path, int]:
    """Return the startup probe that allows the longest start, and its seconds (`sametag.deadline` in _pod.tpl)."""
    probes: list[tuple[Path, Tree]] = [(("probes", "startup"), service.map("probes", "startup"))]
    probes += [((*path, "startupProbe"), mapping(each.get("startupProbe"))) for path, each in service.helpers()]
    return max(((path, _start(probe)) for path, probe in probes), key=lambda start: start[1])


def _start(probe: Tree) -> int:
    if not probe:
        return 0
    delay = whole(probe.get("initialDelaySeconds")) or 0
    return delay + (whole(probe.get("periodSeconds")) or 10) * (whole(probe.get("failureThreshold")) or 3)


def time_zone(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a time zone that is not in the database, and KEDA does too."""
    zones: list[tuple[Path, Any]] = [(("cronJob", "timeZone"), service.get("cronJob", "timeZone"))]
    for index, trigger in maps(service.get("keda", "triggers")):
        metadata = mapping(trigger.get("metadata"))
        if trigger.get("type") == "cron" and "timezone" in metadata:
            zones.append((("keda", "triggers", index, "metadata", "timezone"), metadata["timezone"]))
    for path, zone in zones:
        # The schema says of one that is not written like a zone.
        if isinstance(zone, str) and re.fullmatch("[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", zone):
            yield from _unknown_zone(path, zone)


def _unknown_zone(path: Path, zone: str) -> Iterator[RuleHit]:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        from difflib import get_close_matches

        by_letters = {name.lower(): name for name in available_timezones()}
        if not by_letters:
            # This machine has no database to ask.
            return
        near = get_close_matches(zone.lower(), by_letters, n=1)
        remedy = f"did you mean {by_letters[near[0]]}?" if near else "a name such as Europe/Berlin"
        yield RuleHit(path, f"is {zone}, which is not a time zone", remedy)


def late_deadline(service: Service) -> Iterator[RuleHit]:
    """A hook or rollout without an end before Helm's own fails with nothing but Helm's timeout."""
    deadlines = [("progressDeadlineSeconds",)] if service.kind == "Deployment" else []
    path: tuple[str, ...]
    for path in [*deadlines, *([("job", "activeDeadlineSeconds")] if service.get("hook") is not None else [])]:
        seconds = whole(service.get(*path))
        if seconds is not None and seconds > _HELM_WAITS:
            says = f"is {seconds}, and Helm waits {_HELM_WAITS} seconds unless --timeout says more"
            yield RuleHit(path, says, "lower it, or always give a longer --timeout")


def held_claim(service: Service) -> Iterator[RuleHit]:
    """A rolling update of a volume for one node waits forever once the new pod is on another."""
    if service.kind != "Deployment" or service.get("strategy", "type") == "Recreate":
        return
    for name, volume in service.map("volumes").items():
        modes = mapping(mapping(volume).get("claim")).get("accessModes")
        if isinstance(modes, list) and modes and all(mode in ("ReadWriteOnce", "ReadWriteOncePod") for mode in modes):
            says = f"is {modes[0]}: a new pod waits on another node for the old one to go"
            remedy = "set strategy.type: Recreate, kind: StatefulSet, or ReadWriteMany"
            yield RuleHit(("volumes", name, "claim", "accessModes"), says, remedy, at_key=True)

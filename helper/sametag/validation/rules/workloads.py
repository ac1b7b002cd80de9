"""Rules about workloads: the settings of a kind, rollouts, probes and schedules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import integer, listed, mapping, maps, string
from sametag.text import either
from sametag.validation.finding import RuleHit
from sametag.values import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Service, Tree
    from sametag.values import Path

# The kinds that support a setting; one that is not here is supported by all.
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
# Helm's default --timeout.
_HELM_WAITS = 300
# The fields of cron with limits and names, as https://pkg.go.dev/github.com/robfig/cron/v3 reads them in Kubernetes.
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
    """A setting that the kind of the workload does not support has no effect."""
    for setting, kinds in KINDS.items():
        # Other settings of `defaults` are for the services that support them.
        source = service.merged if setting in ("hook", "autoscaling", "keda") else service.own
        if source.get(setting) is not None and service.kind not in kinds:
            text = f"only applies to a {either(kinds)}; this service is a {service.kind}"
            yield RuleHit((setting,), text, "remove it, or change the kind", at_key=True)


def wrong_strategy(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects a strategy that the kind does not support, or that can replace no pod."""
    strategy, kind = service.map("strategy"), service.kind
    known = _STRATEGIES.get(kind)
    if not strategy or known is None:
        return
    chosen, rolling = string(strategy.get("type"), "RollingUpdate"), service.map("strategy", "rollingUpdate")
    if chosen not in known:
        text = f"must be {either(known)} for a {kind}, got {chosen}"
        yield RuleHit(("strategy", "type"), text)
    elif chosen != "RollingUpdate" and strategy.get("rollingUpdate") is not None and kind != "DaemonSet":
        text = f"only applies to type RollingUpdate; this is {chosen}"
        yield RuleHit(("strategy", "rollingUpdate"), text, "remove it", at_key=True)
    else:
        yield from _unknown(kind, rolling)
        yield from _rolling(service, rolling) if chosen == "RollingUpdate" else ()


def _unknown(kind: str, rolling: dict[str, Any]) -> Iterator[RuleHit]:
    for key, value in rolling.items():
        if key not in _ROLLING[kind] and value is not None:
            text = f"does not apply to a {kind}, which has {' and '.join(_ROLLING[kind])}"
            yield RuleHit(("strategy", "rollingUpdate", key), text, "remove it", at_key=True)


def _rolling(service: Service, rolling: dict[str, Any]) -> Iterator[RuleHit]:
    at, kind = ("strategy", "rollingUpdate"), service.kind
    surge, fewer = rolling.get("maxSurge"), rolling.get("maxUnavailable")
    surge = (0 if kind == "DaemonSet" else "25%") if surge is None else surge
    fewer = (1 if kind == "DaemonSet" else "25%") if fewer is None else fewer
    none = (0, "0%")
    if kind != "StatefulSet" and surge in none and fewer in none:
        yield RuleHit((*at, "maxUnavailable"), "and maxSurge cannot both be 0", "set one of them to 1")
    if kind == "DaemonSet" and surge not in none and fewer not in none:
        text = f"is {surge} and maxUnavailable is {fewer}: one of them must be 0"
        yield RuleHit((*at, "maxSurge"), text, "set maxUnavailable: 0")


def ready_after_deadline(service: Service) -> Iterator[RuleHit]:
    """Kubernetes requires minReadySeconds to be below progressDeadlineSeconds."""
    ready, deadline = (
        integer(service.get("minReadySeconds")),
        integer(service.get("progressDeadlineSeconds"), _DEADLINE),
    )
    if service.kind == "Deployment" and ready and deadline and deadline <= ready:
        text = f"must be below progressDeadlineSeconds ({deadline}), got {ready}"
        yield RuleHit(("minReadySeconds",), text)


def slow_stop(service: Service) -> Iterator[RuleHit]:
    """The delay before a stop counts against terminationGracePeriodSeconds; Kubernetes rejects a longer sleep."""
    grace = integer(service.get("terminationGracePeriodSeconds"), _GRACE) or 0
    hooks = ("preStop", "postStart") if "lifecycle" in service.merged else ()
    paths: list[tuple[str, ...]] = [("lifecycle", hook, "sleep", "seconds") for hook in hooks]
    for at, container in service.helpers():
        for hook in ("preStop", "postStart"):
            sleep = mapping(mapping(mapping(container.get("lifecycle")).get(hook)).get("sleep"))
            if (integer(sleep.get("seconds")) or 0) > grace:
                text = f"must not exceed terminationGracePeriodSeconds ({grace}), got {sleep['seconds']}"
                yield RuleHit(
                    (*at, "lifecycle", hook, "sleep", "seconds"),
                    text,
                    "lower it, or raise terminationGracePeriodSeconds",
                )
    if service.serves and service.map("ports") and not service.get("lifecycle", "preStop"):
        paths.append(("preStopDelaySeconds",))
    for path in paths:
        seconds = integer(service.get(*path)) or 0
        limit = ("terminationGracePeriodSeconds",)
        if seconds > grace and service.newer(limit, than=path):
            yield RuleHit(limit, f"must not be below {path_text(path)} ({seconds}), got {grace}")
        elif seconds > grace:
            yield RuleHit(
                path,
                f"must not exceed terminationGracePeriodSeconds ({grace}), got {seconds}",
                "lower it, or raise terminationGracePeriodSeconds",
            )


def probe_settings(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects settings that this kind of probe does not have."""
    kinds = ("liveness", "readiness", "startup")
    probes: list[tuple[Path, Tree, str]] = [(("probes", key), service.map("probes", key), key) for key in kinds]
    for path, container in service.helpers():
        probes += [((*path, f"{key}Probe"), mapping(container.get(f"{key}Probe")), key) for key in kinds]
    for at, probe, key in probes:
        if not probe:
            continue
        if key != "readiness" and (integer(probe.get("successThreshold")) or 1) > 1:
            yield RuleHit((*at, "successThreshold"), f"must be 1 for a {key} probe, got {probe['successThreshold']}")
        if key == "readiness" and probe.get("terminationGracePeriodSeconds") is not None:
            text = "only applies to a probe that stops the container"
            yield RuleHit((*at, "terminationGracePeriodSeconds"), text, "remove it", at_key=True)


def job_settings(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects Job settings without the ones that they require."""
    job = service.map("job")
    if service.serves or not job:
        return
    indexed = job.get("completionMode") == "Indexed"
    for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if job.get(key) is not None and not indexed:
            yield RuleHit(("job", key), "requires completionMode: Indexed", at_key=True)
    if job.get("maxFailedIndexes") is not None and job.get("backoffLimitPerIndex") is None:
        yield RuleHit(("job", "maxFailedIndexes"), "requires backoffLimitPerIndex", at_key=True)
    # For a Job with neither, Kubernetes sets both.
    counted = job.get("completions") is not None or (service.kind == "Job" and job.get("parallelism") is None)
    if indexed and not counted:
        yield RuleHit(("job", "completionMode"), "is Indexed, which requires completions")
    if job.get("podFailurePolicy") is not None and service.get("restartPolicy") == "OnFailure":
        yield RuleHit(("job", "podFailurePolicy"), "requires restartPolicy: Never", at_key=True)
    names = [service.name, *(string(container.get("name")) for _, container in service.helpers())]
    for index, rule in maps(service.get("job", "podFailurePolicy", "rules")):
        at: Path = ("job", "podFailurePolicy", "rules", index)
        if rule.get("action") == "FailIndex" and job.get("backoffLimitPerIndex") is None:
            yield RuleHit((*at, "action"), "is FailIndex, which requires job.backoffLimitPerIndex")
        name = mapping(rule.get("onExitCodes")).get("containerName")
        if isinstance(name, str) and name not in names:
            yield RuleHit(
                (*at, "onExitCodes", "containerName"),
                f"refers to unknown container {name} {listed('containers', names)}",
            )


def schedule(service: Service) -> Iterator[RuleHit]:
    """A CronJob needs a valid cron schedule."""
    if service.kind != "CronJob":
        return
    given = service.get("cronJob", "schedule")
    if given is None:
        yield RuleHit(("cronJob", "schedule"), message="{service}.cronJob.schedule is required for a CronJob")
    elif isinstance(given, str) and (wrong := _cron(given)):
        yield RuleHit(("cronJob", "schedule"), wrong)


def _cron(given: str) -> str | None:
    fields = given.split()
    if len(fields) != len(_FIELDS):
        return None
    for written, (name, least, most, names) in zip(fields, _FIELDS, strict=True):
        for part in written.split(","):
            if not _fits(part.lower(), least, most, names):
                return f"has the {name} {written}; it must be {least} to {most}"
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
    """A start fails if it takes longer than the rollout's deadline or Helm's timeout, whatever the probes allow."""
    path, seconds = _longest_start(service)
    if service.kind != "Deployment" or not seconds:
        return
    deadline = integer(service.own.get("progressDeadlineSeconds"))
    if deadline is not None and deadline < seconds:
        text = f"is {deadline}, but {path_text(path)} allows a start of {seconds} seconds"
        yield RuleHit(("progressDeadlineSeconds",), text, "raise it, or remove it to derive it from the probe")
    elif seconds > _HELM_WAITS:
        text = f"allows a start of {seconds} seconds, but Helm waits {_HELM_WAITS} seconds by default"
        yield RuleHit(path, text, "lower failureThreshold, or always pass a longer --timeout", at_key=True)


def _longest_start(service: Service) -> tuple[Path, int]:
    """Return the startup probe that allows the longest start, and its seconds (`sametag.deadline` in _pod.tpl)."""
    probes: list[tuple[Path, Tree]] = [(("probes", "startup"), service.map("probes", "startup"))]
    probes += [
        ((*path, "startupProbe"), mapping(container.get("startupProbe"))) for path, container in service.helpers()
    ]
    return max(((path, _start(probe)) for path, probe in probes), key=lambda start: start[1])


def _start(probe: Tree) -> int:
    if not probe:
        return 0
    delay = integer(probe.get("initialDelaySeconds")) or 0
    return delay + (integer(probe.get("periodSeconds")) or 10) * (integer(probe.get("failureThreshold")) or 3)


def time_zone(service: Service) -> Iterator[RuleHit]:
    """Kubernetes and KEDA reject a time zone that is not in the database."""
    zones: list[tuple[Path, Any]] = [(("cronJob", "timeZone"), service.get("cronJob", "timeZone"))]
    for index, trigger in maps(service.get("keda", "triggers")):
        metadata = mapping(trigger.get("metadata"))
        if trigger.get("type") == "cron" and "timezone" in metadata:
            zones.append((("keda", "triggers", index, "metadata", "timezone"), metadata["timezone"]))
    for path, zone in zones:
        # The schema reports one that does not look like a time zone.
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
        remedy = f"did you mean {by_letters[near[0]]}?" if near else "use a name such as Europe/Berlin"
        yield RuleHit(path, f"is {zone}, which is not a time zone", remedy)


def late_deadline(service: Service) -> Iterator[RuleHit]:
    """A deadline after Helm's timeout is never reached: the rollout fails with the timeout alone."""
    deadlines = [("progressDeadlineSeconds",)] if service.kind == "Deployment" else []
    path: tuple[str, ...]
    for path in [*deadlines, *([("job", "activeDeadlineSeconds")] if service.get("hook") is not None else [])]:
        seconds = integer(service.get(*path))
        if seconds is not None and seconds > _HELM_WAITS:
            text = f"is {seconds}, but Helm waits {_HELM_WAITS} seconds by default"
            yield RuleHit(path, text, "lower it, or always pass a longer --timeout")


def hook_claim(service: Service) -> Iterator[RuleHit]:
    """Helm deletes a hook's claim with its data: after the hook succeeded, and before it runs again."""
    # Source: https://helm.sh/docs/topics/charts_hooks/, whose deletion policies heed no helm.sh/resource-policy
    if service.get("hook") is None:
        return
    for name, volume in service.map("volumes").items():
        if "claim" in mapping(volume):
            text = "is deleted with its data once the hook succeeded, and before it runs again"
            remedy = "use persistentVolumeClaim: {claimName: NAME}, or an ephemeral volume"
            yield RuleHit(("volumes", name, "claim"), text, remedy, at_key=True)


def rwo_volume(service: Service) -> Iterator[RuleHit]:
    """A rolling update with a ReadWriteOnce volume hangs if the new pod is on another node."""
    if service.kind != "Deployment" or service.get("strategy", "type") == "Recreate":
        return
    for name, volume in service.map("volumes").items():
        modes = mapping(mapping(volume).get("claim")).get("accessModes")
        if isinstance(modes, list) and modes and all(mode in ("ReadWriteOnce", "ReadWriteOncePod") for mode in modes):
            text = f"is {modes[0]}: during a rolling update, a new pod on another node waits forever for the volume"
            remedy = "set strategy.type: Recreate, use kind: StatefulSet, or use ReadWriteMany"
            yield RuleHit(("volumes", name, "claim", "accessModes"), text, remedy, at_key=True)

"""Every rule that a schema cannot express: name, severity, and the settings that it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from sametag.validation.rules import (
    changed,
    containers,
    content,
    network,
    objects,
    ports,
    release,
    resources,
    sharing,
    variables,
    workloads,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sametag.chart.service import Release, Service
    from sametag.validation.finding import RuleHit

    Severity = Literal["error", "warning"]


class Rule(NamedTuple):
    """A rule about one service.

    Attributes:
        name: As in `Problem`.
        severity: As in `Problem`.
        check: Yields what breaks it; its docstring is the published reason, in one line.
        settings: The settings of a service that it is about; it runs if one of them is set.
        beside: Other settings that it looks at.
    """

    name: str
    severity: Severity
    check: Callable[[Service], Iterator[RuleHit]]
    settings: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The settings of both kinds."""
        return (*self.settings, *self.beside)


class ReleaseRule(NamedTuple):
    """A rule about all services together, or about the image; its fields are those of `Rule`."""

    name: str
    severity: Severity
    check: Callable[[Release], Iterator[RuleHit]]


_HELPERS = ("initContainers", "sidecars")
_FILES = ("config", "secrets")
_OUTSIDE = ("ingress", "route", "monitor")
_BEHIND = ("ports", "service")

# Rules with the same name are one rule to the user.
SERVICE_RULES = (
    Rule("unknown-port", "error", ports.probed_port, ("probes", "lifecycle", *_HELPERS), ("ports",)),
    Rule("unknown-port", "error", ports.led_to_port, _OUTSIDE, _BEHIND),
    Rule("no-service-behind", "error", ports.leads_nowhere, _OUTSIDE, _BEHIND),
    Rule("backend-timeout-too-long", "error", ports.route_timeouts, ("route",)),
    Rule("repeated-gateway", "error", ports.route_parents, ("route",)),
    Rule("repeated-port", "error", ports.repeated_port, ("ports", *_HELPERS)),
    Rule("wrong-service-type", "error", ports.service_type, ("ports", "service")),
    Rule(
        "repeated-name",
        "error",
        containers.repeated_name,
        (*_HELPERS, "env", "hostAliases", "topologySpreadConstraints", "podSecurityContext", "keda"),
    ),
    Rule("repeated-name", "error", containers.repeated_volume, ("volumes",)),
    Rule("unknown-volume", "error", containers.unknown_volume, _HELPERS, ("writablePaths", "volumes", *_FILES)),
    Rule("repeated-mount", "error", containers.repeated_mount, ("writablePaths", "volumes", *_FILES, *_HELPERS)),
    Rule("probed-init-container", "error", containers.init_container, ("initContainers",)),
    Rule("contradicting-privileges", "error", containers.privileged, ("securityContext", *_HELPERS)),
    Rule("root-refused", "error", containers.root_refused, ("podSecurityContext", "securityContext", *_HELPERS)),
    Rule("reserved-label", "error", containers.reserved_label, ("labels", "podLabels", "monitor")),
    Rule(
        "reserved-annotation",
        "error",
        containers.reserved_annotation,
        ("annotations", "podAnnotations", "service", "ingress", "route", "serviceAccount"),
        ("config", "secrets"),
    ),
    Rule("circular-variable", "error", variables.circular_variable, ("env", *_HELPERS), ("envFrom", *_FILES)),
    Rule("missing-nameserver", "error", containers.names_without_server, ("dnsPolicy",)),
    Rule("request-above-limit", "error", resources.request_above_limit, ("resources", *_HELPERS)),
    Rule("hugepages-multiple", "error", resources.huge_pages, ("resources", *_HELPERS)),
    Rule("request-not-limit", "error", resources.whole_devices, ("resources", *_HELPERS)),
    Rule("milli-bytes", "error", resources.milli_bytes, ("resources", *_HELPERS)),
    Rule("minimum-above-maximum", "error", resources.minimum_above_maximum, ("autoscaling", "keda")),
    Rule("two-scalers", "error", resources.two_scalers, ("autoscaling", "keda"), ("replicas",)),
    Rule(
        "scaled-without-request", "error", resources.scaled_without_request, ("autoscaling",), ("resources", "sidecars")
    ),
    Rule("two-budgets", "error", resources.two_budgets, ("podDisruptionBudget",)),
    Rule(
        "wrong-kind",
        "error",
        workloads.other_kind,
        ("kind", "hook", "statefulSet", "cronJob", "job", "restartPolicy", "autoscaling", "keda"),
    ),
    Rule("wrong-strategy", "error", workloads.wrong_strategy, ("strategy",), ("kind",)),
    Rule(
        "ready-after-deadline",
        "error",
        workloads.ready_after_deadline,
        ("minReadySeconds",),
        ("progressDeadlineSeconds",),
    ),
    Rule(
        "slow-stop",
        "error",
        workloads.slow_stop,
        ("preStopDelaySeconds", "terminationGracePeriodSeconds", "lifecycle", *_HELPERS),
        ("ports",),
    ),
    Rule("wrong-probe-setting", "error", workloads.probe_settings, ("probes", *_HELPERS)),
    Rule("incomplete-job", "error", workloads.job_settings, ("job",), ("restartPolicy",)),
    Rule("wrong-schedule", "error", workloads.schedule, ("kind", "cronJob")),
    Rule("unknown-time-zone", "error", workloads.time_zone, ("cronJob", "keda")),
    Rule("unknown-content", "error", content.unknown_key, (*_FILES,), ("env", *_HELPERS)),
    Rule("repeated-content", "error", content.repeated_key, ("config",)),
    Rule("wrong-secret-type", "error", content.secret_type, ("secrets",)),
    Rule("too-large", "error", content.too_large, _FILES),
    Rule("backward-range", "error", network.backward_range, ("networkPolicy",)),
    Rule("wrong-block", "error", network.wrong_block, ("networkPolicy", "service")),
    Rule("unknown-service", "error", release.unknown_service, ("networkPolicy",), ("ports",)),
    Rule("undeclared-port", "warning", ports.undeclared_port, ("probes", "lifecycle", *_HELPERS), ("ports",)),
    Rule(
        "blocked-drain",
        "warning",
        resources.blocked_drain,
        ("podDisruptionBudget",),
        ("replicas", "autoscaling", "keda"),
    ),
    Rule("plain-secret", "warning", content.plain_secret, ("env", *_HELPERS)),
    Rule("slow-start", "warning", workloads.slow_start, ("probes", *_HELPERS), ("progressDeadlineSeconds",)),
    Rule("unknown-variable", "warning", variables.unknown_variable, ("env", *_HELPERS), ("envFrom", *_FILES)),
    Rule("doubled-dollar", "warning", variables.doubled_dollar, ("env", "command", "args", *_HELPERS)),
    Rule("deadline-after-timeout", "warning", workloads.late_deadline, ("progressDeadlineSeconds", "job", "hook")),
    Rule("hook-claim", "warning", workloads.hook_claim, ("volumes",), ("hook",)),
    Rule("rwo-volume-rolling-update", "warning", workloads.rwo_volume, ("volumes",)),
    Rule("command-with-spaces", "warning", containers.spaced_command, ("command", *_HELPERS)),
)

RELEASE_RULES = (
    ReleaseRule("contradicting-digest", "error", release.contradicting_digest),
    ReleaseRule("repeated-name", "error", release.repeated_secret),
    ReleaseRule("repeated-port", "error", ports.shared_node_port),
    ReleaseRule("shared-account", "error", release.shared_account),
    ReleaseRule("too-long-name", "error", release.too_long_name),
    ReleaseRule("boolean-like-name", "error", release.boolean_like_name),
    ReleaseRule("changed-value", "warning", changed.changed_value),
    ReleaseRule("changed-value", "warning", changed.changed_number),
    ReleaseRule("unknown-service", "error", sharing.mistyped_service),
    ReleaseRule("incomplete-object", "error", objects.incomplete_object),
    ReleaseRule("same-object", "error", objects.same_object),
    ReleaseRule("wrong-object", "error", objects.wrong_object),
    ReleaseRule("wrong-object", "error", objects.wrong_kind),
    ReleaseRule("wrong-release-name", "error", release.release_name),
    ReleaseRule("no-services", "warning", sharing.no_services),
    ReleaseRule("early-hook", "warning", sharing.early_hook),
    ReleaseRule("unshared-claim", "warning", sharing.claim_of_each),
    ReleaseRule("not-a-template", "warning", changed.no_template),
    ReleaseRule("emptied-map", "warning", changed.emptied_map),
    ReleaseRule("latest-tag", "warning", release.latest_tag),
    ReleaseRule("duplicate-ingress-host", "warning", release.duplicate_host),
)

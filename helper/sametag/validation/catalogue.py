"""The names and reasons of all rules, for the documentation, for reports, and for ignore comments."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Entry(NamedTuple):
    """A rule by its name.

    Attributes:
        name: As in `Problem`.
        severity: As in `Problem`.
        reason: Why it is a rule; one line.
        group: `reading`, `schema`, `semantics`, `helm` or `server`: what finds it.
    """

    name: str
    severity: Severity
    reason: str
    group: str


_READING = {
    "alias-bomb": "Helm rejects a file whose aliases expand to too much.",
    "bad-key": "A map, a list or null cannot be a key.",
    "bad-merge": "`<<` needs a map, or a list of maps.",
    "control-character": "YAML cannot contain control characters.",
    "cycle": "An alias inside its own anchor never ends.",
    "duplicate-key": "Helm silently uses the last of two equal keys.",
    "infinite-number": "Helm cannot pass on .inf and .nan.",
    "not-a-map": "Values are a map of keys.",
    "not-utf-8": "Helm reads UTF-8.",
    "set-expression": "An expression of --set that Helm rejects or silently drops.",
    "several-documents": "Helm 4 merges them, Helm 3 ignores all but the first.",
    "tab": "YAML is indented with spaces.",
    "too-deep": "Helm, or a program after it, cannot process it.",
    "unknown-alias": "No anchor of that name is defined above the alias.",
    "unreadable-file": "The file cannot be read.",
    "wrong-yaml-tag": "The value does not have the type of its tag.",
    "yaml-syntax": "Not valid YAML.",
}
_SCHEMA = {
    "bad-name": "Kubernetes rejects the name.",
    "missing-entry": "A required entry of the list is missing.",
    "missing-key": "A required key is missing.",
    "misplaced-key": "The key belongs to another map.",
    "no-alternative": "The value matches none of several forms, or more than one.",
    "not-allowed": "The setting is not allowed.",
    "not-an-option": "The value is not one of the options.",
    "out-of-range": "The number is too small or too large.",
    "repeated-entry": "The list has duplicate entries.",
    "schema": "Another rule of the chart's schema.",
    "unknown-key": "Unknown key.",
    "wrong-format": "The string does not have the required format.",
    "wrong-length": "The value is too short or too long.",
    "wrong-type": "The value has the wrong type.",
}
_WARNINGS = {
    "changed-key": ("reading", "Helm reads the key differently, such as `on` as `true`."),
    "lost-value": ("reading", "The release has a value that the new values do not have: it returns to the default."),
    "replaced-key": ("reading", "Helm merges `<<` over the keys above it, where YAML keeps them."),
    "unusable-schema": (
        "schema",
        "The chart's schema is invalid or refers to another document; only Helm checks it.",
    ),
    "unused-ignore": ("reading", "A comment that silences nothing can hide a later warning."),
}

_HELM: dict[str, tuple[Severity, str]] = {
    "failing-template": (
        "error",
        "Helm cannot render a template in extraObjects, or it renders what is not an object.",
    ),
    "untried-template": (
        "warning",
        "There is no Helm to try a template in extraObjects, or it looks into the cluster.",
    ),
}
_SERVER: dict[str, tuple[Severity, str]] = {
    "server-refused": ("error", "The API server rejects an object, or a pod that a workload would start."),
    "server-warns": ("warning", "The API server accepts an object with a warning."),
}


def entries() -> list[Entry]:
    """Return every rule once, by name."""
    from sametag.validation.rules.registry import RELEASE_RULES, SERVICE_RULES

    found = [Entry(name, "error", reason, "reading") for name, reason in _READING.items()]
    found += [Entry(name, "error", reason, "schema") for name, reason in _SCHEMA.items()]
    found += [Entry(name, "warning", reason, group) for name, (group, reason) in _WARNINGS.items()]
    found += [Entry(name, severity, reason, "helm") for name, (severity, reason) in _HELM.items()]
    found += [Entry(name, severity, reason, "server") for name, (severity, reason) in _SERVER.items()]
    reasons: dict[tuple[str, Severity], list[str]] = {}
    for rule in (*SERVICE_RULES, *RELEASE_RULES):
        reasons.setdefault((rule.name, rule.severity), []).append(rule.check.__doc__ or "")
    found += [Entry(*rule, " ".join(several), "semantics") for rule, several in reasons.items()]
    return sorted(found)

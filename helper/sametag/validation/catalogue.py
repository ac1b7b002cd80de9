"""The names of all rules, for documentation, for reports that describe them, and for comments that name one."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Entry(NamedTuple):
    """A rule by its name.

    Attributes:
        name: As in `Problem`.
        severity: As in `Problem`.
        reason: One line: why it is one.
        group: `reading`, `schema`, `semantics` or `server`: what finds it.
    """

    name: str
    severity: Severity
    reason: str
    group: str


_READING = {
    "alias-bomb": "Helm reads no file whose aliases multiply to more than this.",
    "bad-key": "A map, a list or nothing cannot be a key.",
    "bad-merge": "`<<` needs a map, or a list of maps.",
    "control-character": "YAML cannot hold it.",
    "cycle": "An alias that stands inside of its anchor never ends.",
    "duplicate-key": "Of two equal keys Helm takes the last, and says nothing.",
    "infinite-number": "Helm cannot pass on .inf and .nan.",
    "not-a-map": "Values are a map of keys.",
    "not-utf-8": "Helm reads UTF-8.",
    "set-expression": "An expression of --set that Helm refuses, or drops without a word.",
    "several-documents": "Helm 4 merges them, Helm 3 ignores all but the first.",
    "tab": "YAML is indented with spaces.",
    "too-deep": "Helm, or a program after it, gives up on it.",
    "unknown-alias": "There is no anchor of that name above the alias.",
    "unreadable-file": "The file cannot be read.",
    "wrong-yaml-tag": "The value is not of the type that its tag says.",
    "yaml-syntax": "This is no YAML.",
}
_SCHEMA = {
    "bad-name": "Kubernetes refuses an entry of such a name.",
    "missing-entry": "The list lacks an entry that must be there.",
    "missing-key": "Something that is needed is not there.",
    "misplaced-key": "The key is one of another map.",
    "no-alternative": "None of several forms fits, or more than one.",
    "not-allowed": "It must not be set.",
    "not-an-option": "It is none of the values that are known.",
    "out-of-range": "The number is too small or too large.",
    "repeated-entry": "The list has an entry twice.",
    "schema": "Another rule of the chart's schema.",
    "unknown-key": "Nothing reads the key.",
    "wrong-format": "The text has not the form that it must have.",
    "wrong-length": "It is too short or too long.",
    "wrong-type": "The value is of another type.",
}
_WARNINGS = {
    "changed-key": ("reading", "Helm reads the key as another one, such as `on` as `true`."),
    "lost-value": ("reading", "The release has a value that its next ones do not say: it goes back to the default."),
    "unusable-schema": (
        "schema",
        "The chart's schema refers to another document, or is none; Helm will check with it.",
    ),
    "unused-ignore": ("reading", "A comment that silences nothing hides what comes later."),
}

_SERVER: dict[str, tuple[Severity, str]] = {
    "server-refused": ("error", "The API server refuses an object, or a pod that a workload would start."),
    "server-warns": ("warning", "The API server takes an object, and warns of it."),
}


def entries() -> list[Entry]:
    """Return every rule once, by name."""
    from sametag.validation.rules.registry import RELEASE_RULES, SERVICE_RULES

    found = [Entry(name, "error", reason, "reading") for name, reason in _READING.items()]
    found += [Entry(name, "error", reason, "schema") for name, reason in _SCHEMA.items()]
    found += [Entry(name, "warning", reason, group) for name, (group, reason) in _WARNINGS.items()]
    found += [Entry(name, severity, reason, "server") for name, (severity, reason) in _SERVER.items()]
    reasons: dict[tuple[str, Severity], list[str]] = {}
    for rule in (*SERVICE_RULES, *RELEASE_RULES):
        reasons.setdefault((rule.name, rule.severity), []).append(rule.check.__doc__ or "")
    found += [Entry(*rule, " ".join(several), "semantics") for rule, several in reasons.items()]
    return sorted(found)

"""Helm's error messages, as errors with a remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sametag.errors import HelmError, LockedError, UsageError, ValuesError

if TYPE_CHECKING:
    from collections.abc import Sequence


class MissingKindError(HelmError):
    """The cluster does not have a kind of the release's objects."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A pattern of Helm's error messages, and the error to raise for it."""

    pattern: str
    error: type[HelmError | LockedError | UsageError | ValuesError]
    remedy: str | None


_REFUSALS = (
    _Refusal("invalid argument|invalid duration", UsageError, None),
    _Refusal("another operation .* is in progress", LockedError, "wait for that client to end, then try again"),
    _Refusal("values don't meet the specifications of the schema", ValuesError, None),
    _Refusal("execution error at|failed to render|template: ", ValuesError, None),
    _Refusal(
        'namespaces? "[^"]*" not found', HelmError, "create the namespace, or let Helm do it with --create-namespace"
    ),
    _Refusal("cannot re-use a name|already exists", HelmError, "sametag upgrade changes a release that exists"),
    _Refusal(
        "release: not found|release not loaded", HelmError, "helm list -A shows all releases; -n chooses the namespace"
    ),
    _Refusal(
        "no matches for kind", MissingKindError, "install what defines this kind, its CustomResourceDefinition, first"
    ),
    _Refusal("forbidden", HelmError, "ask for this permission; docs/reference/rights.md lists all that sametag needs"),
    _Refusal("conflicts? with", HelmError, "another client owns these fields: undo its change, or upgrade again"),
    _Refusal("server gave HTTP response to HTTPS client", HelmError, "the registry uses HTTP: add --plain-http"),
    _Refusal(
        "kubernetes cluster unreachable|connection refused|no such host|i/o timeout",
        HelmError,
        "is the cluster running? --kubeconfig and --kube-context choose another",
    ),
    _Refusal(
        "unauthorized|provide credentials", HelmError, "the credentials in the kubeconfig are not accepted: renew them"
    ),
)


def refusal(stderr: str) -> HelmError | LockedError | UsageError | ValuesError:
    """Return Helm's message as an error with a remedy."""
    lines = [line for line in stderr.splitlines() if line.strip() and not _is_noise(line)]
    message = _joined(lines) or "helm failed without a message"
    for known in _REFUSALS:
        if re.search(known.pattern, message, re.IGNORECASE):
            return known.error(message, known.remedy)
    return HelmError(message)


def _joined(lines: Sequence[str]) -> str:
    """Join Helm's lines, starting at the one with Error; the lines above it are warnings."""
    for number, line in enumerate(lines):
        if line.startswith("Error: "):
            return "\n".join([line.removeprefix("Error: "), *lines[number + 1 :]])
    return "\n".join(lines)


def _is_noise(line: str) -> bool:
    return line.startswith(("level=", "time=", "I0", "I1", "W0", "W1", "E0", "E1"))

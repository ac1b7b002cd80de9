"""The names that become a part of a path: a release's and a namespace's."""

from __future__ import annotations

import re

from sametag.errors import UsageError

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_NAMESPACE_LIMIT = 63

# Source: helm.sh/helm/v4/pkg/chart/common/util, ValidName; 53 leaves 10 characters for what a chart appends.
_RELEASE = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*", re.ASCII)
_RELEASE_LIMIT = 53

_QUOTED = 80


def check_namespace(name: str, source: str) -> None:
    """Refuse what cannot be a namespace's name, such as `../other`.

    Args:
        name: A DNS label, as RFC 1123 has it.
        source: Where it was given, such as `--namespace`.

    Raises:
        UsageError: It is none.
    """
    if len(name) > _NAMESPACE_LIMIT or not _LABEL.fullmatch(name):
        raise UsageError(
            f"{source} {name[:_QUOTED]!r} is not the name of a namespace",
            f"use lower case letters, digits and -, at most {_NAMESPACE_LIMIT}, with a letter or digit at both ends",
        )


def check_release(name: str) -> None:
    """Refuse what Helm does not take as a release's name.

    Raises:
        UsageError: It is none.
    """
    if len(name) > _RELEASE_LIMIT or not _RELEASE.fullmatch(name):
        raise UsageError(
            f"{name[:_QUOTED]!r} is not the name of a release",
            f"use lower case letters, digits, - and ., at most {_RELEASE_LIMIT}, with a letter or digit at both ends",
        )

"""Problems that quote no secret, whatever rule found them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag import masking
from sametag.values import path_text
from sametag.values.scalars import go_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.values import Path, Problem, Values

# How `words.got` names a value, and what it adds where Helm reads another one.
_GOT = re.compile(
    r"\b(the (?:text|string|number|boolean)) (?:\"(?:[^\"\\]|\\.)*\"|[^\s,]+)(, which Helm makes of \S+)?"
)

# Parts of a value that are too short to tell it from another word.
_TELLING = 4


def discreet(values: Values, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the problems; those about a secret, or about what it is in, without its value."""
    secrets = [(path_text(path), path, value) for path, value in masking.secrets(values.tree)]
    for problem in problems:
        message, remedy = problem.message, problem.remedy
        for name, path, value in secrets:
            if _is_about(problem.path, name):
                texts = list(_texts(values, path, value))
                message = _without(message, problem.path, texts, whole=problem.path == name)
                # A key that nothing reads is quoted only where it names a Secret: `tlsSecret: web-tls`.
                if not (problem.rule == "unknown-key" and problem.path == name):
                    remedy = remedy and _without(remedy, "", texts, whole=problem.path == name)
        yield problem._replace(message=masking.masked(message), remedy=remedy and masking.masked(remedy))


def _is_about(path: str, secret: str) -> bool:
    """Whether a problem's path is that of a secret, or of what it is in."""
    return not path or secret == path or secret.startswith((f"{path}.", f"{path}["))


def _texts(values: Values, path: Path, value: Any) -> Iterator[str]:
    """Yield the value as a message may have it: whole, cut, as it was written, and in words."""
    text = go_text(value) if isinstance(value, int | float) else str(value)
    for whole in (text, str(value), values.written(path) or "", text.strip()):
        yield whole
        yield whole[:59]
    yield from text.split()


def _without(text: str, path: str, secrets: Iterable[str], *, whole: bool) -> str:
    before, name, after = text.partition(path) if path else ("", "", text)
    if whole:
        after = _GOT.sub(rf"\1 {masking.HIDDEN}", after)
    for secret in sorted(filter(None, set(secrets)), key=len, reverse=True):
        if len(secret) >= _TELLING:
            after = after.replace(secret, masking.HIDDEN)
        elif whole:
            after = re.sub(rf"(?<![\w(]){re.escape(secret)}(?![\w)])", masking.HIDDEN, after)
    return before + name + after

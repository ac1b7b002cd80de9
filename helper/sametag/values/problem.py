"""Problem and Location: what is wrong with values, and where.

These records are named tuples, not dataclasses: importing `dataclasses` costs a tenth of a whole `sametag validate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Location(NamedTuple):
    """Where something was written.

    Attributes:
        source: The file as the user named it, `<stdin>`, or the expression, such as `--set image.tag=1.10`.
        line: From 1; None in an expression and in the values of a revision.
        column: From 1, in characters; in an expression, from its first character.
    """

    source: str
    line: int | None = None
    column: int | None = None

    @property
    def option(self) -> str | None:
        """The option of the expression, such as `--set`; None in a file."""
        return self.source.split(" ", 1)[0] if self.line is None and self.source.startswith("--") else None


class Problem(NamedTuple):
    """One problem, as it is reported.

    Attributes:
        rule: The name of the rule, in kebab-case; stable when the message changes.
        severity: Only an error makes values invalid.
        path: As users write it in `--set`: `services.render.ports[0].name`; empty for the root and for whole files.
        location: Where it was written; None if unknown.
        message: One line, without the location and without a full stop.
        remedy: What to do instead, one line; None if there is no advice.
    """

    rule: str
    severity: Literal["error", "warning"]
    path: str
    location: Location | None
    message: str
    remedy: str | None = None


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether one of these problems makes the values invalid."""
    return any(problem.severity == "error" for problem in problems)

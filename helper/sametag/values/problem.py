"""What is wrong with values, and where.

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
        line: From 1; None where there are no lines: in an expression, and in values that Helm stored.
        column: From 1, in characters; in an expression it counts from the expression's own first character.
    """

    source: str
    line: int | None = None
    column: int | None = None

    @property
    def option(self) -> str | None:
        """The option of the expression, such as `--set`; None in a file."""
        return self.source.split(" ", 1)[0] if self.line is None and self.source.startswith("--") else None


class Problem(NamedTuple):
    """One thing that is wrong, as it is reported.

    Attributes:
        rule: The name of the rule, in kebab-case; it stays the same when the words change.
        severity: Only an error makes values invalid.
        path: As users write it in `--set`: `services.render.ports[0].name`; empty for the root and for whole files.
        location: Where it was written; None where that cannot be told.
        message: One line, without the location and without a full stop.
        remedy: What to do instead, one line; None where there is nothing to say.
    """

    rule: str
    severity: Literal["error", "warning"]
    path: str
    location: Location | None
    message: str
    remedy: str | None = None


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether one of these makes the values invalid."""
    return any(problem.severity == "error" for problem in problems)

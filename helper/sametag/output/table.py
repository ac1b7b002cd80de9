"""Rows as Helm prints them: upper-case heads, columns as wide as their longest cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.output.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; cells are text without line breaks."""
    lines = [[plain(cell) for cell in line] for line in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()

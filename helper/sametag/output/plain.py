"""Plain text for a terminal: safe to print, shortened, and in columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# Colours and other sequences for a terminal, and characters that no terminal shows.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)|[\x00-\x08\x0a-\x1f\x7f-\x9f]")

# Characters that reorder the text around them, break a line or are invisible: a text could look like another one.
# The joiners U+200C and U+200D are part of words in many scripts, and of emoji. Source: UAX #9, and category Cf
_UNSEEN = re.compile(
    r"[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\ud800-\udfff]"
)

_ARROW = " -> "


def plain(text: str) -> str:
    """Return one line of foreign text, such as a log line, without control sequences; invisible characters escaped."""
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), _CONTROL.sub("", text))


def shortened(text: str, width: int) -> str:
    """Cut the middle out of a text that is too long: both ends of a name or a tag tell it from others.

    Of `old -> new` both sides are shortened; where there is no room for both, the new one is left.
    """
    if len(text) <= width:
        return text
    old, arrow, new = text.partition(_ARROW)
    room = width - len(_ARROW)
    if arrow and room >= 8:  # noqa: PLR2004 - less than four characters a side tell nothing
        short = shortened(new, max(room // 2, room - len(old)))
        return f"{shortened(old, room - len(short))}{_ARROW}{short}"
    text = new if arrow else text
    if len(text) <= width:
        return text
    head = width // 2
    return f"{text[:head]}…{text[len(text) - (width - head - 1) :]}"


def fit(
    widths: Mapping[int, int], width: int | None, drop: Iterable[int] = (), least: Mapping[int, int] | None = None
) -> dict[int, int]:
    """Return the widths of the columns of a table that fit into a line.

    Args:
        widths: The width that each column wants, by its number.
        width: The width of the line; None for one without end.
        drop: The columns that are left out, in this order, until the others fit.
        least: How narrow the columns that may be shortened may become.
    """
    fitted, narrow = dict(widths), dict(least or {})
    if width is None:
        return fitted
    room = width + 2
    for column in drop:
        if sum(min(wanted, narrow.get(at, wanted)) + 2 for at, wanted in fitted.items()) <= room:
            break
        fitted.pop(column, None)
    while sum(wanted + 2 for wanted in fitted.values()) > room:
        wide = [at for at, wanted in fitted.items() if wanted > narrow.get(at, wanted)]
        if not wide:
            break
        fitted[max(wide, key=lambda at: fitted[at])] -= 1
    return fitted


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None = None,
    drop: Iterable[int] = (),
    least: Mapping[int, int] | None = None,
) -> Iterator[str]:
    """Yield the lines of a table as Helm prints it, with upper-case heads; see `fit` for what fits into `width`."""
    lines = [[plain(cell) for cell in line] for line in (head, *rows)]
    wanted = {column: max(len(line[column]) for line in lines) for column in range(len(head))}
    columns = fit(wanted, width, drop, least)
    for line in lines:
        yield "  ".join(f"{shortened(line[at], size):<{size}}" for at, size in columns.items()).rstrip()

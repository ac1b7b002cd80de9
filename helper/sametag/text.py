"""Names in a sentence: lists of them, short enough to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def listing(names: Sequence[str], limit: int | None = None) -> str:
    """Join names as in `a, b and c`; of more than `limit` names, as in `a, b and 3 more`."""
    if limit is not None and len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return _joined(names, "and")


def either(names: Sequence[str]) -> str:
    """Join alternatives, as in `a, b or c`."""
    return _joined(names, "or")


def _joined(names: Sequence[str], word: str) -> str:
    return f" {word} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)

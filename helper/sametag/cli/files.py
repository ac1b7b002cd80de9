"""The values files that a command line names to be checked each on its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sametag.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def expand(words: Iterable[str], common: Iterable[str]) -> list[str]:
    """Return each file once, in the order of the words; patterns are expanded.

    Args:
        words: Paths and patterns; what is there under just that name is no pattern.
        common: The files that lie under all others, and are not checked by themselves.

    Raises:
        UsageError: A pattern matches no file, so that nothing would be checked, and nothing said.
    """
    under = {os.path.normpath(file) for file in common}
    files = (file for word in words for file in _matches(word))
    return list(dict.fromkeys(file for file in files if os.path.normpath(file) not in under))


def _matches(word: str) -> Iterator[str]:
    if not any(character in word for character in "*?[") or os.path.lexists(word):
        yield word
        return
    import glob

    # pathlib costs 8 ms to import.
    found = [
        file
        for file in sorted(glob.glob(word, recursive=True))  # noqa: PTH207
        if not os.path.isdir(file)  # noqa: PTH112
    ]
    if not found:
        raise UsageError(f"no file matches {word}", "** stands for any number of folders, * for a part of one name")
    yield from found

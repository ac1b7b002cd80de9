"""Paths in values: read, cut to what exists, and write as `--set` does."""

from __future__ import annotations

from typing import Any

#: Where a value is: a key of a map, or an index of a list, for each level.
Path = tuple[str | int, ...]


def get(tree: Any, path: Path) -> Any:
    """Return the value at a path; None if there is none."""
    for part in path:
        if isinstance(tree, dict):
            tree = tree.get(part)
        elif isinstance(tree, list) and isinstance(part, int) and 0 <= part < len(tree):
            tree = tree[part]
        else:
            return None
    return tree


def has(tree: Any, path: Path) -> bool:
    """Whether a tree has this path; null is a value."""
    return known_part(tree, path) == path


def known_part(tree: Any, path: Path) -> Path:
    """Return the longest beginning of a path that a tree has."""
    for depth, part in enumerate(path):
        known = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
        if part not in known:
            return path[:depth]
        tree = tree[part]
    return path


def path_text(path: Path) -> str:
    r"""Write a path as `--set` takes it: a dot in a key becomes `\.`, an index `[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else "." + _escaped(part) for part in path)
    return text.removeprefix(".")


def _escaped(key: str) -> str:
    for special in "\\.[,=":
        key = key.replace(special, "\\" + special)
    return key

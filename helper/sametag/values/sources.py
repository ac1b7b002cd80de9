"""Read all sources of values, in Helm's order."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.values import merge
from sametag.values.document import Document, parse
from sametag.values.layers import Stored, Values
from sametag.values.problem import Location, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sametag.values.layers import Layer

# A release must fit into a Secret of 1 MiB, gzipped: nothing sensible is larger, and /dev/zero is.
_SIZE_LIMIT = 64 * 1024 * 1024

_STDIN = "-"


class Sources(NamedTuple):
    """The sources on the command line, in Helm's words; each option can be repeated.

    Attributes:
        files: Paths; `-` is standard input.
        set: Expressions of `--set`, and so on.
        tag: `image.tag`, always a string; it overrides all the others.
    """

    files: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    set_string: tuple[str, ...] = ()
    set_json: tuple[str, ...] = ()
    set_file: tuple[str, ...] = ()
    set_literal: tuple[str, ...] = ()
    tag: str | None = None

    def __repr__(self) -> str:
        # Without the values of --set: they may be secrets.
        return f"<Sources {', '.join([*self.files, *(['--set…'] if any(self[1:6]) else []), self.tag or ''])}>"

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Yield option and expression in the order in which Helm applies them, whatever the command line's was."""
        for option in ("--set-json", "--set", "--set-string", "--set-file", "--set-literal"):
            for expression in getattr(self, option[2:].replace("-", "_")):
                yield option, expression


def load(sources: Sources) -> Values:
    """Read and merge all sources; whatever is wrong with them is in `problems`, and never raised."""
    return _merged([_read_document(file) for file in sources.files], sources)


def load_each(sources: Sources, files: Iterable[str]) -> Iterator[Values]:
    """Read several files separately, each merged over the files of the sources, which are read once."""
    common = [_read_document(file) for file in sources.files]
    for file in files:
        yield _merged([*common, _read_document(file)], sources)


def _merged(documents: Sequence[Document], sources: Sources) -> Values:
    tree = documents[0].tree if documents else {}
    for document in documents[1:]:
        tree = merge.merge(tree, document.tree)
    problems = tuple(problem for document in documents for problem in document.problems)
    return _apply_expressions(Values(tree, problems, tuple(documents)), sources)


def _apply_expressions(values: Values, sources: Sources) -> Values:
    expressions = list(sources.expressions())
    if not expressions and sources.tag is None:
        return values
    # Imported only if needed.
    from sametag.values.set_flags import apply, tagged

    tree, layers, problems = values.tree, list(values.layers), list(values.problems)
    for option, expression in expressions:
        tree, layer = apply(option, expression, tree, _read_text)
        layers.append(layer)
        problems += layer.problems
    if sources.tag is not None:
        tree, layer = tagged(sources.tag, tree)
        layers.append(layer)
    return Values(tree, tuple(problems), tuple(layers))


def from_text(text: str | bytes, source: str) -> Values:
    """Read values from text, such as the chart's values.yaml; problems call it `source`."""
    document = parse(text.encode() if isinstance(text, str) else text, source)
    return Values(document.tree, document.problems, (document,))


def from_tree(tree: dict[str, Any], source: str) -> Values:
    """Return values from a tree, such as those of a revision; they have no lines."""
    layers: tuple[Layer, ...] = (Stored(source, tree),)
    return Values(tree, (), layers)


class _UnreadableError(Exception):
    """A file cannot be read."""


def _read_document(file: str) -> Document:
    source = "<stdin>" if file == _STDIN else file
    try:
        return parse(_read(file), source)
    except _UnreadableError as error:
        return Document(source, {}, {}, (Problem("unreadable-file", "error", "", Location(source), str(error)),))


def _read_text(file: str) -> str:
    from sametag.values.set_flags import ExpressionError

    try:
        return _read(file).decode()
    except _UnreadableError as error:
        raise ExpressionError(f"{file}: {error}") from error
    except UnicodeDecodeError as error:
        raise ExpressionError(
            f"{file} is not UTF-8 text", "Helm would replace invalid bytes: encode the file as base64"
        ) from error


def _read(file: str) -> bytes:
    if file.startswith(("http://", "https://")):
        raise _UnreadableError("sametag does not read URLs; download the file first")
    try:
        if file.strip() == _STDIN:
            return _limited(sys.stdin.buffer.read(_SIZE_LIMIT + 1))
        with open(file, "rb") as stream:  # noqa: PTH123 - pathlib costs 8 ms to import
            return _limited(stream.read(_SIZE_LIMIT + 1))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _UnreadableError(f"cannot be read: {(reason or str(error)).lower()}") from error


def _limited(data: bytes) -> bytes:
    if len(data) > _SIZE_LIMIT:
        raise _UnreadableError(f"is larger than {_SIZE_LIMIT // 1024**2} MiB")
    return data

"""One values file: its tree as Helm reads it, and where every key and value was written."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from sametag.values.problem import Location, Problem
from sametag.values.yaml_reader import Broken, Builder, Marks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.values.paths import Path


class Document(NamedTuple):
    """One values file.

    Attributes:
        source: As in `Location`.
        tree: The values as Helm sees them; empty if the file has none, or cannot be read.
        marks: As in `Builder`.
        problems: Problems of the file itself.
        text: The content of the file.
    """

    source: str
    tree: dict[str, Any]
    marks: Marks
    problems: tuple[Problem, ...]
    text: bytes = b""

    def locate(self, path: Path) -> Location | None:
        """Return where the value at this path was written; for an alias, where the anchor is."""
        if not path:
            return Location(self.source, 1, 1)
        entry = self._entry(path)
        return self._location(entry[1]) if entry else None

    def locate_key(self, path: Path) -> Location | None:
        """Return where the last key of this path was written; for a list entry, where the entry starts."""
        entry = self._entry(path)
        return self._location(entry[0]) if entry else None

    def written(self, path: Path) -> str | None:
        """Return the source text of a plain scalar that Helm does not read as a string."""
        entry = self._entry(path)
        return entry[2] if entry else None

    def _location(self, mark: Any) -> Location:
        return Location(self.source, mark.line + 1, mark.column + 1)

    def _entry(self, path: Path) -> Any:
        value: Any = self.tree
        entry = None
        for part in path:
            entry = self.marks.get(id(value), {}).get(part)
            if entry is None:
                return None
            value = value[part]
        return entry


class _PurePython(yaml.SafeLoader):
    r"""PyYAML's own parser, used without libyaml. It too must reject half a character, such as \ud800."""

    def get_event(self) -> Any:
        """Return the next event."""
        event: Any = super().get_event()  # type: ignore[no-untyped-call] # not in its stubs
        text = getattr(event, "value", None) or ""
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise yaml.MarkedYAMLError(problem="found invalid Unicode character", problem_mark=event.start_mark)
        return event


def parse(data: bytes, source: str) -> Document:
    """Read one file; whatever is wrong with the bytes is a problem, not an exception."""
    builder = Builder(source)
    try:
        data.decode()
        with _no_garbage_collection():
            builder.run(yaml.CSafeLoader(data) if yaml.__with_libyaml__ else _PurePython(data))
    except UnicodeDecodeError as error:
        from sametag.values.syntax_errors import not_utf8

        builder.problems.append(not_utf8(error, source))
    except Broken as broken:
        builder.problems.append(broken.problem)
    except yaml.YAMLError as error:
        from sametag.values.syntax_errors import explain

        builder.problems.append(explain(error, data.decode(), source))
    else:
        if rb"\/" in data:
            from sametag.values.syntax_errors import escaped_slashes

            builder.problems.extend(escaped_slashes(data.decode(), source))
        return Document(source, builder.root(), builder.marks, tuple(builder.problems), data)
    return Document(source, {}, {}, tuple(builder.problems), data)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Reading creates many objects but no cycles: garbage collection would double its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

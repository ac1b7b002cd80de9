"""Turn YAML events into values as Helm reads them, with the location of every key and value.

PyYAML's scanner and parser (libyaml if available) yield the events; they are interpreted here without recursion, so
that deep nesting cannot exhaust the stack. Merge keys (`<<`) and the limit on aliases follow
go.yaml.in/yaml v2, Helm's parser. What Helm accepts but nobody wants is a problem: duplicate keys, several documents,
infinite numbers.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from yaml import events

from sametag.values import scalars
from sametag.values.merge import DEPTH_LIMIT, height
from sametag.values.problem import Location, Problem

#: PyYAML's marks (line, column, from 0) of a key and of its value; then the text of a scalar that is not a string.
Entry = tuple[Any, Any, str | None]
#: For the id of each map and list, its entries by key or index.
Marks = dict[int, dict[str | int, Entry]]

# Helm's parser (decode.go, allowedAliasRatio): the share of nodes that may come from aliases falls as they become many.
_FEW_ALIASED, _FEW_NODES = 100, 1000
_RATIO_FROM, _RATIO_TO = (400_000, 0.99), (4_000_000, 0.10)


class Broken(Exception):  # noqa: N818 - it ends the reading of one file, as a problem
    """The file cannot be read beyond this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Read(NamedTuple):
    """A scalar: its value, its form as a key (None: it cannot be one), and its source text unless it is a string."""

    value: scalars.Scalar
    key: str | None
    written: str | None


class _Anchor(NamedTuple):
    """The target of an alias: value, location, and its nodes and levels when expanded."""

    read: Any
    mark: Any
    size: int = 1
    height: int = 0


class _Frame:
    """A map or list while it is read."""

    __slots__ = ("container", "entries", "event", "is_map", "key", "key_mark", "merged", "nodes")

    def __init__(self, container: Any, event: Any, nodes: int) -> None:
        self.container = container
        self.event = event
        self.nodes = nodes
        self.is_map = container.__class__ is dict
        self.entries: dict[str | int, Entry] = {}
        self.key: Any = None
        self.key_mark: Any = None
        self.merged: set[str] | None = None


_MERGE = object()


class Builder:
    """Collects documents, marks and problems while `run` reads the events.

    Attributes:
        marks: For the id of each map and list that was read, its entries. A merged key keeps the place it comes from.
        problems: What is wrong, and does not stop the reading.
    """

    def __init__(self, source: str) -> None:
        self.marks: Marks = {}
        self.problems: list[Problem] = []
        self._source = source
        self._documents: list[Any] = []
        self._document_marks: list[Any] = []
        self._anchors: dict[str, _Anchor | None] = {}
        self._plain: dict[str, _Read] = {}
        self._heights: dict[int, int] = {}
        self._stack: list[_Frame] = []
        self._nodes = self._aliased = 0
        self._top = _Frame(self._documents, None, 0)

    def run(self, loader: Any) -> None:
        """Read all events of a PyYAML loader.

        Raises:
            Broken: The reading cannot go on.
            yaml.YAMLError: Not valid YAML.
        """
        next_event, scalar, last = loader.get_event, events.ScalarEvent, events.StreamEndEvent
        handlers = {
            events.MappingStartEvent: self._map_start,
            events.SequenceStartEvent: self._list_start,
            events.MappingEndEvent: self._end,
            events.SequenceEndEvent: self._end,
            events.AliasEvent: self._alias,
            events.DocumentStartEvent: self._document_start,
        }
        while (kind := (event := next_event()).__class__) is not last:
            if kind is scalar:
                self._scalar(event)
            elif kind in handlers:
                handlers[kind](event)

    def root(self) -> dict[str, Any]:
        """Return the one document, when all events were read; anything but a map is a problem."""
        for mark, document in list(zip(self._document_marks, self._documents, strict=True))[1:]:
            if document is not None:
                message = "a second document starts here; Helm 4 merges it, Helm 3 ignores it"
                self._report("several-documents", mark, message, "use one document, or pass several files")
                break
        tree = self._documents[0] if self._documents else None
        if isinstance(tree, dict):
            return tree
        if tree is not None:
            what = "a list" if isinstance(tree, list) else "a single value"
            self._report("not-a-map", self._document_marks[0], f"values must be a map, got {what}")
        return {}

    def _document_start(self, event: Any) -> None:
        self._anchors.clear()
        self._document_marks.append(event.start_mark)
        if event.version or event.tags:
            self._report("yaml-syntax", event.start_mark, "Helm does not read %YAML and %TAG", "remove the line")

    def _scalar(self, event: Any) -> None:
        # Two thirds of all events: what is common is done here, without another call.
        self._nodes += 1
        top, text, mark = self._top, event.value, event.start_mark
        # A scalar with the tag `!` is implicit too, and a string.
        is_plain = event.tag is None and event.implicit[0]
        if is_plain:
            value, key, written = self._plain.get(text) or self._read_plain(text)
            if "?" in text and top.event is not None and top.event.flow_style:
                message = "Helm cannot read text with '?' between brackets or braces"
                self._report("yaml-syntax", mark, message, f'put quotes around it: "{text}"')
        elif event.tag is None:
            value, key, written = text, text, None
        else:
            value, key, written = self._read_tagged(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(_Read(value, key, written), mark)
        if top.is_map and top.key is None:
            if is_plain and text == "<<":
                top.key = _MERGE
            elif key != text or key in top.container:
                self._check_key(_Read(value, key, written), mark)
                top.key = key
            else:
                top.key = key
            top.key_mark = mark
            return
        if value.__class__ is float:
            self._check_finite(value, text, mark)
        self._add(value, mark, written)

    def _read_plain(self, text: str) -> _Read:
        value = scalars.resolve(text)
        read = _Read(value, scalars.key(text), None if isinstance(value, str) else text)
        self._plain[text] = read
        return read

    def _read_tagged(self, event: Any) -> _Read:
        try:
            value = scalars.resolve_tagged(event.tag, event.value)
        except scalars.WrongTagError as error:
            raise self._broken("wrong-yaml-tag", event.start_mark, str(error)) from error
        return (
            _Read(value, value, None) if isinstance(value, str) else _Read(value, scalars.key(event.value), event.value)
        )

    def _check_finite(self, value: float, text: str, mark: Any) -> None:
        if not math.isfinite(value):
            message = f"{text} is not a number that Helm supports"
            self._report("infinite-number", mark, message, f'put quotes around it if it is a string: "{text}"')

    def _map_start(self, event: Any) -> None:
        self._start({}, event)

    def _list_start(self, event: Any) -> None:
        self._start([], event)

    def _start(self, container: Any, event: Any) -> None:
        top = self._top
        if top.is_map and top.key is None:
            raise self._container_as_key(event.start_mark)
        if len(self._stack) == DEPTH_LIMIT:
            raise self._too_deep(event.start_mark)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(top)
        self._top = _Frame(container, event, self._nodes)
        self.marks[id(container)] = self._top.entries
        self._nodes += 1

    def _end(self, _: Any) -> None:
        ended, self._top = self._top, self._stack.pop()
        value, mark, anchor = ended.container, ended.event.start_mark, ended.event.anchor
        if anchor:
            read = _Read(value, None, None)
            self._anchors[anchor] = _Anchor(read, mark, self._nodes - ended.nodes, height(value, self._heights))
        self._add(value, mark, None)

    def _add(self, value: Any, mark: Any, written: str | None) -> None:
        """Add a value to the map or list that is being read."""
        top = self._top
        if not top.is_map:
            top.entries[len(top.container)] = (mark, mark, written)
            top.container.append(value)
        elif top.key is _MERGE:
            self._merge(value)
            top.key = None
        else:
            top.entries[top.key] = (top.key_mark, mark, written)
            top.container[top.key] = value
            top.key = None

    def _check_key(self, read: _Read, mark: Any) -> None:
        top, key = self._top, read.key
        if key is None:
            raise self._broken("bad-key", mark, f"{read.written or 'null'} cannot be a key", "put quotes around it")
        if key in top.container and not (top.merged and key in top.merged):
            self._report_duplicate(key, mark)
        if read.written is not None and key != read.written:
            message = f"Helm reads the key {read.written} as {key}"
            self._report("changed-key", mark, message, f'put quotes around it: "{read.written}"', warning=True)

    def _report_duplicate(self, key: str, mark: Any) -> None:
        first = self._top.entries[key][0].line + 1
        message = f"duplicate key {key}, first on line {first}; Helm silently uses the last one"
        self._report("duplicate-key", mark, message, f"remove one of lines {first} and {mark.line + 1}")

    def _report_replaced(self, merged: dict[str, Any]) -> None:
        """In YAML a map's own keys win over what it merges; in Helm only those below `<<` do."""
        top = self._top
        for key, value in merged.items():
            own = key in top.container and not (top.merged and key in top.merged)
            # Maps and lists are not compared: aliases may have made them endless.
            if own and (isinstance(value, dict | list) or _differ(top.container[key], value)):
                line = top.key_mark.line + 1
                message = f"the << of line {line} replaces the key {key}, since Helm merges over the keys above it"
                self._report("replaced-key", top.entries[key][0], message, "put << first", warning=True)

    def _alias(self, event: Any) -> None:
        mark, name, top = event.start_mark, event.anchor, self._top
        if name not in self._anchors:
            raise self._broken("unknown-alias", mark, f"no anchor &{name} is defined above this alias")
        anchor = self._anchors[name]
        if anchor is None:
            raise self._broken("cycle", mark, f"the alias *{name} refers to itself")
        self._count(anchor, mark)
        if not top.is_map or top.key is not None:
            self._add(anchor.read.value, anchor.mark, anchor.read.written)
        elif isinstance(anchor.read.value, dict | list):
            raise self._container_as_key(mark)
        else:
            self._check_key(anchor.read, mark)
            top.key, top.key_mark = anchor.read.key, mark

    def _count(self, anchor: _Anchor, mark: Any) -> None:
        """Limit the expanded size and depth to what Helm accepts."""
        self._nodes += anchor.size
        self._aliased += anchor.size
        many = self._aliased > _FEW_ALIASED and self._nodes > _FEW_NODES
        if many and self._aliased > _allowed_ratio(self._nodes) * self._nodes:
            raise self._broken("alias-bomb", mark, "the aliases expand to more than Helm accepts")
        if len(self._stack) + anchor.height > DEPTH_LIMIT:
            raise self._too_deep(mark)

    def _merge(self, value: Any) -> None:
        """Merge over the keys above and under those below, as Helm's parser does; in a list the first map wins."""
        top = self._top
        maps = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, dict) for entry in maps):
            raise self._broken("bad-merge", top.key_mark, "<< needs a map, or a list of maps")
        for entry in reversed(maps):
            self._report_replaced(entry)
            top.container.update(entry)
            top.entries.update(self.marks[id(entry)])
            top.merged = {*(top.merged or ()), *entry}

    def _container_as_key(self, mark: Any) -> Broken:
        remedy = "put quotes around a string that starts with { or ["
        return self._broken("bad-key", mark, "a map or a list cannot be a key", remedy)

    def _too_deep(self, mark: Any) -> Broken:
        return self._broken("too-deep", mark, f"nested more than {DEPTH_LIMIT} levels deep")

    def _broken(self, rule: str, mark: Any, message: str, remedy: str | None = None) -> Broken:
        return Broken(self._problem(rule, mark, message, remedy))

    def _report(self, rule: str, mark: Any, message: str, remedy: str | None = None, *, warning: bool = False) -> None:
        self.problems.append(self._problem(rule, mark, message, remedy, warning=warning))

    def _problem(self, rule: str, mark: Any, message: str, remedy: str | None, *, warning: bool = False) -> Problem:
        location = Location(self._source, mark.line + 1, mark.column + 1)
        return Problem(rule, "warning" if warning else "error", "", location, message, remedy)


def _differ(first: Any, second: Any) -> bool:
    return bool(first.__class__ is not second.__class__ or first != second)


def _allowed_ratio(nodes: int) -> float:
    (first, high), (last, low) = _RATIO_FROM, _RATIO_TO
    share = (min(max(nodes, first), last) - first) / (last - first)
    return high - (high - low) * share

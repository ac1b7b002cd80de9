r"""The expressions of `--set` and its sisters, as Helm's pkg/strvals reads them.

`a.b=1,c[0].d=x` in `--set`, `--set-string`, `--set-file` and `--set-json`; in `--set-literal` there is one value and no
backslash escapes. Expressions change the values of the files, in Helm's fixed order. Mistakes that Helm silently
ignores, an empty name or a missing value, are errors here.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.values.merge import DEPTH_LIMIT, height, merge
from sametag.values.paths import Path, path_text
from sametag.values.problem import Location, Problem
from sametag.values.scalars import number

if TYPE_CHECKING:
    from collections.abc import Callable

# Helm's own limits (MaxNestedNameLevel, MaxIndex in pkg/strvals).
_NAME_LEVELS = 30
_MAX_INDEX = 65536
_SHOWN = 80
_INT64 = range(-(2**63), 2**63)
_JSON_REMEDY = "strings in JSON have double quotes; in a shell, put single quotes around the whole expression"


class ExpressionError(ValueError):
    """An expression cannot be read or applied."""

    def __init__(self, message: str, remedy: str | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.column = column


class _Number(NamedTuple):
    """A number of JSON as it is written."""

    text: str


def _number_in(text: str, path: Path) -> str | None:
    """Return the source text of a number inside of a JSON value; None if there is none."""
    value = json.loads(text, parse_float=_Number, parse_int=_Number)
    try:
        for part in path:
            value = value[part]
    except (KeyError, IndexError, TypeError):
        return None
    return value.text if isinstance(value, _Number) else None


class Expression(NamedTuple):
    """One expression and what it set.

    Attributes:
        source: As in `Location`.
        settings: The paths that were set, with the column of each name, from 1, and the text of its value.
        problems: Why it cannot be read, if so.
        text: As in `Layer`; empty.
        json: The text of an object of `--set-json` without a name.
    """

    source: str
    settings: tuple[tuple[Path, int, str], ...]
    problems: tuple[Problem, ...] = ()
    text: bytes = b""
    json: str = ""

    def locate(self, path: Path) -> Location | None:
        """Return where this path, or a map above it, was set; None if this expression does not set it."""
        for known, column, _ in reversed(self.settings):
            shorter = min(len(known), len(path))
            if known[:shorter] == path[:shorter]:
                return Location(self.source, None, column)
        return None

    def locate_key(self, path: Path) -> Location | None:
        """Return where the name was written."""
        return self.locate(path)

    def written(self, path: Path) -> str | None:
        """Return the text of the value that was set at this path."""
        if self.json:
            return _number_in(self.json, path)
        for known, _, text in reversed(self.settings):
            if known == path:
                return text
            if known == path[: len(known)] and self.source.startswith("--set-json "):
                return _number_in(text, path[len(known) :])
        return None


def apply(
    option: str, expression: str, tree: dict[str, Any], read_file: Callable[[str], str]
) -> tuple[dict[str, Any], Expression]:
    """Return the tree with one expression applied, and what it set; the given tree is not changed.

    Args:
        option: `--set`, `--set-string`, `--set-json`, `--set-file` or `--set-literal`.
        expression: What was written after the option.
        tree: The values so far.
        read_file: For `--set-file`: returns the text of a file, or raises `ExpressionError`.
    """
    source = f"{option} {expression if len(expression) <= _SHOWN else expression[:_SHOWN] + '…'}"
    parser = _Parser(option, expression, read_file)
    try:
        _check_text(expression)
        if option == "--set-json" and expression.strip().startswith("{"):
            return _whole_object(expression, tree, source)
        return parser.run(tree), Expression(source, tuple(parser.settings))
    except ExpressionError as error:
        column = parser.start + 1 if error.column is None else error.column
        problem = Problem("set-expression", "error", "", Location(source, None, column), str(error), error.remedy)
        return tree, Expression(source, (), (problem,))


def tagged(tag: str, tree: dict[str, Any]) -> tuple[dict[str, Any], Expression]:
    """Return the tree with this image.tag, which is always a string."""
    return merge(tree, {"image": {"tag": tag}}), Expression(f"--tag {tag}", ((("image", "tag"), 1, tag),))


def _check_text(expression: str) -> None:
    try:
        expression.encode()
    except UnicodeEncodeError as error:
        raise ExpressionError("not UTF-8", column=error.start + 1) from error


def _whole_object(expression: str, tree: dict[str, Any], source: str) -> tuple[dict[str, Any], Expression]:
    """Helm 4: a JSON object without a name is merged like a file."""
    value, end = _from_json(expression, len(expression) - len(expression.lstrip()))
    if expression[end:].strip():
        raise ExpressionError("something follows the JSON object", column=end + 1)
    return merge(tree, value), Expression(source, tuple(((key,), 1, "") for key in value), json=expression)


class _Parser:
    """Reads one expression from left to right; `at` is the next character, `start` where the current name began."""

    def __init__(self, option: str, expression: str, read_file: Callable[[str], str]) -> None:
        self.settings: list[tuple[Path, int, str]] = []
        self.start = self._at = 0
        self._text = expression
        self._is_literal = option == "--set-literal"
        self._is_json = option == "--set-json"
        self._convert: Callable[[str], Any] = {"--set": _typed, "--set-file": read_file}.get(option, str)
        self._name_ends = "=[." if self._is_literal else "=[.,"

    def run(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of the tree with every setting in it."""
        tree = dict(tree)
        while self._at < len(self._text):
            self.start = self._at
            self._name(tree, ())
        return tree

    def _name(self, container: dict[str, Any], path: Path) -> None:
        """Read a name and what follows it; set it in the map."""
        name, end = self._until(self._name_ends)
        path = (*path, name)
        if not name or end not in ("=", ".", "["):
            raise ExpressionError(f"{name} has no value" if name else "a name is missing", "write name=value")
        if len(path) > DEPTH_LIMIT:
            raise ExpressionError(f"nested more than {DEPTH_LIMIT} levels deep")
        if end == "=":
            container[name] = self._value(path)
        elif end == "[":
            container[name] = self._index(_list(container.get(name, []), path), path)
        else:
            if sum(isinstance(part, str) for part in path) > _NAME_LEVELS:
                raise ExpressionError(f"more than {_NAME_LEVELS} names")
            inner = _map(container.get(name, {}), path)
            self._name(inner, path)
            container[name] = inner

    def _index(self, entries: list[Any], path: Path) -> list[Any]:
        """Read an index and what follows it; set it in the list."""
        index = self._list_index()
        path = (*path, index)
        between, end = self._until("=[.")
        if between or not end:
            raise ExpressionError(f"[{index}] must be followed by =, . or [", "write name[0]=value")
        if len(path) > DEPTH_LIMIT:
            raise ExpressionError(f"nested more than {DEPTH_LIMIT} levels deep")
        entries += [None] * (index + 1 - len(entries))
        there = entries[index]
        if end == "=":
            entries[index] = self._value(path)
        elif end == "[":
            entries[index] = self._index(_list([] if there is None else there, path), path)
        else:
            inner = dict(there) if isinstance(there, dict) else {}
            self._name(inner, path)
            entries[index] = inner
        return entries

    def _list_index(self) -> int:
        text, end = self._until("]")
        if not end or not re.fullmatch("[+-]?[0-9]{1,9}", text):
            raise ExpressionError(f"[{text}{end} is not an index", "write name[0]=value")
        if not 0 <= int(text) <= _MAX_INDEX:
            raise ExpressionError(f"the index must be 0 to {_MAX_INDEX}, not {text}")
        return int(text)

    def _value(self, path: Path) -> Any:
        begin = self._at
        if not (self._is_literal or self._is_json) and begin == len(self._text) and _dropped_when_empty(path):
            raise ExpressionError("Helm drops an empty value at the end of this expression", "add a comma after the =")
        value = self._json_value() if self._is_json else self._text_value()
        self.settings.append((path, self.start + 1, self._text[begin : self._at].removesuffix(",")))
        return value

    def _text_value(self) -> Any:
        if self._is_literal:
            rest, self._at = self._text[self._at :], len(self._text)
            return rest
        if self._text.startswith("{", self._at):
            self._at += 1
            return self._list_value()
        if self._at == len(self._text):
            return ""
        return self._convert(self._until(",")[0])

    def _list_value(self) -> list[Any]:
        """Read `a,b}`; a comma after it is read too."""
        values = []
        while True:
            text, end = self._until(",}")
            if not end:
                raise ExpressionError("the list must end with }")
            values.append(self._convert(text))
            if end == "}":
                self._at += self._text.startswith(",", self._at)
                return values

    def _json_value(self) -> Any:
        """Read JSON, and a comma after it; nothing is null."""
        self._skip_spaces()
        if self._at == len(self._text) or self._text[self._at] == ",":
            self._at += 1
            return None
        value, self._at = _from_json(self._text, self._at)
        self._skip_spaces()
        self._at += self._text.startswith(",", self._at)
        return value

    def _skip_spaces(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _until(self, stops: str) -> tuple[str, str]:
        """Return the text up to one of these characters, and that character; `""` at the end of the expression."""
        read: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character in stops:
                return "".join(read), character
            if character == "\\" and not self._is_literal:
                character = self._text[self._at : self._at + 1]
                self._at += 1
            read.append(character)
        return "".join(read), ""


def _dropped_when_empty(path: Path) -> bool:
    """Whether it is a name inside a list: there strvals ignores the end of the expression as an error."""
    return isinstance(path[-1], str) and any(isinstance(part, int) for part in path)


def _list(value: Any, path: Path) -> list[Any]:
    if not isinstance(value, list):
        raise ExpressionError(f"{path_text(path)} is not a list", "set the whole list: name={a,b}")
    return list(value)


def _map(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ExpressionError(f"{path_text(path)} is not a map: it cannot have keys")
    return dict(value)


def _typed(text: str) -> Any:
    """Return the value that `--set` makes of a text."""
    words = {"true": True, "false": False, "null": None, "0": 0}
    if text.casefold() in words:
        return words[text.casefold()]
    match = re.fullmatch("([+-]?)0*([0-9]{1,19})", text)
    if match is None or text[0] == "0":
        return text
    integer = int(match[1] + match[2])
    return integer if integer in _INT64 else text


def _from_json(text: str, at: int) -> tuple[Any, int]:
    """Decode one JSON value as Go does: numbers are float64, one that does not fit is an error."""
    decoder = json.JSONDecoder(
        parse_float=_float64, parse_int=_float64, parse_constant=_no_constant, object_pairs_hook=_unique
    )
    try:
        value, end = decoder.raw_decode(text, at)
        json.dumps(value, ensure_ascii=False).encode()
        deep = height(value, {}) > DEPTH_LIMIT
    except json.JSONDecodeError as error:
        raise ExpressionError(f"not valid JSON: {error.msg}", _JSON_REMEDY, error.pos + 1) from error
    except UnicodeEncodeError as error:
        raise ExpressionError("a \\u escape is half a character", column=at + 1) from error
    except RecursionError:
        deep = True
    if deep:
        raise ExpressionError(f"nested more than {DEPTH_LIMIT} levels deep", column=at + 1)
    return value, end


def _float64(text: str) -> int | float:
    value = float(text)
    if not math.isfinite(value):
        raise ExpressionError(f"the number {text} is too large")
    return number(value)


def _no_constant(text: str) -> None:
    raise ExpressionError(f"{text} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ExpressionError(f"duplicate key {twice} in a JSON object")
    return entries

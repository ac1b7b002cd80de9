"""Say in the user's words why a file is not valid YAML, and where."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import yaml
from yaml import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

from sametag.values.problem import Location, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from yaml import Mark

# What YAML 1.1 lets a file contain, as libyaml checks it.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# The parser's words, and ours with a remedy. It names what it was about to find, which is seldom what is wrong. In the
# first ones what is wrong is where it began, not where the parser gave up.
_UNCLOSED = (
    (
        r"did not find expected ',' or|expected ',' or",
        "this bracket is not closed",
        "close it, or put quotes around a string with brackets, braces or commas",
    ),
    ("unexpected end of stream", "this quote is not closed", "add the closing quote"),
)
_KNOWN = (
    (
        "mapping values are not allowed",
        "a key cannot start here",
        "put quotes around a string with ': ', and check the indentation of this line and the one above",
    ),
    (
        "did not find expected key|could not find expected ':'|expected <block end>",
        "this line fits neither the map nor the list above",
        "check its indentation, its ':' and the quotes above it",
    ),
    (
        "did not find expected '-' indicator",
        "this line is not an entry of the list above",
        "start it with '- ', or indent it under its key",
    ),
    (
        "did not find expected node content|expected the node content",
        "a value is missing here",
        "put quotes around a string that starts with a special character",
    ),
    (
        "found unknown escape character",
        "YAML does not know this escape",
        r"write \\ for a backslash, or use single quotes",
    ),
    ("found invalid Unicode character", "an escape here is half a character", "write the character itself"),
    ("block sequence entries are not allowed", "a list cannot start here", "put it on the next line, indented"),
    ("did not find expected <document start>", "something follows the end of the document", None),
)

# Why a plain string cannot begin with some characters, and what the parser says of them.
_BEGINNINGS = {"*": "* begins an alias in YAML", "&": "& begins an anchor in YAML", "!": "! begins a tag in YAML"}
_BEGINNING = "expected alphabetic or numeric character|expected (?:tag )?URI|cannot start any token"
# Schedules and host names: whatever else begins so can be a password, which no message repeats.
_HARMLESS = re.compile(
    r"\*[*/0-9,-]*( [*/0-9A-Z,-]+)*|\*(\.[a-z0-9-]+)+|@(yearly|annually|monthly|weekly|daily|midnight|hourly)"
)


def explain(error: YAMLError, text: str, source: str) -> Problem:
    """Return the problem behind PyYAML's error."""
    if isinstance(error, ReaderError):
        return _unprintable(text, source)
    if not isinstance(error, MarkedYAMLError) or (mark := error.problem_mark or error.context_mark) is None:
        return Problem("yaml-syntax", "error", "", Location(source, 1, 1), f"not valid YAML: {error}")
    if tab := _tab(text, mark.line, mark.column):
        location = Location(source, mark.line + 1, tab)
        return Problem(
            "tab", "error", "", location, f"a tab in column {tab}; YAML is indented with spaces", "use spaces"
        )
    said = error.problem or error.context or "unreadable"
    if error.context_mark and (words := _find(_UNCLOSED, said)):
        return _problem(source, error.context_mark, *words)
    lines = text.splitlines()
    if mark.line >= len(lines):
        location = Location(source, len(lines) or 1, len(lines[-1]) + 1 if lines else 1)
        message = f"the file ends too early{_context(error)}"
        return Problem("yaml-syntax", "error", "", location, message, "close the brackets and quotes above")
    message, remedy = _find(_KNOWN, said) or (f"not valid YAML: {said}", None)
    message += _context(error)
    if re.search(_BEGINNING, said):
        mark = error.context_mark or mark
        message, remedy = _bad_beginning(text, mark.index)
    return _problem(source, mark, message, remedy)


def _problem(source: str, mark: Mark, message: str, remedy: str | None) -> Problem:
    location = Location(source, mark.line + 1, mark.column + 1)
    return Problem("yaml-syntax", "error", "", location, message, remedy)


def _bad_beginning(text: str, index: int) -> tuple[str, str]:
    """Return message and remedy for a string that needs quotes because of its first character."""
    plain = re.split(r"\s+#|\s*$", text[index:].partition("\n")[0], maxsplit=1)[0]
    if _in_brackets(text, index):
        plain = re.split(r",\s|,$|[\]}]", plain, maxsplit=1)[0]
    message = _BEGINNINGS.get(plain[:1], "a string cannot start with this character")
    shown = f': "{plain}"' if _HARMLESS.fullmatch(plain) else ""
    return message, f"put quotes around it{shown}"


def _in_brackets(text: str, index: int) -> bool:
    """Whether the text before an index ends within a list or map in flow style."""
    depth = 0
    with suppress(YAMLError):
        for token in yaml.scan(text[:index], Loader=yaml.SafeLoader):
            depth += isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken)
            depth -= isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken)
    return depth > 0


def escaped_slashes(text: str, source: str) -> Iterator[Problem]:
    r"""Yield a problem for each text with `\/`, which JSON and YAML 1.2 know, and Helm's parser does not."""
    for token in yaml.scan(text, Loader=yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):
        if isinstance(token, yaml.ScalarToken) and token.style == '"':
            mark = token.start_mark
            if re.match(r"(?s:[^\\]|\\[^/])*\\/", text[mark.index : token.end_mark.index]):
                yield _problem(source, mark, r"Helm does not know the escape \/", "write / without the backslash")


def not_utf8(error: UnicodeDecodeError, source: str) -> Problem:
    """Return the problem of a file in another encoding."""
    before = error.object[: error.start]
    column = len(before.rpartition(b"\n")[2].decode()) + 1
    location = Location(source, before.count(b"\n") + 1, column)
    message = f"the byte 0x{error.object[error.start]:02x} is not UTF-8"
    return Problem("not-utf-8", "error", "", location, message, "save the file as UTF-8")


def _unprintable(text: str, source: str) -> Problem:
    found = _UNPRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    location = Location(source, before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)
    what = f"the control character U+{ord(found[0]):04X}" if found else "a control character"
    return Problem("control-character", "error", "", location, f"YAML cannot contain {what}", "remove it")


def _tab(text: str, line: int, column: int) -> int | None:
    """Return the column, from 1, of a tab in the indentation of this line; None if there is none.

    Tabs elsewhere are white space, and seldom why a file is broken.
    """
    lines = text.splitlines()
    if line >= len(lines):
        return None
    indentation = lines[line][: len(lines[line]) - len(lines[line].lstrip(" \t-"))]
    found = indentation.find("\t")
    return found + 1 if 0 <= found <= column else None


def _find(known: Iterable[tuple[str, str, str | None]], said: str) -> tuple[str, str | None] | None:
    return next(((message, remedy) for pattern, message, remedy in known if re.search(pattern, said)), None)


def _context(error: MarkedYAMLError) -> str:
    """Name the line where the broken map, list or quoted text began, when that is another."""
    begin, end = error.context_mark, error.problem_mark
    if begin is None or end is None or begin.line == end.line:
        return ""
    return f" (it starts on line {begin.line + 1})"

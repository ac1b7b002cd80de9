"""The values in expressions: what `--set` and `--set-json` make of a text."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from sametag.values.merge import DEPTH_LIMIT, height
from sametag.values.scalars import number

_INT64 = range(-(2**63), 2**63)
_JSON_REMEDY = "text in JSON has double quotes; in a shell, put single quotes around the whole expression"


class ExpressionError(ValueError):
    """An expression cannot be read or applied."""

    def __init__(self, message: str, remedy: str | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.column = column


def typed(text: str) -> Any:
    """Return the value that `--set` makes of a text."""
    words = {"true": True, "false": False, "null": None, "0": 0}
    if text.casefold() in words:
        return words[text.casefold()]
    found = re.fullmatch("([+-]?)0*([0-9]{1,19})", text)
    if found is None or text[0] == "0":
        return text
    whole = int(found[1] + found[2])
    return whole if whole in _INT64 else text


def from_json(text: str, at: int) -> tuple[Any, int]:
    """Decode one JSON value as Go does: numbers are float64, one that does not fit is an error."""
    decoder = json.JSONDecoder(
        parse_float=_float64, parse_int=_float64, parse_constant=_no_constant, object_pairs_hook=_unique
    )
    try:
        value, end = decoder.raw_decode(text, at)
        json.dumps(value, ensure_ascii=False).encode()
        deep = height(value, {}) > DEPTH_LIMIT
    except json.JSONDecodeError as error:
        raise ExpressionError(f"this is no JSON: {error.msg}", _JSON_REMEDY, error.pos + 1) from error
    except UnicodeEncodeError as error:
        raise ExpressionError("a \\u escape is one half of a character", column=at + 1) from error
    except RecursionError:
        deep = True
    if deep:
        raise ExpressionError(f"this is nested more than {DEPTH_LIMIT} levels deep", column=at + 1)
    return value, end


def _float64(text: str) -> int | float:
    value = float(text)
    if not math.isfinite(value):
        raise ExpressionError(f"{text} is too large for a number")
    return number(value)


def _no_constant(text: str) -> None:
    raise ExpressionError(f"{text} is not a number that JSON has")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ExpressionError(f"the key {twice} is in a JSON object twice")
    return found

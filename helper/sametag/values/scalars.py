"""Plain YAML scalars as Helm reads them.

Helm's parser is go.yaml.in/yaml v2: its own variant of YAML 1.1, where every number becomes a float64. PyYAML
reads `y`, `1e3`, `0o17` and others differently. The rules here are those of resolve.go there, and of the conversion to
JSON in sigs.k8s.io/yaml.
"""

from __future__ import annotations

import math
import re
import struct

#: What a plain scalar can be.
Scalar = str | int | float | bool | None


class WrongTagError(ValueError):
    """A scalar is not of the type that its YAML tag demands."""


_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}

_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
# Go's ParseInt(plain[2:], 2): a sign after the prefix.
_SIGNED_BINARY = re.compile(r"0b[+-][01]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Go's ParseFloat: an underscore between two digits.
_POINT_FIRST = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]")

_INT64 = 2**63
_UINT64 = 2**64
# Up to here a float64 represents every integer exactly, so an int is equivalent.
_EXACT = 2**53
_FLOAT32_DIGITS = 9
_PLAIN_EXPONENTS = range(-4, 6)

# From the first on and below the second, Go's encoding/json writes a number without an exponent.
_JSON_PLAIN = (1e-6, 1e21)

_TAGS = "tag:yaml.org,2002:"


def resolve(text: str) -> Scalar:
    """Return what Helm makes of an untagged plain scalar; an integer is an int, `.inf` and `.nan` are floats."""
    return _as_float64(_resolve(text))


def resolve_tagged(tag: str, text: str) -> Scalar:
    """Return what Helm makes of a scalar with an explicit tag; unknown tags mean a string.

    Raises:
        WrongTagError: The text is not of that type.
    """
    short = tag.removeprefix(_TAGS)
    if short == "binary":
        return _binary(text)
    if short not in _CHECKS:
        return text
    value = text if short == "timestamp" else _as_float64(_resolve(text))
    if not _CHECKS[short](value):
        raise WrongTagError(f"!!{short} does not fit {text!r}")
    return value


_CHECKS = {
    "null": lambda value: value is None,
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "timestamp": lambda value: _TIMESTAMP.match(value) is not None,
}


def key(text: str) -> str | None:
    """Return the key that Helm makes of an untagged plain scalar; None if Helm rejects it.

    Keys become strings: integers in decimal, other numbers by Go's float32 format, `on` becomes `true`.
    """
    value = _resolve(text)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -_INT64 <= value < _INT64 else None
    return None if value is None else _go_float32(value)


def _resolve(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first == ".":
        return _finite_or_text(text.replace("_", ""), text) if _POINT_FIRST.fullmatch(text) else text
    return _number(text) if first in "+-0123456789" else text


def _number(text: str) -> Scalar:
    plain = text.replace("_", "")
    if _INTEGER.fullmatch(plain) and _fits(whole := _integer(plain), plain):
        return whole
    if _FLOAT.fullmatch(plain):
        return _finite_or_text(plain, text)
    if _SIGNED_BINARY.fullmatch(plain) and -_INT64 <= (whole := int(plain[2] + plain[3:], 2)) < _INT64:
        return whole
    return text


def _integer(plain: str) -> int:
    """Parse as Go's base 0, where a leading 0 means octal."""
    digits = plain.lstrip("+-")
    octal = len(digits) > 1 and digits.isdecimal() and digits[0] == "0"
    value = int(digits, 8) if octal else int(digits, 0)
    return -value if plain[0] == "-" else value


def _fits(value: int, plain: str) -> bool:
    """Whether Go holds it: an int64, or a uint64 that is written without a sign."""
    return -_INT64 <= value < (_INT64 if plain[0] in "+-" else _UINT64)


def _finite_or_text(plain: str, text: str) -> float | str:
    """Return the text for a number beyond float64, as Go does."""
    value = float(plain)
    return value if math.isfinite(value) else text


def _as_float64(value: Scalar) -> Scalar:
    if value.__class__ is float or (value.__class__ is int and abs(value) > _EXACT):
        return number(float(value))
    return value


def number(value: float) -> int | float:
    """Return a float64 as an int if it is exact."""
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value


def _binary(text: str) -> str:
    import base64

    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode()
    except ValueError as error:
        raise WrongTagError("!!binary must be base64 of UTF-8 text") from error


def go_text(value: float) -> str:
    """Write a number as a template of Helm prints it, a float64: Go's strconv.FormatFloat(value, 'g', -1, 64)."""
    return _go_format(repr(float(value))) if math.isfinite(value) else str(value)


def json_text(value: Scalar) -> str:
    """Write a number or boolean as `toJson` in a template of Helm does, after it became a float64."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float) or (isinstance(value, int) and abs(value) <= _EXACT):
        return str(value)
    from decimal import Decimal

    # Go's encoding/json: digits without an exponent for these, else Python's own format but for a leading zero.
    shortest = repr(float(value))
    if value == 0 or _JSON_PLAIN[0] <= abs(value) < _JSON_PLAIN[1]:
        digits = f"{Decimal(shortest):f}"
        return digits.removesuffix(".0")
    mantissa, _, exponent = f"{Decimal(shortest).normalize():e}".partition("e")
    return f"{mantissa}e{int(exponent):+d}"


def _go_float32(value: float) -> str:
    """Write a number as sigs.k8s.io/yaml writes it in a key: the shortest digits that give the same float32."""
    narrow = _float32(value)
    if not math.isfinite(narrow):
        return ".nan" if math.isnan(narrow) else (".inf" if narrow > 0 else "-.inf")
    return _go_format(next(t for n in range(_FLOAT32_DIGITS) if _float32(float(t := f"{narrow:.{n}e}")) == narrow))


def _go_format(shortest: str) -> str:
    """Write digits as Go's 'g' with the shortest precision: an exponent below -4 and from 6 on."""
    from decimal import Decimal

    number = Decimal(shortest).normalize()
    sign, digits, exponent = number.as_tuple()
    power = len(digits) - 1 + int(exponent)
    if power in _PLAIN_EXPONENTS:
        return f"{number:f}"
    mantissa = "".join(map(str, digits))
    return f"{'-' * sign}{mantissa[0]}{'.' * (len(digits) > 1)}{mantissa[1:]}e{power:+03d}"


def _float32(value: float) -> float:
    try:
        narrow: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return narrow

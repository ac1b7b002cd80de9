"""The values that the command line gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag import values
from sametag.errors import UsageError
from sametag.masking import utf_8

if TYPE_CHECKING:
    import argparse

    from sametag.values import Values


def sources(arguments: argparse.Namespace) -> values.Sources:
    """Return where the values come from.

    Raises:
        UsageError: One on the command line is not UTF-8, and so no value that JSON or YAML could have.
    """
    expressions = {name: getattr(arguments, name) for name in ("set", "set_string", "set_json", "set_literal")}
    expressions |= {"set_file": [text.partition("=")[0] for text in arguments.set_file], "tag": [arguments.tag or ""]}
    for option, texts in expressions.items():
        for text in texts:
            if utf_8(text) != text:
                raise UsageError(f"--{option.replace('_', '-')} {utf_8(text)} is not UTF-8")
    return values.Sources(
        files=tuple(arguments.values),
        set=tuple(arguments.set),
        set_string=tuple(arguments.set_string),
        set_json=tuple(arguments.set_json),
        set_file=tuple(arguments.set_file),
        set_literal=tuple(arguments.set_literal),
        tag=arguments.tag,
    )


def user_values(arguments: argparse.Namespace) -> Values:
    """Read and merge the values."""
    return values.load(sources(arguments))

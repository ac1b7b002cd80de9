"""Write docs/reference/cli.md from the command line's own help."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from sametag.cli.options import parser

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """# The command line

Written by `make generate` from `sametag --help`. Results go to standard output, progress and errors to standard error.
"""


def page() -> str:
    """Return the page: the help of sametag and of each command."""
    # argparse asks the terminal for its width: the page must not depend on whose terminal wrote it.
    os.environ["COLUMNS"] = "110"
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    top = parser()
    yield _section("sametag", top)
    for action in top._actions:  # noqa: SLF001 - argparse has no public way to list subcommands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, command in action.choices.items():
                yield _section(f"sametag {name}", command)


def _section(title: str, command: argparse.ArgumentParser) -> str:
    return f"## {title}\n\n```text\n{command.format_help()}```\n"

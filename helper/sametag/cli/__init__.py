"""The command line: arguments in, text and an exit code out."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from sametag.cli import commands
from sametag.cli.arguments import parser
from sametag.cli.telling import interrupted
from sametag.errors import SametagError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_BUG = 70


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code; the only place where errors become text."""
    arguments = parser(argv[0] if argv else None)
    options = arguments.parse_args(argv)
    try:
        return _command(arguments, options)
    except SametagError as error:
        return _say(error)
    except KeyboardInterrupt:
        return _say(interrupted(options))
    except BrokenPipeError:
        # The reader (head, say) has seen enough; Python must not complain again at exit.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # noqa: BLE001 - the outermost frame: a bug gets its own exit code, and its traceback
        import traceback

        traceback.print_exc()
        print("sametag: this is a bug; please report it with the lines above", file=sys.stderr)
        return _BUG


def _command(arguments: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.version:
        return commands.version()
    if options.command is None:
        arguments.print_help(sys.stderr)
        return UsageError.exit_code
    return commands.COMMANDS[options.command](options)


def _say(error: SametagError) -> int:
    print(f"sametag: {error.message}", file=sys.stderr)
    if error.remedy:
        print(f"  {error.remedy}", file=sys.stderr)
    return error.exit_code

"""The command line: arguments in, text and an exit code out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sametag.cli import commands
from sametag.cli.options import parser
from sametag.cli.progress import interrupted
from sametag.errors import SametagError, UsageError
from sametag.kube.objects import check_namespace, check_release
from sametag.output.outlet import Outlets
from sametag.output.plain import plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_BUG = 70

# Commands that change a release: they must not wait for a reader of their output.
_CHANGES = ("install", "upgrade", "rollback", "uninstall", "unlock")

# How long such a command waits at its end for a reader that takes nothing.
_PATIENCE = 5.0


def main(argv: Sequence[str]) -> int:
    """Run one command whose streams cannot block it, and return its exit code once all output is written."""
    outlets = Outlets()
    changes = bool(argv) and argv[0] in _CHANGES
    if changes or "status" in argv[:1]:
        outlets.hurry()
    try:
        code = run(argv)
    except SystemExit as ended:  # argparse, which has printed its message
        code = ended.code if isinstance(ended.code, int) else 0
    complete = outlets.settle(_PATIENCE if changes and "--dry-run" not in argv else None)
    # Lost output does not change the result of a rollout; a command that only prints has failed.
    return code if complete or changes or code else UsageError.exit_code


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
    # Before they become part of a path.
    if getattr(options, "release", None) is not None:
        check_release(options.release)
    if getattr(options, "namespace", None) is not None:
        check_namespace(options.namespace, "--namespace")
    return commands.COMMANDS[options.command](options)


def _say(error: SametagError) -> int:
    for line in (f"sametag: {error.message}", *([f"  {error.remedy}"] if error.remedy else ())):
        print("\n".join(map(plain, line.split("\n"))), file=sys.stderr)
    return error.exit_code

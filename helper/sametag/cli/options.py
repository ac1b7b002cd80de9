"""The command line, as argparse reads it. Flags have Helm's names where Helm has them."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from sametag.output.problems import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

EPILOG = """exit codes:
  0  done                             4    rollout failed (details above)
  1  values invalid                   6    something differs (status, diff --exit-code)
  2  usage                            7    locked: another client is changing the release
  3  error of Helm or the cluster     70   a bug in sametag          130  interrupted
"""


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """Build the parser; `command` holds the name of the command.

    Args:
        only: The command whose options are needed. For any other word the options of every command are built, which
            takes longer than validating four services.
    """
    top = _Parser(
        prog="sametag",
        usage="sametag COMMAND [options]",
        description="One image, many services, one tag: upgrade moves every service, rollback brings every one back.",
        epilog=EPILOG,
        formatter_class=_Help,
    )
    top.add_argument("--version", action="store_true", help="print the version and exit")
    commands = top.add_subparsers(dest="command", prog="sametag", metavar="COMMAND", title="commands")
    for name, words, summary, add_options in [entry for entry in _COMMANDS if entry[0] == only] or _COMMANDS:
        command = commands.add_parser(
            name,
            help=summary,
            usage=" ".join(["sametag", name, *words.split()]),
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=_Help,
        )
        add_options(command)
    return top


class _Parser(argparse.ArgumentParser):
    """Suggests the flag or command that was meant, with the usage of that command.

    As with Helm, flags cannot be abbreviated: a prefix that is unique today may be ambiguous tomorrow.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line; see `argparse`."""
        words = list(sys.argv[1:] if args is None else args)
        self._refuse_flags_before_the_command(words)
        options, unknown = self.parse_known_args(words, namespace)
        if unknown:
            from sametag.cli import hints

            command = self._commands.get(options.command or "", self)
            flags = [flag for action in command._actions for flag in action.option_strings]  # noqa: SLF001 - ours
            # All the words from there on: argparse takes the value of an unknown flag for a positional argument.
            command.error(hints.for_unknown(options.command, words[words.index(unknown[0]) :], flags))
        return options

    def error(self, message: str, meant: argparse.ArgumentParser | None = None) -> NoReturn:
        """Print a usage, that of the command that was `meant` if given, and the message; exit with 2."""
        (meant or self).print_usage(sys.stderr)
        message = re.sub(r"ignored explicit argument '(.*)'", r"takes no value, got \1", message)
        self.exit(2, f"{self.prog}: error: {message}\n")

    @property
    def _commands(self) -> dict[str, _Parser]:
        groups = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
        return dict(groups[0].choices) if groups else {}

    def _refuse_flags_before_the_command(self, words: list[str]) -> None:
        if not words or not words[0].startswith("-") or words[0] in ("-h", "--help", "--version"):
            return
        name = next((word for word in words if word in self._commands), None)
        if name:
            self.error(f"{words[0]} must follow the command: sametag {name} … {words[0]} …", self._commands[name])

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.dest == "command" and value not in self._commands:
            from sametag.cli import hints

            meant = hints.meant_command(str(value), list(self._commands))
            hint = f"did you mean sametag {meant}?" if meant else "sametag --help lists the commands"
            self.error(f"unknown command {value}; {hint}", self._commands.get(meant or ""))
        super()._check_value(action, value)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal.

    argparse creates a formatter for every option and would import shutil to find the width: 4 ms, even without --help.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size().columns)
    except (OSError, ValueError):
        return 80


def _validate(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="values files to check separately, each merged over -f; accepts quoted patterns ('envs/**/*.yaml') and -",
    )
    _values(command)
    _chart(command)
    command.add_argument(
        "-o", "--output", choices=FORMATS, help="output format (default: github in GitHub Actions, otherwise text)"
    )
    command.add_argument("--strict", action="store_true", help="treat warnings as errors")
    command.add_argument("--server", action="store_true", help="also ask the API server, with a dry run")
    command.add_argument(
        "--release", metavar="RELEASE", help="name of the release, to check the names of its objects (default: unknown)"
    )
    _connection(command)


def _schema(_: argparse.ArgumentParser) -> None:
    """Take no options."""


def _render(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "release",
        metavar="RELEASE",
        nargs="?",
        default="release-name",
        help="name of the release (default: %(default)s)",
    )
    _values(command)
    _chart(command)
    _connection(command)


def _install(command: argparse.ArgumentParser) -> None:
    _release(command)
    _values(command)
    _chart(command)
    _deployment(command)
    _keep_failed(command)


def _upgrade(command: argparse.ArgumentParser) -> None:
    _release(command)
    _values(command, _REPLACES)
    _chart(command)
    _deployment(command)
    _keep_failed(command)
    command.add_argument("-i", "--install", action="store_true", help="install the release if it does not exist")
    command.add_argument(
        "--take-over", action="store_true", help="overwrite changes that were made in the cluster outside of Helm"
    )


def _diff(command: argparse.ArgumentParser) -> None:
    _release(command)
    _values(command, _REPLACES)
    _chart(command)
    _target(command, "show a rollback")
    _connection(command)
    command.add_argument("--full", action="store_true", help="show the manifests as a unified diff")
    command.add_argument("--exit-code", action="store_true", help="exit with 6 if anything would change")
    _output(command, "text")


def _rollback(command: argparse.ArgumentParser) -> None:
    _release(command)
    target = _target(command, "go back")
    target.add_argument("--select", action="store_true", help="choose the revision from a list (needs a terminal)")
    _deployment(command)


def _target(command: argparse.ArgumentParser, verb: str) -> argparse._MutuallyExclusiveGroup:
    target = command.add_mutually_exclusive_group()
    target.add_argument("--to-tag", metavar="TAG", help=f"{verb} to the newest good revision with this tag")
    target.add_argument("--to-revision", metavar="N", type=int, help=f"{verb} to this revision")
    return target


def _history(command: argparse.ArgumentParser) -> None:
    _release(command)
    _connection(command)
    _output(command, "table")


def _status(command: argparse.ArgumentParser) -> None:
    _release(command)
    _connection(command)
    _output(command, "table")
    command.add_argument("-w", "--watch", action="store_true", help="print it again on every change, until Ctrl-C")


def _uninstall(command: argparse.ArgumentParser) -> None:
    _release(command)
    _connection(command)
    _timeout(command)
    _lock_timeout(command)
    command.add_argument("--keep-history", action="store_true", help="keep the revisions, as in Helm")


def _unlock(command: argparse.ArgumentParser) -> None:
    _release(command)
    _connection(command)
    _timeout(command)


# Name, usage, summary, and what adds the options.
_COMMANDS: tuple[tuple[str, str, str, Callable[[argparse.ArgumentParser], None]], ...] = (
    (
        "validate",
        "[FILE …] [-f FILE] [options]",
        "check values against the chart's schema and rules, without a cluster unless --server is given",
        _validate,
    ),
    ("schema", "", "print the schema of the values with every description, for editors", _schema),
    ("render", "[RELEASE] -f FILE [options]", "print the manifests that Helm would send", _render),
    (
        "diff",
        "RELEASE [--tag TAG | -f FILE | --to-tag TAG | --to-revision N] [options]",
        "show what an upgrade or a rollback would change, service by service",
        _diff,
    ),
    (
        "install",
        "RELEASE -f FILE [--tag TAG] [options]",
        "install a release and wait until every service is ready",
        _install,
    ),
    (
        "upgrade",
        "RELEASE [--tag TAG] [-f FILE] [options]",
        "move every service of a release to a tag; if that fails, move them back",
        _upgrade,
    ),
    (
        "rollback",
        "RELEASE [--to-tag TAG | --to-revision N | --select] [options]",
        "roll every service back to an earlier tag",
        _rollback,
    ),
    ("history", "RELEASE [options]", "list the revisions of a release with their tags", _history),
    (
        "status",
        "RELEASE [-w] [options]",
        "show every pod of every service: whether it is on the tag, and who changed what",
        _status,
    ),
    ("unlock", "RELEASE [options]", "recover a release that a crashed client left pending", _unlock),
    ("uninstall", "RELEASE [options]", "uninstall a release", _uninstall),
)


def _release(command: argparse.ArgumentParser) -> None:
    command.add_argument("release", metavar="RELEASE", help="name of the release")


_REPLACES = "values file that replaces the release's values (default: keep them)"


def _values(command: argparse.ArgumentParser, note: str = "values file, or - for standard input") -> None:
    group = command.add_argument_group("values", "Read and merged as in Helm; later ones win.")
    add = group.add_argument
    add("-f", "--values", metavar="FILE", action="append", default=[], help=f"{note}; may be repeated")
    add("--set", metavar="K=V", action="append", default=[], help="set a value")
    add("--set-string", metavar="K=V", action="append", default=[], help="set a value as a string")
    add("--set-json", metavar="K=JSON", action="append", default=[], help="set a value from JSON")
    add("--set-file", metavar="K=FILE", action="append", default=[], help="set a value to the content of a file")
    add("--set-literal", metavar="K=V", action="append", default=[], help="set a value to a literal string")
    add("--tag", metavar="TAG", help="set image.tag, the tag of every service; always a string")


def _chart(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("chart")
    group.add_argument("--chart", metavar="CHART", help="directory, .tgz or oci://… (default: sametag's own chart)")
    group.add_argument("--plain-http", action="store_true", help="download the chart over HTTP instead of HTTPS")
    group.add_argument(
        "--version", dest="chart_version", metavar="VERSION", help="version of the chart, if it is in a registry"
    )


def _connection(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", metavar="NAMESPACE", help="namespace of the release")
    group.add_argument("--kube-context", metavar="CONTEXT", help="context of the kubeconfig")
    group.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig file (default: $KUBECONFIG or ~/.kube/config)")


def _deployment(command: argparse.ArgumentParser) -> None:
    _connection(command)
    _timeout(command)
    _lock_timeout(command)
    command.add_argument(
        "--history-max",
        metavar="N",
        type=int,
        default=30,
        help="number of revisions to keep, 0 for all; failed ones are deleted first (default: %(default)s)",
    )
    command.add_argument(
        "--description", metavar="TEXT", default="", help="reason, shown in sametag history and helm history"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="check everything and print the changes; change nothing"
    )
    command.add_argument(
        "--no-fail-fast",
        dest="fail_fast",
        action="store_false",
        help="wait for --timeout even if recovery is impossible (default: fail at once)",
    )
    command.add_argument(
        "--grace",
        metavar="REASON=DURATION",
        action="append",
        default=[],
        help="how long a reason may last before the rollout fails, such as Unschedulable=2m; may be repeated",
    )
    _output(command, "text", "json streams events to standard output as JSON Lines")
    command.add_argument(
        "--report", metavar="DIR", help="write report.html, report.json and junit.xml, on success and on failure"
    )


def _keep_failed(command: argparse.ArgumentParser) -> None:
    command.add_argument("--keep-failed", action="store_true", help="keep what failed, for debugging")
    command.add_argument(
        "--create-namespace", action="store_true", help="create the namespace of a first install if it does not exist"
    )


def _timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--timeout", metavar="DURATION", default="5m0s", help="Helm's timeout, such as 90s (default: %(default)s)"
    )


def _lock_timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--lock-timeout",
        metavar="DURATION",
        default="5m0s",
        help="how long to wait for another deployment of this release (default: %(default)s)",
    )


def _output(command: argparse.ArgumentParser, default: str, note: str = "output format") -> None:
    command.add_argument(
        "-o", "--output", choices=(default, "json"), default=default, help=f"{note} (default: %(default)s)"
    )

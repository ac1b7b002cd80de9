"""The command line, as argparse reads it. Flags are Helm's where Helm has them."""

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
  0 done                          4 rollout failed, and what became of it was said
  1 values invalid                6 drift: something is not as released
  2 usage                         7 locked: another client is changing the release
  3 Helm or the cluster refused   70 a bug   130 interrupted
"""


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """Build the parser; the chosen command's name is in `command`.

    Args:
        only: The command whose options are needed; with another word those of every command are built, which takes
            longer than validating four services.
    """
    top = _Parser(
        prog="sametag",
        description="One image, many services, one tag: upgrade moves every service, rollback brings every one back.",
        epilog=EPILOG,
        formatter_class=_Help,
    )
    top.add_argument("--version", action="store_true", help="print the version and exit")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary, build in [entry for entry in _COMMANDS if entry[0] == only] or _COMMANDS:
        description = summary[0].upper() + summary[1:] + "."
        build(commands.add_parser(name, help=summary, description=description, formatter_class=_Help))
    return top


class _Parser(argparse.ArgumentParser):
    """Says which flag or command was meant, with the usage of the command that was meant.

    As with Helm, a flag is written out: what is short for one flag today may be short for two tomorrow.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line; see `argparse`."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            from sametag.cli import hints

            command = self._command(options.command)
            flags = [flag for action in command._actions for flag in action.option_strings]  # noqa: SLF001 - ours
            words = list(sys.argv[1:] if args is None else args)
            # From there on: argparse takes the value of a flag that it does not know for a word.
            command.error(hints.for_unknown(options.command, words[words.index(unknown[0]) :], flags))
        return options

    def error(self, message: str) -> NoReturn:
        """End with the usage, and a message."""
        super().error(re.sub(r"ignored explicit argument '(.*)'", r"it takes no value, and was given \1", message))

    def _command(self, name: str | None) -> _Parser:
        """Return the parser of a command; this one where none was named."""
        choices: dict[str, _Parser] = self._commands.choices if name else {}
        return choices.get(name or "", self)

    @property
    def _commands(self) -> Any:
        return next(action for action in self._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a word that is none of the choices; of a command, say which was meant."""
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:  # noqa: SLF001
            from sametag.cli import hints

            hint = hints.for_command(str(value), list(action.choices))
            self.error(f"there is no command {value}: {hint or 'sametag --help lists them'}")
        super()._check_value(action, value)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal.

    argparse makes one of these for every option, and would import shutil to know the width: 4 ms, help or not.
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
        help="a values file to check on its own, over those of -f; a pattern in quotes, where ** is any folders; or -",
    )
    _values(command)
    _chart(command)
    command.add_argument(
        "--format", choices=FORMATS, help="how to write the problems (default: github in GitHub Actions, else text)"
    )
    command.add_argument("--strict", action="store_true", help="take warnings for errors")
    command.add_argument(
        "--server", action="store_true", help="ask the API server too: a dry run, which changes nothing"
    )
    command.add_argument(
        "--release", metavar="RELEASE", help="name of the release, for the names of its objects (default: not known)"
    )
    _connection(command)


def _schema(_: argparse.ArgumentParser) -> None:
    """Take no arguments."""


def _render(command: argparse.ArgumentParser) -> None:
    command.add_argument("release", metavar="RELEASE", nargs="?", default="release-name", help="name of the release")
    _values(command)
    _chart(command)
    _connection(command)


def _install(command: argparse.ArgumentParser) -> None:
    _release(command)
    _values(command)
    _chart(command)
    _deploying(command)
    _create_namespace(command)
    command.add_argument("--keep-failed", action="store_true", help="leave a failed install in place, to look at it")


def _upgrade(command: argparse.ArgumentParser) -> None:
    _release(command)
    _values(command, "given, they replace the release's values; else those are kept")
    _chart(command)
    _deploying(command)
    command.add_argument("--no-rollback", action="store_true", help="leave a failed upgrade in place, to look at it")
    command.add_argument("-i", "--install", action="store_true", help="install the release if it is not there")
    _create_namespace(command)
    command.add_argument("--take-over", action="store_true", help="overwrite what others have changed in the cluster")


def _diff(command: argparse.ArgumentParser) -> None:
    _release(command)
    _values(command, "given, they replace the release's values; else those are kept")
    _chart(command)
    _back(command, "show a rollback: ")
    _connection(command)
    command.add_argument("--full", action="store_true", help="show the manifests, as a unified diff")
    command.add_argument("--exit-code", action="store_true", help="exit with 2 when something would change")
    _output(command, "text")


def _rollback(command: argparse.ArgumentParser) -> None:
    _release(command)
    target = _back(command, "go ")
    target.add_argument("--select", action="store_true", help="choose from a list, on a terminal")
    _deploying(command)


def _back(command: argparse.ArgumentParser, verb: str) -> argparse._MutuallyExclusiveGroup:
    target = command.add_mutually_exclusive_group()
    target.add_argument("--to-tag", metavar="TAG", help=f"{verb}back to the newest good revision with this tag")
    target.add_argument("--to-revision", metavar="N", type=int, help=f"{verb}back to this revision")
    return target


def _history(command: argparse.ArgumentParser) -> None:
    _release(command)
    _connection(command)
    _output(command)


def _status(command: argparse.ArgumentParser) -> None:
    _release(command)
    _connection(command)
    _output(command)
    command.add_argument("-w", "--watch", action="store_true", help="show it again on every change, until Ctrl-C")


def _uninstall(command: argparse.ArgumentParser) -> None:
    _release(command)
    _connection(command)
    _timeout(command)
    _lock_timeout(command)
    command.add_argument("--keep-history", action="store_true", help="keep the revisions, as Helm does")


def _unlock(command: argparse.ArgumentParser) -> None:
    _release(command)
    _connection(command)
    _timeout(command)


_COMMANDS: tuple[tuple[str, str, Callable[[argparse.ArgumentParser], None]], ...] = (
    ("validate", "check values against the chart's schema; without a cluster, or with --server", _validate),
    ("schema", "print the schema of the values with every description, for editors", _schema),
    ("render", "print the manifests that Helm would send", _render),
    ("diff", "show what an upgrade or a rollback would change, service by service", _diff),
    ("install", "install a release, and wait until every service is ready", _install),
    ("upgrade", "move every service of a release to a tag", _upgrade),
    ("rollback", "bring every service of a release back", _rollback),
    ("history", "list the revisions of a release with their tags", _history),
    ("status", "show every pod of every service: on the tag or not, and who changed what", _status),
    ("unlock", "get a release out of the state that a dead client left it in", _unlock),
    ("uninstall", "remove a release", _uninstall),
)


def _release(command: argparse.ArgumentParser) -> None:
    command.add_argument("release", metavar="RELEASE", help="name of the release")


def _values(command: argparse.ArgumentParser, note: str = "a YAML file, or - for standard input") -> None:
    group = command.add_argument_group("values", "Read and merged as Helm does.")
    add = group.add_argument
    add("-f", "--values", metavar="FILE", action="append", default=[], help=f"{note} (may be given again)")
    add("--set", metavar="K=V", action="append", default=[], help="set a value")
    add("--set-string", metavar="K=V", action="append", default=[], help="set a value as a string")
    add("--set-json", metavar="K=JSON", action="append", default=[], help="set a value from JSON")
    add("--set-file", metavar="K=FILE", action="append", default=[], help="set a value to the content of a file")
    add("--set-literal", metavar="K=V", action="append", default=[], help="set a string, taken as it is")
    add("--tag", metavar="TAG", help="image.tag: the one tag of every service, always a string")


def _chart(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("chart")
    group.add_argument("--chart", metavar="CHART", help="a folder, a .tgz or oci://… (default: the one of sametag)")
    group.add_argument("--plain-http", action="store_true", help="fetch the chart over http, not https")
    group.add_argument("--version", dest="chart_version", metavar="VERSION", help="version of a chart in a registry")


def _connection(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", metavar="NAMESPACE", help="namespace of the release")
    group.add_argument("--kube-context", metavar="CONTEXT", help="context of the kubeconfig")
    group.add_argument("--kubeconfig", metavar="FILE", help="the kubeconfig (default: KUBECONFIG, ~/.kube/config)")


def _deploying(command: argparse.ArgumentParser) -> None:
    _connection(command)
    _timeout(command)
    _lock_timeout(command)
    command.add_argument(
        "--history-max",
        metavar="N",
        type=int,
        default=30,
        help="revisions to keep, failed ones go first; 0 keeps all (default: %(default)s)",
    )
    command.add_argument("--description", metavar="TEXT", default="", help="why: a line for the history")
    command.add_argument(
        "--dry-run", action="store_true", help="check everything, change nothing, say what would be done"
    )
    command.add_argument(
        "--fail-fast",
        choices=("on", "off"),
        default="on",
        help="whether what cannot heal ends the rollout, or only Helm's timeout does (default: %(default)s)",
    )
    command.add_argument(
        "--grace",
        metavar="REASON=DURATION",
        action="append",
        default=[],
        help="how long a trouble may last before it ends the rollout, such as Unschedulable=2m (may be given again)",
    )
    command.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="json: one event a line on standard output, and nothing else (default: %(default)s)",
    )
    command.add_argument(
        "--report", metavar="DIR", help="write report.html, report.json and junit.xml there, whatever the end is"
    )


def _create_namespace(command: argparse.ArgumentParser) -> None:
    command.add_argument("--create-namespace", action="store_true", help="create the namespace of a first install")


def _timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--timeout", metavar="DURATION", default="5m0s", help="Helm's timeout, such as 90s (default: %(default)s)"
    )


def _lock_timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--lock-timeout",
        metavar="DURATION",
        default="5m0s",
        help="how long to wait for another who deploys the release (default: %(default)s)",
    )


def _output(command: argparse.ArgumentParser, default: str = "table") -> None:
    command.add_argument("-o", "--output", choices=(default, "json"), default=default, help="(default: %(default)s)")

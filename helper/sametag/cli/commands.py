"""The commands: each takes the parsed arguments, prints, and returns an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from sametag import chart as charts
from sametag import values
from sametag.cli.context import (
    given_chart,
    needed_sources,
    progress,
    request_of,
    run_to_its_end,
    sources,
    target_of,
    user_values,
)
from sametag.cli.progress import reporting, say_step
from sametag.cli.validate import check, print_report, refuse_problems
from sametag.errors import ClusterError, HelmError, InterruptedByUserError, UsageError
from sametag.output.outlet import Outlet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from typing import Any, TypeVar

    from sametag.chart import Chart
    from sametag.deploy import Event, Plan
    from sametag.helm import Records, Revision
    from sametag.values import Path, Problem, Values

    Arguments = argparse.Namespace
    T = TypeVar("T")

_DONE, _INVALID, _DIFFERENT = 0, 1, 6


def version() -> int:
    """Print the version, which is the chart's."""
    print(f"sametag {charts.load(None).version}")
    return _DONE


def validate(arguments: Arguments) -> int:
    """Check the values, or each of several files; print every problem."""
    with given_chart(arguments) as chart:
        further = [_of_templates(chart, arguments), *([_on_the_server(chart, arguments)] if arguments.server else [])]
        report = check(chart, arguments, further)
    style = arguments.output or ("github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text")
    print_report(report, style, sys.stdout)
    return _INVALID if values.has_errors(report.problems) else _DONE


def schema_of_values(_: Arguments) -> int:
    """Print the schema for editors."""
    _print_document(charts.described_schema())
    return _DONE


def render(arguments: Arguments) -> int:
    """Print the manifests."""
    from sametag.helm.command import HelmCommand

    with given_chart(arguments) as chart:
        user = user_values(arguments)
        refuse_problems(chart, user, arguments.release)
        target = target_of(arguments)
        helm, namespace = HelmCommand(target, warn=progress), target.namespace_alone
        manifests = run_to_its_end(helm.render(arguments.release, chart.path, user.tree, namespace=namespace))
    _print_document(manifests)
    return _DONE


def _print_document(text: str) -> None:
    """Print a document for programs: in UTF-8, whatever the encoding of the terminal is."""
    if isinstance(sys.stdout, Outlet):
        sys.stdout.use_utf_8()
    print(text, end="")


def install(arguments: Arguments) -> int:
    """Install a release and wait until every service is ready."""
    from sametag import deploy

    given = needed_sources(arguments)
    with reporting(arguments) as broadcast, given_chart(arguments) as chart:
        broadcast.outcome = run_to_its_end(deploy.install(request_of(arguments, broadcast), chart, given))
    return _DONE


def upgrade(arguments: Arguments) -> int:
    """Move every service of a release to a tag."""
    from sametag import deploy

    with reporting(arguments) as broadcast, given_chart(arguments) as chart:
        request = request_of(arguments, broadcast)
        upgrade = deploy.upgrade(request, chart, sources(arguments), install=arguments.install)
        broadcast.outcome = run_to_its_end(upgrade)
    return _DONE


def diff(arguments: Arguments) -> int:
    """Show what an upgrade or a rollback would change."""
    from sametag.output import plan as plans

    plan = _planned(arguments)
    if arguments.output == "json":
        print(plans.plan_json(plan))
    else:
        print("\n".join(plans.plan_in_full(plan) if arguments.full else plans.plan_lines(plan)))
    return _DIFFERENT if plan.objects and arguments.exit_code else _DONE


def _planned(arguments: Arguments) -> Plan:
    """Return the plan of a dry run, even of one that would fail."""
    from sametag import deploy

    found: list[Plan] = []

    def hear(event: Event) -> None:
        if isinstance(event, deploy.Plan):
            found.append(event)
        else:
            say_step(event)

    request = request_of(arguments, hear, dry_run=True)
    to_tag, to_revision = arguments.to_tag, arguments.to_revision
    try:
        if to_tag is not None or to_revision is not None:
            if any(sources(arguments)):
                raise UsageError(
                    "--to-tag and --to-revision cannot be combined with values", "a rollback uses those of its revision"
                )
            run_to_its_end(deploy.rollback(request, to_tag=to_tag, to_revision=to_revision))
        else:
            with given_chart(arguments) as chart:
                install = bool(arguments.values)
                run_to_its_end(deploy.upgrade(request, chart, sources(arguments), install=install))
    except ClusterError as refused:
        if not found:
            raise
        progress(f"upgrade would fail: {refused.message}")
    return found[0]


def rollback(arguments: Arguments) -> int:
    """Roll every service back to an earlier tag."""
    from sametag import deploy

    to_tag, to_revision = arguments.to_tag, arguments.to_revision
    if arguments.select:
        refuse_without_terminal()
        to_revision = select(run_to_its_end(_read_history(arguments)).revisions).number
    with reporting(arguments) as broadcast:
        request = request_of(arguments, broadcast)
        broadcast.outcome = run_to_its_end(deploy.rollback(request, to_tag=to_tag, to_revision=to_revision))
    return _DONE


def refuse_without_terminal() -> None:
    """Reject --select without a terminal.

    Raises:
        UsageError: Standard input or standard error is not a terminal.
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        raise UsageError("--select needs a terminal", "use --to-tag TAG or --to-revision N")


def select(history: Sequence[Revision]) -> Revision:
    """List the revisions that a rollback can go to, and return the chosen one; an empty line chooses the first.

    Raises:
        InterruptedByUserError: Standard input ends.
        UsageError: The list is empty.
    """
    from sametag.helm import choices
    from sametag.output.history import choices_table

    offered = choices(history) if history else []
    if not offered:
        raise UsageError("nothing to roll back to: no other revision was deployed")
    print("\n".join(choices_table(history, offered)), file=sys.stderr)
    while True:
        print(f"revision, 1 to {len(offered)} [1]: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise InterruptedByUserError("no revision chosen; nothing was changed")
        answer = line.strip() or "1"
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(offered):
            return offered[int(answer) - 1]


def history(arguments: Arguments) -> int:
    """List the revisions with their tags."""
    from sametag.output import history as releases

    records = run_to_its_end(_read_history(arguments))
    if arguments.output == "json":
        print(releases.history_json(*records))
    else:
        width = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None
        print("\n".join(releases.history_table(*records, width)))
    return _DONE


def status(arguments: Arguments) -> int:
    """Show every pod of every service; exit with 6 if anything differs from the release."""
    from sametag import deploy
    from sametag.cli.progress import status_printer

    with status_printer(arguments) as printer:
        if arguments.watch:
            # A watch ends with Ctrl-C, or with a reader that ends, such as head.
            with suppress(KeyboardInterrupt, BrokenPipeError):
                run_to_its_end(deploy.follow(target_of(arguments), arguments.release, printer))
        else:
            printer(run_to_its_end(deploy.status(target_of(arguments), arguments.release)))
    return _DONE if printer.as_released else _DIFFERENT


def unlock(arguments: Arguments) -> int:
    """Recover a release that a crashed client left pending."""
    from sametag import deploy
    from sametag.output import history as releases

    found = run_to_its_end(deploy.unlock(request_of(arguments, say_step)))
    print("\n".join(releases.unlocked_lines(found)))
    return _DONE


def uninstall(arguments: Arguments) -> int:
    """Uninstall a release."""
    from sametag import deploy

    request = request_of(arguments, say_step)
    run_to_its_end(deploy.uninstall(request, keep_history=arguments.keep_history))
    print(f"uninstalled {arguments.release}")
    return _DONE


COMMANDS: Mapping[str, Callable[[Arguments], int]] = {
    "validate": validate,
    "schema": schema_of_values,
    "render": render,
    "diff": diff,
    "install": install,
    "upgrade": upgrade,
    "rollback": rollback,
    "history": history,
    "status": status,
    "unlock": unlock,
    "uninstall": uninstall,
}


async def _read_history(arguments: Arguments) -> Records:
    from sametag import helm as release
    from sametag.kube.connection import connect

    target = target_of(arguments)
    async with connect(target) as client:
        found = await release.records(client, arguments.release)
        if not found.damaged:
            release.current(found.revisions, arguments.release, target.resolved_namespace)
        return found


def _of_templates(chart: Chart, arguments: Arguments) -> Callable[[Values], list[Problem]]:
    """Return a check of values that has Helm render those with templates."""

    def find(user: Values) -> list[Problem]:
        if not any(b"{{" in layer.text or "{{" in layer.source for layer in user.layers):
            return []
        from sametag.validation import rendered

        paths = rendered.templates(chart, user)
        return run_to_its_end(try_all(user, paths)) if paths else []

    namespace = arguments.namespace or "default"

    async def try_all(user: Values, paths: list[Path]) -> list[Problem]:
        from sametag.helm.command import HelmCommand
        from sametag.validation import rendered

        try:
            helm = HelmCommand(target_of(arguments), warn=progress)
            await helm.checked_version()
        except HelmError as error:
            return rendered.untried(user, paths, error.message)

        def render(tree: dict[str, Any]) -> Coroutine[Any, Any, str]:
            return helm.render(arguments.release or "release-name", chart.path, tree, namespace=namespace)

        return await rendered.failures(render, chart, user, paths, namespace)

    return find


def _on_the_server(chart: Chart, arguments: Arguments) -> Callable[[Values], list[Problem]]:
    """Return a check of values that asks the API server."""
    from sametag.helm.command import HelmCommand
    from sametag.validation.server import refusals

    target = target_of(arguments)
    helm = HelmCommand(target, warn=progress)
    defaults, release = charts.defaults_of(chart), arguments.release or "release-name"

    async def ask(user: Values) -> list[Problem]:
        manifests = await helm.render(release, chart.path, user.tree, namespace=target.resolved_namespace)
        return await refusals(target, manifests, values.on_defaults(defaults, user))

    return lambda user: run_to_its_end(ask(user))

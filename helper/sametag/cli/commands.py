"""The commands: each takes the parsed arguments, prints, and returns its exit code."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sametag import chart as charts
from sametag import schema, values
from sametag.cli.files import expand
from sametag.cli.telling import telling
from sametag.errors import ValuesError
from sametag.output import problems as problem_output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from typing import TypeVar

    from lightkube import AsyncClient

    from sametag.chart import Chart
    from sametag.cluster import Target
    from sametag.deploy import Event, Request
    from sametag.release import Revision
    from sametag.rollout import ServiceState
    from sametag.values import Problem, Values

    Arguments = argparse.Namespace
    T = TypeVar("T")

_DONE, _INVALID, _DRIFT = 0, 1, 6


def version() -> int:
    """Print the version, which is the chart's."""
    print(f"sametag {charts.load(None).version}")
    return _DONE


def validate(arguments: Arguments) -> int:
    """Check the values, or each of several files; print every problem."""
    with _chart(arguments) as chart:
        report = _report(chart, arguments)
    style = arguments.format or ("github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text")
    for line in problem_output.lines(report, style, colour=_colour(sys.stdout)):
        print(line)
    return _INVALID if values.has_errors(report.problems) else _DONE


def schema_of_values(_: Arguments) -> int:
    """Print the schema for editors."""
    print(charts.described_schema(), end="")
    return _DONE


def render(arguments: Arguments) -> int:
    """Print the manifests."""
    from sametag.release.helm import HelmCommand

    with _chart(arguments) as chart:
        user = _user_values(arguments)
        _refuse_problems(chart, user)
        helm = HelmCommand(_target(arguments), warn=_progress)
        manifests = _await(helm.render(arguments.release, chart.path, user.tree, namespace=arguments.namespace))
    sys.stdout.write(manifests)
    return _DONE


def install(arguments: Arguments) -> int:
    """Install a release and wait until every service is ready."""
    from sametag import deploy

    with telling(arguments) as told, _chart(arguments) as chart:
        user = _user_values(arguments)
        _refuse_problems(chart, user)
        options = {"recover": not arguments.keep_failed, "create_namespace": arguments.create_namespace}
        told.outcome = _await(deploy.install(_request(arguments, told, **options), chart, user.tree))
    return _DONE


def upgrade(arguments: Arguments) -> int:
    """Move every service of a release to a tag."""
    from sametag import deploy

    with telling(arguments) as told, _chart(arguments) as chart:

        def plan(now: Revision | None) -> dict[str, Any]:
            user = _next_values(arguments, now) if now else _user_values(arguments)
            _refuse_problems(chart, user)
            return user.tree

        options = {"recover": not arguments.no_rollback, "create_namespace": arguments.create_namespace}
        request = _request(arguments, told, **options)
        told.outcome = _await(deploy.upgrade(request, chart, plan, install=arguments.install))
    return _DONE


def rollback(arguments: Arguments) -> int:
    """Bring every service of a release back."""
    from sametag import deploy

    with telling(arguments) as told:
        request = _request(arguments, told)
        to_tag, to_revision = arguments.to_tag, arguments.to_revision
        told.outcome = _await(deploy.rollback(request, to_tag=to_tag, to_revision=to_revision))
    return _DONE


def history(arguments: Arguments) -> int:
    """List the revisions with their tags."""
    from sametag.output import releases

    found = _await(_read_history(arguments))
    lines = [releases.history_json(found)] if arguments.output == "json" else releases.history_table(found)
    print("\n".join(lines))
    return _DONE


def status(arguments: Arguments) -> int:
    """Show every pod of every service; exit 6 when one is not on the tag."""
    from sametag.deploy import image_of
    from sametag.output import releases

    newest, states = _await(_read_status(arguments))
    image = image_of(newest)
    if arguments.output == "json":
        print(releases.status_json(newest, states, image))
    else:
        print("\n".join(releases.status_table(newest, states, image)))
    return _DONE if all(state.runs(image) for state in states) else _DRIFT


def unlock(arguments: Arguments) -> int:
    """Get a release out of the state that a dead client left it in."""
    from sametag import deploy
    from sametag.output import releases

    found = _await(deploy.unlock(_request(arguments, _say_step)))
    print("\n".join(releases.unlocked_lines(found)))
    return _DONE


def uninstall(arguments: Arguments) -> int:
    """Remove a release."""
    from sametag import deploy

    request = _request(arguments, _say_step)
    _await(deploy.uninstall(request, keep_history=arguments.keep_history))
    print(f"uninstalled {arguments.release}")
    return _DONE


COMMANDS: Mapping[str, Callable[[Arguments], int]] = {
    "validate": validate,
    "schema": schema_of_values,
    "render": render,
    "install": install,
    "upgrade": upgrade,
    "rollback": rollback,
    "history": history,
    "status": status,
    "unlock": unlock,
    "uninstall": uninstall,
}


async def _history(arguments: Arguments, client: AsyncClient) -> list[Revision]:
    from sametag import release

    found = await release.revisions(client, arguments.release)
    release.current(found, arguments.release, _target(arguments).resolved_namespace)
    return found


async def _read_history(arguments: Arguments) -> list[Revision]:
    from sametag.cluster import connect

    async with connect(_target(arguments)) as client:
        return await _history(arguments, client)


async def _read_status(arguments: Arguments) -> tuple[Revision, list[ServiceState]]:
    from sametag.cluster import connect
    from sametag.rollout import snapshot

    async with connect(_target(arguments)) as client:
        found = await _history(arguments, client)
        return found[-1], await snapshot(client, arguments.release)


def _target(arguments: Arguments) -> Target:
    from sametag.cluster import Target

    return Target(arguments.kubeconfig, arguments.kube_context, arguments.namespace)


def _request(arguments: Arguments, report: Callable[[Event], None], **options: bool) -> Request:
    from sametag.deploy import UNLOCK_WAIT, Options, Request

    chosen = Options(
        timeout=arguments.timeout,
        history_max=getattr(arguments, "history_max", 30),
        description=getattr(arguments, "description", ""),
        lock_timeout=getattr(arguments, "lock_timeout", UNLOCK_WAIT),
        dry_run=getattr(arguments, "dry_run", False),
        fail_fast=getattr(arguments, "fail_fast", "on") == "on",
        **options,
    )
    return Request(_target(arguments), arguments.release, report, chosen)


def _say_step(event: Event) -> None:
    from sametag.deploy import Step

    if isinstance(event, Step):
        _progress(event.text)


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _colour(stream: Any) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")


@contextmanager
def _chart(arguments: Arguments) -> Iterator[Chart]:
    """Load the chart; one in a registry is fetched with Helm first, and removed again."""
    reference = arguments.chart
    if reference is None or not charts.is_remote(reference):
        yield charts.load(reference)
        return
    import tempfile

    from sametag.cluster import Target
    from sametag.release.helm import HelmCommand

    with tempfile.TemporaryDirectory(prefix="sametag-") as folder:
        helm = HelmCommand(Target(), warn=_progress)
        fetched = helm.fetch(reference, folder, version=arguments.chart_version, plain_http=arguments.plain_http)
        yield charts.load(str(_await(fetched)))


def _user_values(arguments: Arguments) -> Values:
    return values.load(_sources(arguments))


def _next_values(arguments: Arguments, now: Revision) -> Values:
    """Return the values of the next revision.

    Files replace the values of the release, as with Helm. Without files those are kept, and what is set goes over
    them, as with Helm's --reset-then-reuse-values: that is what a new tag means. A file that names no version of the
    image says nothing about it, so the tag that runs stays.
    """
    given = _user_values(arguments)
    if not arguments.values:
        kept = values.from_tree(now.values, f"values of revision {now.number}")
        merged = values.coalesce(kept, given)
        return merged._replace(layers=(*kept.layers, *given.layers), defaults=())
    image = given.tree.get("image")
    if isinstance(image, dict) and not (image.get("tag") or image.get("digest")) and now.tag:
        return values.load(_sources(arguments)._replace(tag=now.tag))
    return given


def _checker(chart: Chart) -> Callable[[Values], list[Problem]]:
    return schema.checker(values.from_text(chart.defaults, f"{chart.path}/values.yaml"), chart.schema)


def _report(chart: Chart, arguments: Arguments) -> problem_output.Report:
    """Check what `validate` names: one set of values, or each file on its own over the files of -f."""
    sources, files = _sources(arguments), expand(arguments.files, arguments.values)
    check = _checker(chart)
    sets = values.load_each(sources, files) if files else [values.load(sources)]
    report = problem_output.collect((user.files(), check(user)) for user in sets)
    return report.strict() if arguments.strict else report


def _refuse_problems(chart: Chart, user: Values) -> None:
    """Print what is wrong with the values, and go no further when it is an error."""
    found = _checker(chart)(user)
    for line in problem_output.lines(problem_output.Report((), tuple(found)), "text", colour=_colour(sys.stderr)):
        _progress(line)
    if values.has_errors(found):
        raise ValuesError("the values are invalid; nothing was changed")


def _sources(arguments: Arguments) -> values.Sources:
    return values.Sources(
        files=tuple(arguments.values),
        set=tuple(arguments.set),
        set_string=tuple(arguments.set_string),
        set_json=tuple(arguments.set_json),
        set_file=tuple(arguments.set_file),
        set_literal=tuple(arguments.set_literal),
        tag=arguments.tag,
    )


def _await(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; SIGTERM and SIGHUP (a terminal that closes) end it as Ctrl-C does, so that Helm ends cleanly."""
    import asyncio
    import signal

    async def main() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, task.cancel)
        return await coroutine

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None

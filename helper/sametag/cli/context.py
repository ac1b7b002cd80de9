"""What the commands have in common: the cluster, the chart, the request, and how a coroutine is run to its end."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sametag import chart as charts
from sametag.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace as Arguments
    from collections.abc import Callable, Coroutine, Iterator
    from typing import TypeVar

    from sametag.chart import Chart
    from sametag.deploy import Event, Request
    from sametag.kube.connection import Target

    T = TypeVar("T")


def target_of(arguments: Arguments) -> Target:
    """Return the cluster and the namespace that the command works on."""
    from sametag.kube.connection import Target

    return Target(arguments.kubeconfig, arguments.kube_context, arguments.namespace)


def request_of(arguments: Arguments, report: Callable[[Event], None], **options: bool) -> Request:
    """Return the request that the flags describe; `options` win over flags.

    Raises:
        UsageError: `--grace` has an unknown reason or a bad duration.
    """
    from dataclasses import fields

    from sametag.deploy import UNLOCK_WAIT, Options, Request

    flags = {field.name for field in fields(Options)} - {"grace"}
    given = {name: value for name, value in vars(arguments).items() if name in flags}
    chosen = Options(**{"lock_timeout": UNLOCK_WAIT, "grace": _graces(arguments), **given, **options})
    return Request(target_of(arguments), arguments.release, report, chosen)


def _graces(arguments: Arguments) -> dict[str, float]:
    """Read `--grace REASON=DURATION`."""
    from sametag.deploy.request import seconds
    from sametag.rollout import GRACE

    found = {}
    for word in getattr(arguments, "grace", ()):
        reason, equals, duration = word.partition("=")
        if reason not in GRACE:
            raise UsageError(f"--grace: unknown reason {reason}", f"valid reasons: {', '.join(sorted(GRACE))}")
        if not equals:
            raise UsageError(f"--grace: {reason} needs a duration", f"for example {reason}=90s")
        found[reason] = seconds(duration)
    return found


def say_step(event: Event) -> None:
    """Print the events that are for the reader of a command without progress."""
    from sametag.cli.validate import print_problems
    from sametag.deploy import Problems, Step

    if isinstance(event, Step):
        progress(str(event))
    elif isinstance(event, Problems):
        print_problems(event.problems)


def progress(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def given_chart(arguments: Arguments) -> Iterator[Chart]:
    """Load the chart; one in a registry is fetched with Helm first, and removed again."""
    reference = arguments.chart
    if reference is None or not charts.is_remote(reference):
        _refuse_version(arguments.chart_version)
        yield charts.load(reference)
        return
    import tempfile

    from sametag.helm.command import HelmCommand
    from sametag.kube.connection import Target

    with tempfile.TemporaryDirectory(prefix="sametag-") as folder:
        helm = HelmCommand(Target(), warn=progress)
        fetched = helm.fetch(reference, folder, version=arguments.chart_version, plain_http=arguments.plain_http)
        yield charts.load(str(run_to_its_end(fetched)))


def _refuse_version(version: str | None) -> None:
    """Refuse --version of a chart that has just one: the tag was meant, and Helm's users know no other flag."""
    if version is not None:
        from sametag.errors import UsageError

        raise UsageError(
            "--version is the version of a chart in a registry, and --chart names none",
            f"--tag {version} chooses the tag of every service",
        )


def run_to_its_end(coroutine: Coroutine[Any, Any, T]) -> T:
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

"""What the commands share: the cluster, the chart, the values, the request, and how a coroutine is run."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sametag import chart as charts
from sametag import values
from sametag.errors import UsageError
from sametag.masking import utf_8

if TYPE_CHECKING:
    from argparse import Namespace as Arguments
    from collections.abc import Callable, Coroutine, Iterator
    from typing import TypeVar

    from sametag.chart import Chart
    from sametag.deploy import Event, Request
    from sametag.kube.connection import Target
    from sametag.values import Values

    T = TypeVar("T")


def target_of(arguments: Arguments) -> Target:
    """Return the cluster and the namespace of a command."""
    from sametag.kube.connection import Target

    return Target(arguments.kubeconfig, arguments.kube_context, arguments.namespace)


def request_of(arguments: Arguments, report: Callable[[Event], None], **options: bool) -> Request:
    """Return the request that the flags describe; `options` take precedence over flags.

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


def progress(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def given_chart(arguments: Arguments) -> Iterator[Chart]:
    """Load the chart; Helm downloads one in a registry first, into a temporary folder."""
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
    """Reject --version unless the chart is in a registry: usually --tag was meant."""
    if version is not None:
        raise UsageError(
            "--version needs a --chart in a registry (oci://…)", f"to choose the tag of every service: --tag {version}"
        )


def run_to_its_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; SIGTERM and SIGHUP (the terminal closes) end it as Ctrl-C does, so that Helm ends cleanly."""
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


def sources(arguments: Arguments) -> values.Sources:
    """Return the sources of the values.

    Raises:
        UsageError: A flag is not UTF-8, as JSON and YAML must be.
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


def needed_sources(arguments: Arguments) -> values.Sources:
    """Return the sources of the values; a chart of the user's own can have all of them itself.

    Raises:
        UsageError: There are none.
    """
    given = sources(arguments)
    if not any(given) and arguments.chart is None:
        raise UsageError("no values given", "name a values file: -f values.yaml")
    return given


def user_values(arguments: Arguments) -> Values:
    """Read and merge the user's values."""
    return values.load(needed_sources(arguments))

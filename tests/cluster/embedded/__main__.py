"""The embedded cluster from the command line: `python -m embedded COMMAND`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from embedded import network, tools
from embedded import state as states
from embedded.process import StartError
from embedded.provide import provide
from embedded.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable


def say(line: str) -> None:
    """Progress goes to standard error: standard output is the command's."""
    print(line, file=sys.stderr, flush=True)


def start(_: argparse.Namespace) -> int:
    """Start a cluster and a registry, and leave them running."""
    os.environ["KEEP"] = "1"
    with ExitStack() as cleanup:
        provided = provide(cleanup, say)
        cleanup.pop_all()
    print(f"""export KUBECONFIG={provided.kubeconfig}
alias kubectl='{" ".join(provided.kubectl)}'
# images pushed to {provided.registry} can be pulled; make cluster-stop ends both""")
    return 0


def stop(_: argparse.Namespace) -> int:
    """Stop the cluster and the registry that run, and remove what a killed one left."""
    state = states.read()
    if state is None:
        say("no cluster was running")
    else:
        state.remove()
        network.remove_folder(state.folder)
        say("stopped Kubernetes")
    Registry().stop()
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Run a command with a cluster, a registry and both Helms; what was started for it is stopped again."""
    with ExitStack() as cleanup:
        environment = {**os.environ, **provide(cleanup, say).environment}
        return subprocess.run(arguments.words, env=environment, check=False).returncode


def helm(arguments: argparse.Namespace) -> int:
    """Run a command with both Helms."""
    helm4, helm3 = tools.ensure_helm(say)
    environment = {**os.environ, "SAMETAG_HELM4": str(helm4), "SAMETAG_HELM3": str(helm3)}
    return subprocess.run(arguments.words, env=environment, check=False).returncode


def main() -> int:
    """Parse the arguments and run one command."""
    parser = argparse.ArgumentParser(prog="python -m embedded", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    known: dict[str, Callable[[argparse.Namespace], int]] = {"start": start, "stop": stop, "run": run, "helm": helm}
    for name, function in known.items():
        command = commands.add_parser(name, help=function.__doc__)
        command.set_defaults(function=function)
        if name in ("run", "helm"):
            command.add_argument("words", nargs="+", metavar="COMMAND", help="after --, a command and its arguments")
    arguments = parser.parse_args()
    try:
        result: int = arguments.function(arguments)
    except (StartError, tools.ToolError) as error:
        sys.exit(f"embedded: {error}")
    return result


if __name__ == "__main__":
    sys.exit(main())

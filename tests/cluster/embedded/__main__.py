"""The embedded cluster from the command line: `python -m embedded COMMAND`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from embedded import cluster as clusters
from embedded import tools
from embedded.cluster import Cluster
from embedded.process import StartError
from embedded.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def say(line: str) -> None:
    """Progress goes to standard error: standard output is the command's."""
    print(line, file=sys.stderr, flush=True)


def start(_: argparse.Namespace) -> int:
    """Start a cluster and a registry, and leave them running."""
    ready = tools.ensure(say)
    registry = Registry()
    registry.start()
    running = clusters.running() or Cluster(say=say, keep=True)
    kubeconfig = running.kubeconfig if running.folder.name else running.start()
    print(f"""export KUBECONFIG={kubeconfig}
alias kubectl='{ready.kubernetes} kubectl'
# images pushed to {registry.address} can be pulled; make cluster-stop ends both""")
    return 0


def stop(_: argparse.Namespace) -> int:
    """Stop the cluster and the registry that run, and remove what a killed one left."""
    if not clusters.stop_running(say):
        say("no cluster was running")
    Registry().stop()
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Run a command with a cluster (KUBECONFIG's, or one that is stopped again), a registry, and both Helms."""
    with ExitStack() as cleanup:
        ready = tools.ensure(say)
        environment = _environment(ready.helm4, ready.helm3)
        if not os.environ.get("KUBECONFIG"):
            environment["KUBECONFIG"] = str(_kubeconfig(cleanup))
        registry = Registry()
        if not registry.running():
            registry.start()
            cleanup.callback(registry.stop)
        environment["SAMETAG_KUBECTL"] = f"{ready.kubernetes} kubectl"
        environment["SAMETAG_REGISTRY"] = registry.address
        return subprocess.run(arguments.words, env=environment, check=False).returncode


def _kubeconfig(cleanup: ExitStack) -> Path:
    running = clusters.running()
    if running is not None:
        return running.kubeconfig
    cluster = Cluster(say=say)
    kubeconfig = cluster.start()
    cleanup.callback(cluster.stop)
    return kubeconfig


def helm(arguments: argparse.Namespace) -> int:
    """Run a command with both Helms."""
    return subprocess.run(arguments.words, env=_environment(*tools.ensure_helm(say)), check=False).returncode


def _environment(helm4: Path, helm3: Path) -> dict[str, str]:
    return {**os.environ, "SAMETAG_HELM4": str(helm4), "SAMETAG_HELM3": str(helm3)}


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

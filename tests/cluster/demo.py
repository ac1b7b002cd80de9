"""The main job, before your eyes: one image, four services, one tag; upgrade, rollback.

Everything is real: the image is built and pushed, the pods run, the GIFs are fetched. A step that does not do what it
says ends the demo with an error.

Environment:
    KUBECONFIG: Use this cluster, and start none.
    REGISTRY: Where to push the image, with KUBECONFIG; the cluster's nodes must be able to pull from it.
    KEEP=1: Leave everything running, and say how to use and stop it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedded import Provided, StartError, images, provide, tools
from gifinator import MISSING, NEW, OLD, ROOT, SERVICES, SOURCE, VALUES, Gif, Kubectl, gif_drawn_by

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "gifinator"
FAILED_AND_ROLLED_BACK = 4
#: Below the top of the project, where the commands run.
REPORT = "build/report"


class DemoError(Exception):
    """A step did not do what it says."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays: the cluster, and how its commands are run."""

    kubectl: Kubectl
    environment: dict[str, str]
    overrides: tuple[str, ...]

    def run(self, *words: str, exits: int = 0) -> str:
        """Show a command, run it, show what it says, and return its standard output."""
        print(f"\n$ {shlex.join(words)}", flush=True)
        ran = subprocess.run(words, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True, check=False)
        print(ran.stdout, end="", flush=True)
        if ran.returncode != exits:
            raise DemoError(f"{words[0]} {words[1]} exited with {ran.returncode}, not {exits}")
        return ran.stdout

    def newest_revision(self) -> int:
        """Return the number of the newest revision, without showing how it was asked for."""
        words = ("sametag", "history", NAME, "-n", NAME, "-o", "json")
        history = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=True).stdout
        return int(json.loads(history)["revisions"][-1]["revision"])

    def everything_runs(self, tag: str) -> None:
        """Check with the pods, not with Helm, that every service runs the tag."""
        found = self.kubectl.tags(NAME)
        if found != {service: {tag} for service in SERVICES}:
            raise DemoError(f"not every pod runs {tag}: {found}")
        print(f"every pod of {', '.join(SERVICES)} runs {tag}")

    def gif(self, version: str, folder: Path) -> Gif:
        """Fetch a GIF through frontend, gifcreator and render."""
        gif = gif_drawn_by(self.kubectl, NAME, version)
        if not gif.content.startswith(b"GIF89a"):
            raise DemoError("what frontend answered is no GIF")
        file = folder / f"{version}.gif"
        file.write_bytes(gif.content)
        print(f"a GIF of {len(gif.content):,} bytes, drawn by render {gif.version}: {file}")
        return gif


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    print(f"\n=== {title}", flush=True)
    began = time.monotonic()
    yield
    print(f"=== done in {time.monotonic() - began:.1f} s", flush=True)


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    began = time.monotonic()
    with ExitStack() as cleanup:
        stage = set_up(cleanup)
        folder = Path(tempfile.mkdtemp(prefix="gifinator-"))
        with_sametag(stage, folder)
        for helm in ("helm4", "helm3"):
            with_plain_helm(stage, helm)
        no_such_tag(stage)
        if os.environ.get("KEEP") == "1":
            cleanup.pop_all()
            say_how_to_use(stage)
        else:
            stage.run("sametag", "uninstall", NAME, "-n", NAME)
            stage.kubectl("delete", "namespace", NAME, "--wait=false")
    print(f"\nAll of it in {time.monotonic() - began:.0f} s.")


def set_up(cleanup: ExitStack) -> Stage:
    """Bring the tools and a cluster, build the image twice and push it."""
    with step("A real Kubernetes, a real registry, two Helms"):
        provided = provide(cleanup, say)
        kubectl = Kubectl(provided.kubectl, provided.kubeconfig)
        if kubectl("get", "namespace", NAME, "--ignore-not-found", "--output=name"):
            raise DemoError(f"there is a namespace {NAME} already: kubectl delete namespace {NAME} removes it")
        kubectl.create_restricted_namespace(NAME)
        print(kubectl("get", "nodes"), end="")
    repository = f"{provided.registry}/{NAME}"
    with step(f"Build {NAME} {OLD} and {NEW}: three binaries, one image; push it"):
        for version in (OLD, NEW):
            images.build_and_push(SOURCE, repository, version, say)
    overrides = () if repository == f"localhost:5000/{NAME}" else ("--set", f"image.repository={repository}")
    return Stage(kubectl, {**kubectl.environment, "PATH": path_with(provided)}, overrides)


def path_with(provided: Provided) -> str:
    """Return a PATH with helm4, helm3, and `helm` (Helm 4) for sametag."""
    folder = Path(tempfile.mkdtemp(prefix="helm-"))
    for name, target in (("helm", provided.helm4), ("helm4", provided.helm4), ("helm3", provided.helm3)):
        (folder / name).symlink_to(target)
    return f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"


def with_sametag(stage: Stage, folder: Path) -> None:
    values = str(VALUES.relative_to(ROOT))
    with step(f"Install {OLD}"):
        stage.run("sametag", "install", NAME, "-n", NAME, "-f", values, *stage.overrides, "--tag", OLD)
        stage.everything_runs(OLD)
        old = stage.gif(OLD, folder)
    with step(f"Upgrade to {NEW}: one value moves every service"):
        stage.run("sametag", "upgrade", NAME, "-n", NAME, "--tag", NEW)
        stage.everything_runs(NEW)
        if stage.gif(NEW, folder).content == old.content:
            raise DemoError(f"the GIFs of {OLD} and {NEW} are the same")
    with step("Which revision ran which tag"):
        stage.run("sametag", "history", NAME, "-n", NAME)
    with step(f"Roll back to {OLD}: one word brings every service back"):
        stage.run("sametag", "rollback", NAME, "-n", NAME, "--to-tag", OLD)
        stage.everything_runs(OLD)
        stage.gif(OLD, folder)


def with_plain_helm(stage: Stage, helm: str) -> None:
    with step(f"The same with plain {helm}, without sametag's command"):
        newest = stage.newest_revision()
        upgrade = ("upgrade", NAME, "chart", "-n", NAME, "--reset-then-reuse-values", "--set", f"image.tag={NEW}")
        stage.run(helm, *upgrade, "--wait")
        stage.everything_runs(NEW)
        stage.run(helm, "rollback", NAME, str(newest), "-n", NAME, "--wait")
        stage.everything_runs(OLD)


def no_such_tag(stage: Stage) -> None:
    with step(f"Upgrade to {MISSING}, which was never built"):
        words = ("sametag", "upgrade", NAME, "-n", NAME, "--tag", MISSING, "--report", REPORT)
        stage.run(*words, exits=FAILED_AND_ROLLED_BACK)
        print(f"(exit code {FAILED_AND_ROLLED_BACK}; {REPORT}/report.html tells it with a timeline)")
        stage.everything_runs(OLD)


def say_how_to_use(stage: Stage) -> None:
    kubeconfig = stage.kubectl.kubeconfig
    print(f"""
It is left running. To use it:
  export KUBECONFIG={kubeconfig}
  {shlex.join(stage.kubectl.words)} port-forward -n {NAME} service/frontend 8080:80    # then open http://127.0.0.1:8080
  sametag status {NAME} -n {NAME}
To remove it:
  sametag uninstall {NAME} -n {NAME} && {shlex.join(stage.kubectl.words)} delete namespace {NAME}
To stop the cluster and the registry that were started:
  make cluster-stop""")


if __name__ == "__main__":
    try:
        main()
    except (DemoError, RuntimeError, StartError, tools.ToolError) as error:
        sys.exit(f"demo: {error}")

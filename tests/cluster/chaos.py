"""Faults at random, one after another, until the time is over: `make chaos SEED=1 SECONDS=600`.

After each: the next commands say the truth, the next upgrade ends with every service on one tag, and a client that has
asked the release that runs all the time has lost no request. The same seed draws the same faults at the same moments.

Environment:
    SEED: Of the draw; a new one each time by default, and printed.
    SECONDS: For how long; 600 by default.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedded import Cluster, images, provide
from faults import FAULTS
from gifinator import NEW, OLD, SOURCE, Kubectl
from load import Load
from small_app import FAILED_AND_ROLLED_BACK, App, check, healthy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAME = "chaos"

# Asked for all the time; it is a program of the sample application.
_RENDER: dict[str, Any] = {
    "command": ["/render"],
    "ports": {"http": {"containerPort": 8082}},
    "probes": {"port": "http", "path": "/healthz", "readinessPath": "/readyz"},
}

# Seconds in which something is done to a command; most take less.
_LONG = 8.0

# Seconds that the parts of the cluster are away.
_AWAY = {"kube-apiserver": 20, "etcd": 5, "kubelet": 30}


@dataclass(frozen=True, slots=True)
class Chaos:
    """What can be done to a release that runs, and to one that is installed and removed again.

    Attributes:
        app: The release that runs.
        other: The one that comes and goes.
        draw: Decides.
        cluster: Whose parts can be stopped; None where it is somebody else's.
    """

    app: App
    other: App
    draw: random.Random
    cluster: Cluster | None

    def acts(self) -> dict[str, Callable[[], str]]:
        """Return all that can be done, by name; each says how it went."""
        acts: dict[str, Callable[[], str]] = {
            "upgrade": self._upgrade,
            "rollback": self._rollback,
            "deployers at once": self._deployers,
            "kill helm": self._kill_helm,
            "kubectl set image": partial(self._hands, "set", "image", "--all", f"*={self.app.repository}:{OLD}"),
            "kubectl scale": partial(self._hands, "scale", "--all", "--replicas=2"),
        }
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            acts[number.name] = partial(self._interrupt, number)
        for name, fault in FAULTS.items():
            acts[name] = partial(self._fault, name)
            # A hook before an upgrade runs before no install.
            if name != "quota" and "migrate" not in fault.reasons:
                acts[f"install, {name}"] = partial(self._failing_install, name)
        for component in _AWAY if self.cluster else ():
            acts[f"{component} away"] = partial(self._away, component)
        return acts

    def _upgrade(self) -> str:
        ended = self.app.upgrade(self.draw.choice((OLD, NEW)))
        assert ended.code == 0, ended.stderr
        return "done"

    def _rollback(self) -> str:
        ended = self.app.run("rollback")
        assert ended.code == 0, ended.stderr
        return "done"

    def _fault(self, name: str) -> str:
        fault, kubectl = FAULTS[name], self.app.kubectl
        if name == "quota":
            kubectl("create", "quota", "full", "--hard=pods=3", "--namespace", self.app.namespace)
        try:
            # It is on NEW: what is wrong with no pod would be no change.
            ended = self.app.upgrade(OLD if fault.tag == NEW else fault.tag, **fault.changes)
        finally:
            if name == "quota":
                kubectl("delete", "quota", "full", "--namespace", self.app.namespace)
        named = {name for event in ended.events if event["event"] == "failure" for name in event["services"]}
        assert ended.code == FAILED_AND_ROLLED_BACK, ended.stderr
        assert named & fault.reasons.keys(), f"not named: {ended.stderr}"
        return f"named {', '.join(sorted(named))}"

    def _failing_install(self, name: str) -> str:
        """Nothing is left of a first install that fails."""
        fault = FAULTS[name]
        with self._coming_and_going():
            ended = self.other.install(fault.tag, **fault.changes)
            named = {name for event in ended.events if event["event"] == "failure" for name in event["services"]}
            assert ended.code == FAILED_AND_ROLLED_BACK, ended.stderr
            assert named & fault.reasons.keys(), f"not named: {ended.stderr}"
            assert self.other.ask("history")[1] is None, "the failed install is still there"
        return f"named {', '.join(sorted(named))}"

    @contextmanager
    def _coming_and_going(self) -> Iterator[None]:
        """Check the other release after the block, and remove it."""
        try:
            yield
            check(self.other)
        finally:
            self.other.remove()

    def _interrupt(self, number: signal.Signals) -> str:
        verb, moment = self.draw.choice(("install", "upgrade", "rollback")), self.draw.uniform(0, _LONG)
        installs = verb == "install"
        with self._coming_and_going() if installs else nullcontext():
            code, _ = (self.other if installs else self.app).interrupted(verb, number, moment)
            assert code in (0, 130, -number), f"exit {code}"
        return f"{verb}, after {moment:.1f} s: exit {code}"

    def _kill_helm(self) -> str:
        process = self._upgrading()
        self.app.kill_helm_of(process)
        process.communicate(timeout=300)
        assert process.returncode == FAILED_AND_ROLLED_BACK, f"exit {process.returncode}"
        return "rolled back"

    def _deployers(self) -> str:
        count = self.draw.choice((2, 5))
        processes = [self._upgrading() for _ in range(count)]
        for process in processes:
            process.communicate(timeout=600)
        codes = [process.returncode for process in processes]
        assert codes == [0] * count, f"exits {codes}"
        return f"{count} took turns"

    def _hands(self, *words: str) -> str:
        process = self._upgrading()
        time.sleep(self.draw.uniform(0.5, _LONG))
        self.app.by_hand(*words)
        process.communicate(timeout=300)
        assert process.returncode in (0, FAILED_AND_ROLLED_BACK), f"exit {process.returncode}"
        return f"exit {process.returncode}"

    def _away(self, component: str) -> str:
        assert self.cluster
        verb = self.draw.choice(("install", "upgrade", "rollback"))
        moment = self.draw.uniform(0.5, _LONG)
        with self._coming_and_going() if verb == "install" else nullcontext():
            process = self._beginning(verb)
            time.sleep(moment)
            self.cluster.stop_component(component)
            try:
                time.sleep(_AWAY[component])
            finally:
                self.cluster.start_component(component)
            process.communicate(timeout=600)
            assert process.returncode in (0, 3, FAILED_AND_ROLLED_BACK), f"exit {process.returncode}"
        return f"{verb}, after {moment:.1f} s for {_AWAY[component]} s: exit {process.returncode}"

    def _beginning(self, verb: str) -> subprocess.Popen[str]:
        if verb == "install":
            return self.other.start(verb, "--values", str(self.other.values({})), "--tag", OLD)
        return self.app.start(verb) if verb == "rollback" else self._upgrading()

    def _upgrading(self) -> subprocess.Popen[str]:
        return self.app.start(
            "upgrade", "--values", str(self.app.values({})), "--tag", self.draw.choice((OLD, NEW)), "--take-over"
        )


def main() -> int:
    """Return 1 when anything broke."""
    seed, seconds = os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6)), os.environ.get("SECONDS")
    print(f"SEED={seed}", flush=True)
    with ExitStack() as cleanup:
        app, other = _set_up(cleanup)
        chaos = Chaos(app, other, random.Random(seed), Cluster.running())  # noqa: S311 - faults, no secrets
        address = json.loads(app.kubectl("get", "service", f"{_NAME}-render", "-n", app.namespace, "-o", "json"))
        service = (address["spec"]["clusterIP"], address["spec"]["ports"][0]["port"])
        broke = _play(chaos, service, time.monotonic() + float(seconds or 600))
    print(f"{len(broke)} broke" + "".join(f"\n  {line}" for line in broke), flush=True)
    return 1 if broke else 0


def _set_up(cleanup: ExitStack) -> tuple[App, App]:
    """Return a release that runs, and one that is not installed."""
    provided = provide(cleanup, print)
    kubectl, repository = Kubectl(provided.kubectl, provided.kubeconfig), f"{provided.registry}/gifinator"
    for version in (OLD, NEW):
        images.build_and_push(SOURCE, repository, version, print)
    folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix=f"{_NAME}-")))
    (folder / "helm").symlink_to(provided.helm4)
    environment = {**kubectl.environment, "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    app, other = (App(kubectl, name, name, repository, folder, environment) for name in (_NAME, f"{_NAME}-other"))
    for one in (app, other):
        kubectl.create_restricted_namespace(one.namespace)
        cleanup.callback(kubectl, "delete", "namespace", one.namespace, "--wait=false")
    app.services = {"render": _RENDER, "web": healthy(), "worker": healthy()}
    for ended in (app.install(), app.upgrade()):
        assert ended.code == 0, ended.stderr
    return app, other


def _play(chaos: Chaos, service: tuple[str, int], until: float) -> list[str]:
    broke: list[str] = []
    began = time.monotonic()
    acts = chaos.acts()
    while time.monotonic() < until:
        name = chaos.draw.choice(list(acts))
        line = f"{time.monotonic() - began:6.0f} s  {name}"
        try:
            with Load(*service, "/version", rate=20, clients=4) as load:
                line += f": {acts[name]()}"
                check(chaos.app)
            assert not load.failures, f"lost requests: {load.failures}"
        except (AssertionError, RuntimeError, subprocess.SubprocessError) as error:
            line += f"  BROKE: {error}"
            broke.append(line)
        print(line, flush=True)
    return broke


if __name__ == "__main__":
    sys.exit(main())

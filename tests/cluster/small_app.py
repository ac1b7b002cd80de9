"""A small application that can be made to fail in every way: installed, changed, killed, and asked how it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gifinator import NEW, OLD, Kubectl

#: The application's image has a shell, and a shell can be any program.
HEALTHY = "echo healthy; exec sleep infinity"

FAILED_AND_ROLLED_BACK = 4

DRIFT = 6

# Until the pods that a killed client has set moving are where they go.
_REST_SECONDS = 120

_POLL_SECONDS = 0.05

# Many releases share one small node.
_SMALL = {"requests": {"cpu": "1m", "memory": "16Mi"}}


def shell(script: str, **settings: Any) -> dict[str, Any]:
    """Return the values of a service that runs a script."""
    return {"command": ["/bin/sh", "-c", script], "terminationGracePeriodSeconds": 1, **settings}


def healthy(**settings: Any) -> dict[str, Any]:
    """Return the values of a service that works, and is ready at once."""
    return shell(HEALTHY, **{"minReadySeconds": 0, **settings})


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command of sametag ended: its exit code, its events (JSON documents), and what it wrote to stderr."""

    code: int
    events: list[dict[str, Any]]
    stderr: str

    def failures(self, service: str) -> list[dict[str, Any]]:
        """Return what was said about a service that failed: one document for each container."""
        return [event for event in self.events if event["event"] == "failure" and service in event["services"]]

    @property
    def end(self) -> dict[str, Any]:
        """The last document."""
        return self.events[-1]

    @property
    def named_at(self) -> datetime:
        """When the first failure was named."""
        return next(_time(event["time"]) for event in self.events if event["event"] == "failure")

    @property
    def seconds(self) -> float:
        """From the beginning of the rollout to the first failure that was named."""
        began = next(_time(event["time"]) for event in self.events if event["event"] == "start")
        return (self.named_at - began).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass(slots=True)
class App:
    """One release in one namespace.

    Attributes:
        kubectl: For the cluster.
        name: The release's.
        namespace: Where it is.
        repository: The image's.
        folder: Where values files go.
        environment: With the helm to use on PATH.
        began: When the newest command began.
    """

    kubectl: Kubectl
    name: str
    namespace: str
    repository: str
    folder: Path
    environment: dict[str, str]
    services: dict[str, Any] = field(default_factory=lambda: {"web": healthy(), "worker": healthy()})
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def values(self, changes: dict[str, Any]) -> Path:
        """Write the application's values with these services changed or added."""
        services = {**self.services, **changes.get("services", {})}
        image = {"repository": self.repository, "pullPolicy": "IfNotPresent", **changes.get("image", {})}
        path = self.folder / f"{self.name}.json"
        whole = {"defaults": {"resources": _SMALL}, **changes, "image": image, "services": services}
        path.write_text(json.dumps(whole))
        return path

    def command(self, verb: str, *words: str) -> list[str]:
        """Return a command of sametag about this release."""
        return ["sametag", verb, self.name, "--namespace", self.namespace, *words]

    def start(self, verb: str, *words: str) -> subprocess.Popen[str]:
        """Start a command that changes the release."""
        self.began = datetime.now(UTC)
        return subprocess.Popen(
            self.command(verb, *words, "--format", "json"),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, verb: str, *words: str) -> Ended:
        """Run a command that changes the release, to its end."""
        process = self.start(verb, *words)
        stdout, stderr = process.communicate(timeout=300)
        return Ended(process.returncode, [json.loads(line) for line in stdout.splitlines()], stderr)

    def install(self, tag: str = OLD, **changes: Any) -> Ended:
        """Install it, healthy but for these changes."""
        return self.run("install", "--values", str(self.values(changes)), "--tag", tag)

    def upgrade(self, tag: str = NEW, **changes: Any) -> Ended:
        """Upgrade it to values that are healthy but for these changes."""
        return self.run("upgrade", "--values", str(self.values(changes)), "--tag", tag)

    def everything_runs(self, tag: str) -> bool:
        """Whether, as the pods themselves say, every service runs the tag and no other."""
        return self.kubectl.tags(self.namespace) == {service: {tag} for service in self.services}

    def interrupted(self, verb: str, number: signal.Signals, moment: float) -> tuple[int, float]:
        """Send a signal to a command that goes to the old tag, so many seconds after its start.

        Returns:
            Its exit code, and how many seconds it took in all.
        """
        more = () if verb == "rollback" else ("--values", str(self.values({})), "--tag", OLD)
        began = time.monotonic()
        process = self.start(verb, *more)
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        took = time.monotonic() - began
        process.send_signal(number)
        process.communicate(timeout=120)
        return process.returncode, took

    def remove(self) -> None:
        """Uninstall it, and wait until its pods are gone; Helm 4 calls what it has not heard of yet gone, at times."""
        command = ["helm", "uninstall", self.name, "--namespace", self.namespace, "--ignore-not-found"]
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        labels = f"app.kubernetes.io/instance={self.name}"
        self.kubectl("wait", "--for=delete", "pod", "-l", labels, "-n", self.namespace, "--timeout=120s")

    def by_hand(self, *words: str) -> None:
        """Change every Deployment with kubectl, which asks for their kind after the words that say what to do."""
        count = 2 if words[0] == "set" else 1
        self.kubectl(*words[:count], "deployment", *words[count:], "--namespace", self.namespace)

    def says_the_truth(self) -> None:
        """Compare what history and status say with what Helm's records and the pods say."""
        code, history = self.ask("history")
        told = [(entry["revision"], entry["status"]) for entry in history["revisions"]] if code == 0 else []
        assert told == self.revisions()
        self.status_is_true()

    def status_is_true(self) -> None:
        """Compare what status says with what Helm's records and the pods say.

        Pods may still move when a client was killed: then what is said of them is compared once they have come to rest.
        """
        until = time.monotonic() + _REST_SECONDS
        while True:
            code, status = self.ask("status")
            tags, revisions = self.kubectl.tags(self.namespace), self.revisions()
            told = _tags_of(status) if status else {}
            if told == tags and (status is None or code == _exit_code(status, tags)):
                break
            assert time.monotonic() < until, f"the pods run {tags}, and status exits with {code}: {json.dumps(status)}"
            time.sleep(0.5)
        if status is None:
            assert not revisions, "status knows of no release"
            return
        assert (status["revision"], status["status"]) == revisions[-1]

    def equals_its_manifest(self) -> None:
        """Have the API server apply the manifest in a dry run, which changes nothing where all is as it says."""
        command = ["helm", "get", "manifest", self.name, "--namespace", self.namespace]
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        words = ("--server-side", "--force-conflicts", "--namespace", self.namespace)
        self.kubectl("diff", *words, "--filename", "-", stdin=ran.stdout)

    def revisions(self) -> list[tuple[int, str]]:
        """Return number and status of each, oldest first; empty where there is no such release."""
        return self.kubectl.helm_revisions(self.namespace, self.name)

    def wait_for_revision(self, process: subprocess.Popen[str], number: int) -> None:
        """Wait until the helm that a command has started has recorded its revision."""
        while self.revisions()[-1][0] < number:
            assert process.poll() is None, "it ended without a revision"
            time.sleep(_POLL_SECONDS)

    def kill_helm_of(self, process: subprocess.Popen[str]) -> None:
        """Kill the helm that a command has started, once it has recorded its revision."""
        self.wait_for_revision(process, self.revisions()[-1][0] + 1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            # The other one is the watchdog, which is Python.
            if "python" not in Path(f"/proc/{child}/comm").read_text():
                os.kill(int(child), signal.SIGKILL)

    def ask(self, verb: str) -> tuple[int, Any]:
        """Return exit code and document of a command that only asks."""
        command = self.command(verb, "--output", "json")
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        return ran.returncode, json.loads(ran.stdout or "null")

    def first_warning(self, reason: str) -> datetime:
        """When the cluster first warned for this reason since the newest command began, to the second."""
        listed = json.loads(self.kubectl("get", "events", "--namespace", self.namespace, "--output", "json"))["items"]
        times = [_time(event["firstTimestamp"]) for event in listed if event["reason"] == reason]
        return min(time for time in times if time >= self.began.replace(microsecond=0))


def _exit_code(status: dict[str, Any], tags: dict[str, set[str]]) -> int:
    """Return what status exits with where this is what runs."""
    on_tag = all(found == {status["tag"]} for found in tags.values())
    whole = all(service["complete"] for service in status["services"].values())
    return 0 if on_tag and whole and not status["drift"] else DRIFT


def _tags_of(status: dict[str, Any]) -> dict[str, set[str]]:
    """Return the tags that each service's pods run, as a status says."""
    return {
        name: {image.rpartition(":")[2] for pod in service["pods"] for image in pod["images"]}
        for name, service in status["services"].items()
        if service["pods"]
    }


def prepared(app: App, verb: str) -> App:
    """Bring a release to where this verb has something to do."""
    tags: dict[str, tuple[str, ...]] = {"install": (), "upgrade": (OLD,), "rollback": (OLD, NEW)}
    for tag in tags[verb]:
        ended = app.upgrade(tag) if tag == NEW else app.install(tag)
        assert ended.code == 0, ended.stderr
    return app


def check(app: App) -> None:
    """The next command says the truth, and the next upgrade ends with every service on one tag."""
    app.says_the_truth()
    recover(app)
    code, status = app.ask("status")
    assert (code, status["tag"], status["status"]) == (0, NEW, "deployed")


def recover(app: App, *words: str) -> None:
    """The next upgrade, with these flags, ends with every service on one tag."""
    ended = app.run("upgrade", "--install", "--take-over", "--values", str(app.values({})), "--tag", NEW, *words)
    assert ended.code == 0, ended.stderr
    assert app.everything_runs(NEW)

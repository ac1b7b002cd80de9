"""What a deployment is asked to do, and the commands that it tells the user to run next."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sametag.deploy.events import Step
from sametag.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sametag.deploy.events import Event
    from sametag.helm import Revision
    from sametag.kube.connection import Target

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

_PART = r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)"


def seconds(duration: str) -> float:
    """Read a duration such as `1m30s`. Source: https://pkg.go.dev/time#ParseDuration.

    Raises:
        UsageError: It is not a duration, or it is negative.
    """
    if duration == "0":
        return 0.0
    if not re.fullmatch(f"(?:{_PART})+", duration, re.ASCII):
        raise UsageError(f"{duration} is not a duration", "write it as 90s, 5m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, duration, re.ASCII))


@dataclass(frozen=True, slots=True)
class Options:
    """How to deploy.

    Attributes:
        timeout: Helm's timeout, a Go duration such as `5m0s`.
        history_max: The number of revisions to keep; 0 keeps all.
        description: The reason for the deployment, one line of at most `note.REASON_LIMIT` characters.
        lock_timeout: How long to wait for another deployment of the release, a Go duration.
        create_namespace: Whether to create the namespace if it does not exist.
        keep_failed: Whether to keep a failed upgrade or first install for debugging, instead of undoing it.
        fail_fast: Whether to fail as soon as a service cannot recover; if not, only Helm's timeout ends a rollout.
        grace: Seconds that a trouble may last, by its reason; overrides `rollout.GRACE`.
        take_over: Whether an upgrade overwrites changes made outside Helm; a rollback always does.
        dry_run: Whether to run every check, including a server-side dry run, and change nothing.
    """

    timeout: str = "5m0s"
    history_max: int = 30
    description: str = ""
    lock_timeout: str = "5m0s"
    create_namespace: bool = False
    keep_failed: bool = False
    fail_fast: bool = True
    grace: Mapping[str, float] = field(default_factory=dict)
    take_over: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """Which release to change, where and how, and who receives the events.

    Attributes:
        target: The cluster and namespace.
        release: The name of the release.
        report: Called with each event, in order.
        options: How to deploy.
    """

    target: Target
    release: str
    report: Callable[[Event], None] = field(repr=False)
    options: Options = field(default_factory=Options)

    def say(self, text: str) -> None:
        """Report a step."""
        self.report(Step(text))

    def warn(self, text: str) -> None:
        """Report a warning."""
        self.report(Step(text, "warning"))

    def command(self, verb: str, *words: str) -> str:
        """Return a sametag command for the same release, in the same namespace and cluster."""
        flags = self._flags("--kube-context", self.target.namespace)
        return shlex.join(["sametag", verb, self.release, *flags, *words])

    def rollback_command(self, to: Revision) -> str:
        """Return the sametag command that goes back to a revision."""
        words = ("--to-tag", to.tag) if to.tag else ("--to-revision", str(to.number))
        return self.command("rollback", *words)

    def delete_command(self, namespace: str, *objects: str) -> str:
        """Return the kubectl command that deletes these objects, each as `kind/name`, in the same cluster."""
        names = [name.lower() for name in objects]
        return shlex.join(["kubectl", "delete", *names, *self._flags("--context", namespace)])

    def _flags(self, context: str, namespace: str | None) -> list[str]:
        flags = {"-n": namespace, context: self.target.context, "--kubeconfig": self.target.kubeconfig}
        return [word for flag, value in flags.items() if value for word in (flag, value)]

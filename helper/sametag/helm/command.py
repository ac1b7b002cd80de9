"""Run Helm: pyhelm3's Command, extended for a deploy tool.

pyhelm3 runs Helm through a shell, so a cancelled call ends the shell but not Helm. It sends values that Helm cannot
read (surrogate pairs), and its rollback cannot force conflicts. Those parts are replaced here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import semver
from pyhelm3 import Command

from sametag import masking
from sametag.errors import HelmError
from sametag.helm.errors import refusal
from sametag.helm.revision import Revision
from sametag.kube.access import helm_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from sametag.kube.connection import Target

#: The oldest Helm that the chart's schema and sametag's flags work with.
OLDEST = semver.Version(3, 12, 0)

_SERVER_SIDE = 4

_REMEDY_INSTALL = f"install Helm {OLDEST} or newer: https://helm.sh/docs/intro/install/"

# It takes a tenth of a second on a quiet machine.
_VERSION_SECONDS = 30.0

# How long Helm gets to record its state before the next, harder signal. An upgrade handles SIGINT by marking the
# revision as failed; SIGTERM and SIGKILL leave it pending.
_LADDER = ((signal.SIGINT, 20.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
# The grace if another client may be at work. A stopped Helm does not continue before it is killed.
_LADDER_OF_THE_LOST = ((signal.SIGINT, 3.0), (signal.SIGKILL, 5.0))


#: Helm 4 requests the ReplicaSets and pods of a Deployment at each of its changes. At client-go's 5 requests a second,
#: it continues for minutes after the last of a hundred services is ready. kubectl uses the same limits. The API server
#: protects itself (priority and fairness), and the user's own environment takes precedence.
RATE = {"HELM_QPS": "50", "HELM_BURST_LIMIT": "300"}

# Helm reads the API's whole schema and ends soon after: Go's default garbage collection takes a fifth of its CPU and
# saves only 30 MB. Source: https://go.dev/doc/gc-guide#GOGC
_GARBAGE = {"GOGC": "400"}

# Characters that JSON may contain unescaped, but that YAML forbids or reads as a line break.
_RAW = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"

_PR_SET_PDEATHSIG = 1

# Loaded before the fork: between fork and exec only system calls are safe.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class KilledError(HelmError):
    """Helm was killed, without a message."""


class HelmCommand(Command):  # type: ignore[misc] # pyhelm3 ships no types
    """pyhelm3's Command, run without a shell, in its own process group, and ended by a ladder of signals.

    Args:
        target: The cluster and namespace.
        warn: Called with each warning that Helm writes.
        timeout: Helm's timeout, such as `5m`.
    """

    def __init__(
        self,
        target: Target,
        *,
        warn: Callable[[str], None],
        timeout: str = "5m0s",
    ) -> None:
        executable = shutil.which("helm")
        if executable is None:
            raise HelmError("helm is not on PATH", _REMEDY_INSTALL)
        super().__init__(
            executable=executable,
            # Helm removes the oldest revisions, verified or not; see target.expendable.
            history_max_revisions=0,
            default_timeout=timeout,
        )
        self._target = target
        self._warn = warn
        self._asked: asyncio.Task[semver.Version] | None = None
        #: Whether Helm 4 waits for the objects as Helm 3 does.
        self.waits_as_helm_3 = False
        #: Whether Helm waits for the end of Jobs that are not hooks.
        self.waits_for_jobs = True
        #: Entered with Helm's process group while Helm runs.
        self.guard: Callable[[int], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
        #: Whether another client may be at work already, so that Helm must end quickly.
        self.is_overtaken: Callable[[], bool] = lambda: False

    @contextlib.asynccontextmanager
    async def telling_its_version(self) -> AsyncIterator[None]:
        """Ask Helm for its version while the block does other things: it takes a tenth of a second."""
        asked = self._ask_version()
        try:
            yield
        finally:
            await asyncio.gather(asked, return_exceptions=True)

    def _ask_version(self) -> asyncio.Task[semver.Version]:
        if self._asked is None:
            self._asked = asyncio.create_task(self._tell_version())
        return self._asked

    async def checked_version(self) -> semver.Version:
        """Return Helm's version, which is supported; Helm is asked once.

        Raises:
            HelmError: The version is unknown, or older than `OLDEST`.
        """
        return await asyncio.shield(self._ask_version())

    async def _tell_version(self) -> semver.Version:
        process = await self._start(
            [self._executable, "version", "--template", "{{ .Version }}"], helm_environment(connected=False)
        )
        try:
            async with asyncio.timeout(_VERSION_SECONDS):
                stdout, stderr = await process.communicate()
        except TimeoutError:
            raise HelmError(
                f"{self._executable} does not tell its version: it did not end within {_VERSION_SECONDS:.0f} s",
                _REMEDY_INSTALL,
            ) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.communicate()
        if process.returncode:
            said = (stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
            ended = f"exit code {process.returncode}" if process.returncode > 0 else "killed"
            reason = f"{ended}: {said}" if said else ended
            raise HelmError(f"{self._executable} does not tell its version ({reason})", _REMEDY_INSTALL)
        # A helm built without its linker flags calls itself v4.3.
        found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", stdout.decode(errors="replace"))
        if found is None:
            raise HelmError(f"{self._executable} does not tell its version", _REMEDY_INSTALL)
        version = semver.Version(*(int(part or 0) for part in found.groups()))
        if version < OLDEST:
            raise HelmError(f"{self._executable} is Helm {version}, which is too old", _REMEDY_INSTALL)
        return version

    async def applies_server_side(self) -> bool:
        """Whether this Helm uses server-side apply for a new release: from Helm 4 on."""
        return (await self.checked_version()).major >= _SERVER_SIDE

    async def run(self, command: list[Any], input: bytes | None = None, *, connected: bool = True) -> bytes:  # noqa: A002 - pyhelm3's name
        """Run `helm COMMAND…` on the target's cluster, and return its standard output.

        A cancelled call ends Helm by the ladder SIGINT, SIGTERM, SIGKILL before it returns.

        Args:
            command: The arguments; the cluster, the user and, unless given, the namespace are added.
            input: The text for its standard input.
            connected: Whether it needs the cluster; if not, it cannot reach one.

        Raises:
            HelmError, LockedError, UsageError, ValuesError: Helm failed; the message is Helm's.
            ClusterError: There is no cluster.
        """
        await self.checked_version()
        words = [self._executable, *map(str, command)]
        if self.waits_as_helm_3 and command[0] in ("upgrade", "rollback"):
            words = ["--wait=legacy" if word == "--wait" else word for word in words]
        if not self.waits_for_jobs:
            words = [word for word in words if word != "--wait-for-jobs"]
        if not connected:
            return await self._run(words, input)
        access = self._target.access
        if "--namespace" not in words:
            words += ["--namespace", access.namespace]
        with access.kubeconfig() as path:
            return await self._run(
                [*words, "--kubeconfig", path, "--kube-context", access.context], input, connected=True
            )

    async def _run(self, words: list[str], text: bytes | None, *, connected: bool = False) -> bytes:
        values = None
        if text is not None:
            # json.dumps in pyhelm3 writes surrogate pairs, which Helm rejects.
            values = json.loads(text)
            text = to_helm(values)
        environment = {**RATE, **_GARBAGE, **helm_environment(connected=connected)}
        process = await self._start(words, environment, reads=text is not None)
        with self.guard(process.pid):
            try:
                stdout, stderr = await process.communicate(text)
            except asyncio.CancelledError:
                await _end(process, _LADDER_OF_THE_LOST if self.is_overtaken() else _LADDER)
                raise
        said = masking.without(stderr.decode(errors="replace"), values)
        if process.returncode is not None and process.returncode < 0:
            raise KilledError(f"helm was killed by {signal.Signals(-process.returncode).name}")
        if process.returncode != 0:
            raise refusal(said)
        for line in said.splitlines():
            if line.startswith("WARNING: "):
                self._warn(masking.masked(line.removeprefix("WARNING: ")))
        return stdout

    async def _start(
        self, words: list[str], environment: dict[str, str], *, reads: bool = False
    ) -> asyncio.subprocess.Process:
        """Start Helm.

        Raises:
            HelmError: It cannot be started, for example because it is built for another architecture.
        """
        try:
            return await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE if reads else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                # A Ctrl-C at the terminal must reach us alone: we decide how Helm ends.
                process_group=0,
                preexec_fn=_end_with_us,
            )
        except OSError as error:
            raise HelmError(f"{self._executable} cannot be run: {error.strerror}", _REMEDY_INSTALL) from error

    async def install_or_upgrade(self, *names: Any, **settings: Any) -> int | None:
        """Run `helm upgrade --install`, and return the number of the revision that it has made.

        The number is None if Helm succeeded but its output cannot be read.
        """
        try:
            return int((await super().install_or_upgrade(*names, **settings))["version"])
        except (ValueError, LookupError, TypeError):
            return None

    async def rollback(
        self,
        release_name: str,
        revision: int,
        *,
        namespace: str,
        timeout: str,
        force_conflicts: bool,
    ) -> None:
        """Run `helm rollback` to this revision and wait for its pods; pyhelm3's cannot force conflicts."""
        command = ["rollback", release_name, revision, "--namespace", namespace, "--timeout", timeout]
        command += ["--history-max", self._history_max_revisions]
        command += ["--wait", "--wait-for-jobs"]
        command += ["--force-conflicts"] if force_conflicts else []
        await self.run(command)

    async def newest(self, release_name: str, namespace: str) -> int:
        """Return the number of the newest revision that Helm can read; 0 where it can read none."""
        command = ["history", release_name, "--max", 1, "--namespace", namespace, "--output", "json"]
        try:
            return int(json.loads(await self.run(command))[-1]["revision"])
        except HelmError as error:
            # A record without an info makes Helm panic.
            if re.search("not found|panic|nil pointer", error.message):
                return 0
            raise
        except (ValueError, LookupError, TypeError):
            return 0

    async def fetch(self, reference: str, folder: str, *, version: str | None, plain_http: bool) -> Path:
        """Download a chart from a registry or a URL; return its directory under `folder`. pyhelm3 cannot use HTTP."""
        command = ["pull", reference, "--untar", "--untardir", folder]
        command += ["--version", version] if version else []
        command += ["--plain-http"] if plain_http else []
        await self.run(command, connected=False)
        return _chart_in(folder)

    async def render(self, release_name: str, chart: str, values: dict[str, Any], *, namespace: str) -> str:
        """Run `helm template` and return the manifests as Helm writes them; pyhelm3 parses them."""
        command = ["template", release_name, chart, "--namespace", namespace, "--values", "-"]
        return (await self.run(command, json.dumps(values).encode(), connected=False)).decode(errors="replace")

    async def dry_run(self, release_name: str, chart: str, values: dict[str, Any], *, namespace: str) -> Revision:
        """Run `helm upgrade --install` as a server-side dry run, which pyhelm3 lacks; return what it would store."""
        command = ["upgrade", release_name, chart, "--install", "--dry-run=server", "--namespace", namespace]
        command += ["--reset-values", "--values", "-", "--output", "json"]
        text = await self.run(command, json.dumps(values).encode())
        try:
            return Revision(json.loads(text))
        except ValueError as error:
            raise HelmError(f"{self._executable} printed a dry run that is not JSON", _REMEDY_INSTALL) from error


def to_helm(tree: Mapping[str, Any]) -> bytes:
    """Return values as JSON that Helm reads back unchanged, for `--values -`.

    Helm rejects the surrogate pairs that `json.dumps` writes by default, so the text is UTF-8. Every number arrives as
    a float64, as from a values file: an int64 of `--set` beyond 2^53 loses digits.
    """
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub(_RAW, lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _end_with_us() -> None:
    """Let the kernel kill Helm if sametag is killed; if it cannot, or is too late, the watchdog does.

    Source: prctl(2), PR_SET_PDEATHSIG
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _chart_in(folder: str) -> Path:
    for file in Path(folder).glob("*/Chart.yaml"):
        return file.parent
    raise HelmError("helm pull succeeded, but downloaded no chart", _REMEDY_INSTALL)


async def _end(process: asyncio.subprocess.Process, ladder: Iterable[tuple[signal.Signals, float]]) -> None:
    """End Helm's process group, and wait until it is gone."""
    for number, grace in ladder:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                # The pipes must be read, or Helm blocks on its last words.
                await process.communicate()
                return

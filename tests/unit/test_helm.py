"""How Helm is run: a program on PATH plays it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from sametag.errors import HelmError, LockedError, SametagError, ValuesError
from sametag.helm.command import HelmCommand
from sametag.helm.errors import refusal
from sametag.kube.connection import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a helm on PATH whose `version` is 4.3.1, and whose every other command is the given Python."""

    def write(body: str) -> Path:
        program = tmp_path / "helm"
        program.write_text(
            f"#!{sys.executable}\nimport json, os, signal, sys, time\n"
            f"if sys.argv[1] == 'version':\n    print('v4.3.1', end='')\n    sys.exit()\n{textwrap.dedent(body)}"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return program

    return write


@pytest.fixture(autouse=True)
def _cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a cluster to hand to Helm; test_kube_access.py says how."""
    monkeypatch.setenv("HELM_KUBEAPISERVER", "https://127.0.0.1:1")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


def helm(warnings: list[str] | None = None) -> HelmCommand:
    return HelmCommand(Target(), warn=(warnings if warnings is not None else []).append)


def test_without_helm_the_remedy_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(HelmError, match="helm is not on PATH") as caught:
        helm()
    assert caught.value.remedy is not None
    assert "https://helm.sh/docs/intro/install/" in caught.value.remedy


@pytest.mark.parametrize(
    ("says", "version"),
    [("v4.3.1", "4.3.1"), ("v4.3", "4.3.0"), ("v3.12.0+g123", "3.12.0"), ("v3.22.0-rc.1", "3.22.0")],
)
def test_the_version_is_read_however_helm_was_built(install: Install, says: str, version: str) -> None:
    program = install("")
    program.write_text(program.read_text().replace("v4.3.1", says))

    async def main() -> str:
        return str(await helm().checked_version())

    assert asyncio.run(main()) == version


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('v3.11.3')", "which is too old"),
        ("print('hello')", "does not tell its version"),
        ("pass", "does not tell its version"),
        ("sys.exit('no such thing')", r"does not tell its version \(exit code 1: no such thing\)"),
        ("os.kill(os.getpid(), 9)", r"does not tell its version \(killed\)"),
        ("time.sleep(60)", "it did not end within 1 s"),
    ],
)
def test_a_helm_that_cannot_do_the_job_is_refused(
    install: Install, body: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sametag.helm.command._VERSION_SECONDS", 1.0)
    program = install("")
    program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")

    with pytest.raises(HelmError, match=message) as caught:
        asyncio.run(helm().run(["upgrade"]))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF\0\0", "cannot be run: Exec format error"),
        (b"", "cannot be run: Exec format error"),
        (b"#!/not/there\n", "cannot be run: No such file or directory"),
    ],
)
def test_a_helm_that_this_machine_cannot_run_is_refused(install: Install, content: bytes, message: str) -> None:
    install("").write_bytes(content)

    with pytest.raises(HelmError, match=message):
        asyncio.run(helm().run(["upgrade"]))


def test_a_folder_of_that_name_is_no_helm(install: Install) -> None:
    program = install("")
    program.unlink()
    program.mkdir()

    with pytest.raises(HelmError, match="helm is not on PATH"):
        helm()


def test_a_helm_that_prints_something_else_than_a_dry_run_is_refused(install: Install) -> None:
    install("print('Release app has been upgraded')")

    with pytest.raises(HelmError, match="a dry run that is not JSON"):
        asyncio.run(helm().dry_run("app", "chart", {}, namespace="apps"))


def test_an_upgrade_is_done_when_helm_says_so_by_its_exit_code(install: Install) -> None:
    install("print('Release app has been upgraded')")
    assert asyncio.run(helm().install_or_upgrade("app", "chart", {}, namespace="apps")) is None

    install("""print('{"version": 3}')""")
    assert asyncio.run(helm().install_or_upgrade("app", "chart", {}, namespace="apps")) == 3


def test_values_are_utf_8(install: Install) -> None:
    install("print(sys.stdin.read())")

    assert asyncio.run(helm().run(["upgrade", "app"], json.dumps({"k": "😀"}).encode())) == '{"k":"😀"}\n'.encode()


def test_words_reach_helm_without_a_shell(install: Install) -> None:
    install("print(json.dumps(sys.argv[1:]))")

    assert json.loads(asyncio.run(helm().run(["get", "$(reboot); '\""])))[:2] == ["get", "$(reboot); '\""]


@pytest.mark.parametrize(("as_helm_3", "word"), [(False, "--wait"), (True, "--wait=legacy")])
def test_helm_4_waits_as_helm_3_where_it_would_wait_in_vain(install: Install, *, as_helm_3: bool, word: str) -> None:
    install("print(json.dumps(sys.argv[1:]))")
    command = helm()
    command.waits_as_helm_3 = as_helm_3

    for verb, said in (("upgrade", word), ("rollback", word), ("uninstall", "--wait")):
        words = json.loads(asyncio.run(command.run([verb, "app", "--wait", "--wait-for-jobs"])))
        assert words[2:4] == [said, "--wait-for-jobs"]


@pytest.mark.parametrize(("own", "told"), [(None, "50 300 400"), ("20", "20 300 400")])
def test_helm_may_ask_as_often_as_kubectl_and_use_memory_unless_the_user_says_how_much(
    install: Install, monkeypatch: pytest.MonkeyPatch, own: str | None, told: str
) -> None:
    install("print(os.environ['HELM_QPS'], os.environ['HELM_BURST_LIMIT'], os.environ['GOGC'])")
    if own:
        monkeypatch.setenv("HELM_QPS", own)

    assert asyncio.run(helm().run(["list"])).decode().strip() == told


def test_warnings_are_passed_on(install: Install) -> None:
    install("print('WARNING: Kubernetes configuration file is group-readable', file=sys.stderr)")
    warnings: list[str] = []

    asyncio.run(helm(warnings).run(["list"]))

    assert warnings == ["Kubernetes configuration file is group-readable"]


def test_a_cancelled_call_ends_helm_with_sigint_and_waits_for_it(install: Install, tmp_path: Path) -> None:
    """Helm marks the revision as failed on SIGINT; on anything else it leaves it pending."""
    install(
        f"""
        def interrupted(*_):
            time.sleep(0.3)
            open({str(tmp_path / "ended")!r}, "w").write("SIGINT")
            sys.exit(1)
        signal.signal(signal.SIGINT, interrupted)
        open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        time.sleep(60)
        """
    )

    cancel_once_started(tmp_path / "pid")

    assert (tmp_path / "ended").read_text() == "SIGINT"


def cancel_once_started(pid_file: Path) -> None:
    """Cancel a call of Helm once it has written its number, and check that it is gone afterwards."""

    async def main() -> None:
        task = asyncio.create_task(helm().run(["upgrade", "app"]))
        while not (pid_file.exists() and pid_file.read_text()):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_ctrl_c_at_the_terminal_does_not_reach_helm(install: Install) -> None:
    """The terminal signals the whole foreground group; Helm is in a group of its own."""
    install("print(os.getpgid(0))")

    assert int(asyncio.run(helm().run(["list"]))) != os.getpgid(0)


def test_a_helm_that_ignores_sigint_is_ended_all_the_same(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sametag.helm.command._LADDER", ((signal.SIGINT, 0.1), (signal.SIGTERM, 0.1), (signal.SIGKILL, 5.0))
    )
    install(
        f"""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        time.sleep(60)
        """
    )

    cancel_once_started(tmp_path / "pid")


@pytest.mark.parametrize(
    ("stderr", "error", "message"),
    [
        (
            "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
            LockedError,
            "UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
        ),
        (
            "level=INFO msg=x\nError: values don't meet the specifications of the schema(s):\napp:\n- at '/x'",
            ValuesError,
            "values don't meet the specifications of the schema(s):\napp:\n- at '/x'",
        ),
        ("Error: execution error at (sametag/templates/x.yaml:1:2): no tag", ValuesError, "execution error at"),
        ("Error: Kubernetes cluster unreachable: dial tcp: connection refused", HelmError, "Kubernetes cluster"),
        ('Error: create: failed to create: namespaces "x" not found', HelmError, "create: failed"),
        ('Error: secrets is forbidden: User "x" cannot list', HelmError, "secrets is forbidden"),
        ("Error: http: server gave HTTP response to HTTPS client", HelmError, "server gave HTTP response"),
        ("", HelmError, "helm failed without a message"),
    ],
)
def test_what_helm_refuses_becomes_an_error_with_its_exit_code(
    stderr: str, error: type[SametagError], message: str
) -> None:
    found = refusal(stderr)

    assert type(found) is error
    assert message in found.message

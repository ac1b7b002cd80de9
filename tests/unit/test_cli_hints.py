"""An unknown flag or command: the one that was meant is suggested, with its usage."""

from __future__ import annotations

import pytest

from sametag.cli import run
from sametag.cli.commands import COMMANDS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("upgrade shop 1.5.0", "unexpected argument 1.5.0; did you mean --tag 1.5.0?"),
        ("install shop 1.0", "unexpected argument 1.0; did you mean --tag 1.0?"),
        ("upgrade shop oci://x/y", "unexpected argument oci://x/y; did you mean --chart oci://x/y?"),
        ("upgrade shop values.yaml", "unexpected argument values.yaml; did you mean -f values.yaml?"),
        ("upgrade shop image.tag=1", "unexpected argument image.tag=1; did you mean --set image.tag=1?"),
        ("rollback shop 3", "unexpected argument 3; did you mean --to-revision 3?"),
        ("rollback shop 1.0.0", "unexpected argument 1.0.0; did you mean --to-tag 1.0.0?"),
        ("rollback shop --tag 1.0.0", "unknown flag --tag; use --to-tag 1.0.0 to go back to the newest good revision"),
        ("rollback --tag=1.0.0 shop", "unknown flag --tag; use --to-tag 1.0.0 to go back to the newest good revision"),
        ("rollback shop --revision 3", "unknown flag --revision; use --to-revision 3"),
        ("rollback shop --version 3", "unknown flag --version; use --to-tag 3 or --to-revision"),
        ("rollback shop --force", "unknown flag --force; not needed: a rollback overwrites"),
        ("upgrade --to-tag 1.0.0 shop", "unknown flag --to-tag; use --tag 1.0.0"),
        ("upgrade shop --to-revision 3", "unknown flag --to-revision; it is a flag of sametag rollback"),
        ("upgrade shop --reuse-values", "unknown flag --reuse-values; not needed: the release keeps its values"),
        ("upgrade shop --atomic", "unknown flag --atomic; not needed: a failed upgrade is rolled back"),
        ("upgrade shop --wait", "unknown flag --wait; not needed: sametag always waits"),
        ("upgrade shop --force", "unknown flag --force; --take-over overwrites"),
        ("upgrade shop --kube-token x", "unknown flag --kube-token; set HELM_KUBETOKEN"),
        ("upgrade shop --format json", "unknown flag --format; use -o json"),
        ("uninstall shop --format json", "unknown flag --format"),
        ("install shop --no-rollback", "unknown flag --no-rollback; use --keep-failed"),
        ("upgrade shop --fail-fast=off", "unknown flag --fail-fast; use --no-fail-fast"),
        ("history shop --context x", "unknown flag --context; use --kube-context x"),
        ("upgrade shop --set-strin a=b", "unknown flag --set-strin; did you mean --set-string?"),
        ("upgrade shop --dry-run=server", "argument --dry-run: takes no value, got server"),
        ("history shop other", "unexpected argument other; give one release at a time"),
        ("history", "the following arguments are required: RELEASE"),
        ("diff shop --to-tag a --to-revision 1", "argument --to-revision: not allowed with argument --to-tag"),
    ],
)
def test_what_was_meant_is_said_with_the_usage_of_the_command(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(line.split())

    command = line.split(maxsplit=1)[0]
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err.startswith(f"usage: sametag {command} ")
    assert said.err.splitlines()[-1].startswith(f"sametag {command}: error: {message}")


@pytest.mark.parametrize(
    ("line", "message", "usage"),
    [
        ("upgrad shop", "unknown command upgrad; did you mean sametag upgrade?", "sametag upgrade RELEASE"),
        ("template shop", "unknown command template; did you mean sametag render?", "sametag render [RELEASE]"),
        ("xyz", "unknown command xyz; sametag --help lists the commands", "sametag COMMAND"),
        ("--xyz", "unknown flag --xyz", "sametag COMMAND"),
        ("-n x upgrade shop", "-n must follow the command: sametag upgrade … -n …", "sametag upgrade RELEASE"),
    ],
)
def test_an_unknown_command_gets_the_usage_of_the_one_that_was_meant(
    line: str, message: str, usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(line.split())

    printed = capsys.readouterr().err
    assert (ended.value.code, printed.splitlines()[-1]) == (2, f"sametag: error: {message}")
    assert printed.startswith(f"usage: {usage}")


def test_a_version_that_was_meant_as_the_tag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["render", "--version", "1.5.0"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].strip() == "to choose the tag of every service: --tag 1.5.0"


# All that take the name of a release as their first word.
_OF_A_RELEASE = sorted(COMMANDS.keys() - {"validate", "schema"})


@pytest.mark.parametrize("command", _OF_A_RELEASE)
@pytest.mark.parametrize("name", ["../other", "a/b", "Shop", "", "a" * 54, "a_b", "-a", "a..b", "a\n"])
def test_what_is_not_the_name_of_a_release_is_refused_by_every_command(
    command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--", name]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].endswith("is not a valid name of a release")


@pytest.mark.parametrize("command", _OF_A_RELEASE)
@pytest.mark.parametrize("name", ["../other", "a/b", "NS", ""])
def test_what_is_not_the_name_of_a_namespace_is_refused_by_every_command(
    command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "shop", f"--namespace={name}"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0] == f"sametag: --namespace {name!r} is not a valid name of a namespace"

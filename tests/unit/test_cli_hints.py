"""A flag or a command that is not there: the one that was meant is named, with its usage."""

from __future__ import annotations

import pytest

from sametag.cli import run
from sametag.cli.commands import COMMANDS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("upgrade shop 1.5.0", "1.5.0 is not expected: --tag 1.5.0 chooses the tag of every service"),
        ("install shop 1.0", "1.0 is not expected: --tag 1.0 chooses the tag of every service"),
        ("upgrade shop oci://x/y", "oci://x/y is not expected: --chart oci://x/y chooses a chart"),
        ("upgrade shop values.yaml", "values.yaml is not expected: -f values.yaml gives a values file"),
        ("upgrade shop image.tag=1", "image.tag=1 is not expected: --set image.tag=1 sets a value"),
        ("rollback shop 3", "3 is not expected: --to-revision 3 goes back to this revision"),
        ("rollback shop 1.0.0", "1.0.0 is not expected: --to-tag 1.0.0 goes back to this tag"),
        ("rollback shop --tag 1.0.0", "there is no --tag: --to-tag 1.0.0 goes back to the newest good revision"),
        ("rollback --tag=1.0.0 shop", "there is no --tag: --to-tag 1.0.0 goes back to the newest good revision"),
        ("rollback shop --revision 3", "there is no --revision: --to-revision 3 goes back"),
        ("rollback shop --version 3", "there is no --version: --to-tag 3 goes back to a tag"),
        ("rollback shop --force", "there is no --force: leave it out: going back overwrites"),
        ("upgrade --to-tag 1.0.0 shop", "there is no --to-tag: --tag 1.0.0 chooses the tag"),
        ("upgrade shop --to-revision 3", "there is no --to-revision: --to-revision is a flag of sametag rollback"),
        ("upgrade shop --reuse-values", "there is no --reuse-values: leave it out: without -f the values"),
        ("upgrade shop --atomic", "there is no --atomic: leave it out: a failed upgrade goes back by itself"),
        ("upgrade shop --wait", "there is no --wait: leave it out: sametag always waits"),
        ("upgrade shop --force", "there is no --force: --take-over overwrites"),
        ("upgrade shop --kube-token x", "there is no --kube-token: set HELM_KUBETOKEN"),
        ("history shop --context x", "there is no --context: --kube-context x chooses the context"),
        ("upgrade shop --set-strin a=b", "there is no --set-strin: did you mean --set-string?"),
        ("upgrade shop --dry-run=server", "argument --dry-run: it takes no value, and was given server"),
        ("history shop other", "other is not expected: one release at a time"),
        ("history", "the following arguments are required: RELEASE"),
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
    ("line", "message"),
    [
        ("upgrad shop", "there is no command upgrad: did you mean sametag upgrade?"),
        ("template shop", "there is no command template: did you mean sametag render?"),
        ("xyz", "there is no command xyz: sametag --help lists them"),
        ("--xyz", "there is no --xyz"),
    ],
)
def test_a_command_that_is_not_there(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(line.split())
    assert (ended.value.code, capsys.readouterr().err.splitlines()[-1]) == (2, f"sametag: error: {message}")


def test_a_version_that_was_meant_as_the_tag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["render", "--version", "1.5.0"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].strip() == "--tag 1.5.0 chooses the tag of every service"


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
    assert said[0].endswith("is not the name of a release")


@pytest.mark.parametrize("command", _OF_A_RELEASE)
@pytest.mark.parametrize("name", ["../other", "a/b", "NS", ""])
def test_what_is_not_the_name_of_a_namespace_is_refused_by_every_command(
    command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "shop", f"--namespace={name}"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0] == f"sametag: --namespace {name!r} is not the name of a namespace"

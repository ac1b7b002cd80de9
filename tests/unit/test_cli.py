"""The command line as a user meets it: exit codes, streams, words."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fake_release import DIGEST, NAMESPACE, deployed, revision
from sametag.cli.commands import COMMANDS, select
from sametag.cli.options import parser
from sametag.helm import Revision
from terminal import Terminal

if TYPE_CHECKING:
    import argparse

    from fake_api import ApiServer

MISTAKEN = "image: {repository: app, tag: x}\nservices:\n  web:\n    comand: [a]\n"


LENS = "---\napiVersion: optics.example.com/v1\nkind: Lens\nmetadata: {name: wide}\n"


def sametag(*words: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sametag", *words]
    clean = {
        name: value for name, value in os.environ.items() if name != "KUBECONFIG" and not name.startswith("GITHUB_")
    }
    return subprocess.run(
        command, cwd=folder, env={**clean, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


def test_history_shows_revision_and_tag_side_by_side(api: ApiServer) -> None:
    deployed(api, "1.10")
    ran = sametag("history", "app", KUBECONFIG=str(api.kubeconfig), TZ="UTC")

    assert ran.returncode == 0
    digest, who = "sha256:abababababab", "alice@laptop Upgrade complete: why not"
    assert [line.split() for line in ran.stdout.splitlines()] == [
        ["REVISION", "TAG", "DIGEST", "CHART", "STATUS", "VERIFIED", "WHEN", "WHO", "DESCRIPTION"],
        ["1", "1.9", "-", "sametag-0.1.0", "superseded", "no", "2026-01-02", "03:04", "-", "Upgrade", "complete"],
        ["2", "1.10", digest, "sametag-0.1.0", "deployed", "yes", *f"2026-01-02 03:04 {who}".split()],
    ]


def test_history_needs_only_the_right_to_list_secrets(api: ApiServer) -> None:
    deployed(api, "1.10")
    ran = sametag("history", "app", "-o", "json", KUBECONFIG=str(api.kubeconfig))

    revisions = json.loads(ran.stdout)["revisions"]
    assert [(entry["tag"], entry["verified"], entry["digest"], entry["who"], entry["why"]) for entry in revisions] == [
        ("1.9", False, "", "", ""),
        ("1.10", True, DIGEST, "alice@laptop", "why not"),
    ]
    assert [path.partition("?")[0] for path in api.requests] == [f"{NAMESPACE}/secrets"]


@pytest.mark.parametrize(("running", "code", "word"), [("1.10", 0, "yes"), ("1.9", 6, "no")])
def test_status_says_of_every_pod_whether_it_is_on_the_tag(api: ApiServer, running: str, code: int, word: str) -> None:
    deployed(api, running)
    ran = sametag("status", "app", KUBECONFIG=str(api.kubeconfig))

    assert ran.returncode == code
    assert ran.stdout.splitlines()[0] == "revision 2 is deployed on tag 1.10"
    assert ran.stdout.splitlines()[2].split() == ["web", "web-1", "yes", running, "0", word]


def test_status_as_json_says_the_same(api: ApiServer) -> None:
    deployed(api, "1.9")
    ran = sametag("status", "app", "-o", "json", KUBECONFIG=str(api.kubeconfig))

    document = json.loads(ran.stdout)
    assert (document["version"], document["tag"]) == (1, "1.10")
    assert document["services"]["web"]["pods"][0] == {
        "name": "web-1",
        "images": ["registry.example.com/app:1.9"],
        "digests": [""],
        "ready": True,
        "restarts": 0,
        "onTag": False,
    }


def test_status_names_an_object_that_is_gone(api: ApiServer) -> None:
    deployed(api, "1.10")
    api.answers[f"{NAMESPACE}/services"] = (200, {"metadata": {"resourceVersion": "1"}, "items": []})
    ran = sametag("status", "app", KUBECONFIG=str(api.kubeconfig))

    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (6, "Service web is missing (in revision 2)")


def test_a_kind_that_is_not_kubernetes_own_is_asked_for_its_plural(api: ApiServer) -> None:
    """No rule makes `lenses` of Lens."""
    deployed(api, "1.10")
    secrets = [revision(2, "1.10", "deployed", more=LENS)]
    api.answers[f"{NAMESPACE}/secrets"] = (200, {"metadata": {}, "items": secrets})
    kinds = [{"name": "lenses/status", "kind": "Lens"}, {"name": "lenses", "kind": "Lens", "namespaced": True}]
    api.answers["/apis/optics.example.com/v1"] = (200, {"resources": kinds})
    api.answers["/apis/optics.example.com/v1/namespaces/apps/lenses"] = (200, {"metadata": {}, "items": []})
    ran = sametag("status", "app", KUBECONFIG=str(api.kubeconfig))

    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (6, "Lens wide is missing (in revision 2)")


def test_a_kind_that_the_cluster_has_not_is_named(api: ApiServer) -> None:
    deployed(api, "1.10")
    secrets = [revision(2, "1.10", "deployed", more=LENS)]
    api.answers[f"{NAMESPACE}/secrets"] = (200, {"metadata": {}, "items": secrets})
    ran = sametag("status", "app", KUBECONFIG=str(api.kubeconfig))

    told = "changes made by others cannot be determined: the cluster has no Lens of optics.example.com/v1"
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, told)


def test_who_may_not_see_every_object_still_sees_the_pods(api: ApiServer) -> None:
    deployed(api, "1.10")
    message = "services is forbidden"
    for path in (f"{NAMESPACE}/services", f"{NAMESPACE}/services/web"):
        api.answers[path] = (403, {"kind": "Status", "code": 403, "message": message})
    ran = sametag("status", "app", KUBECONFIG=str(api.kubeconfig))

    assert ran.returncode == 0
    assert ran.stdout.splitlines()[-1] == "changes made by others cannot be determined: services is forbidden"


def test_status_of_what_only_helm_changed_takes_one_list_a_kind_and_no_dry_run(api: ApiServer) -> None:
    deployed(api, "1.10")
    sametag("status", "app", KUBECONFIG=str(api.kubeconfig))

    workloads = ("deployments", "statefulsets", "daemonsets", "replicasets", "pods")
    lists = (*workloads, "secrets", "services", "deployments", "sametag-app")  # the lease says who is at work
    assert sorted(path.partition("?")[0].rpartition("/")[2] for path in api.requests) == sorted(lists)


def test_invalid_values_exit_with_1_and_the_problem_is_on_standard_output(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(MISTAKEN)
    ran = sametag("validate", "-f", "values.yaml", folder=tmp_path)

    assert ran.returncode == 1
    assert ran.stdout.startswith("values.yaml:4:5: comand is not a setting of a service; did you mean command?\n")
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_shows_colours_unless_it_cannot_or_must_not(
    environment: dict[str, str], *, coloured: bool, tmp_path: Path
) -> None:
    (tmp_path / "values.yaml").write_text(MISTAKEN)
    command = [sys.executable, "-m", "sametag", "validate", str(tmp_path / "values.yaml")]
    with Terminal(command, 500, 24, **environment) as terminal:
        assert terminal.wait() == 1
        assert terminal.rows[0].endswith("values.yaml:4:5: comand is not a setting of a service; did you mean command?")
        assert ("\x1b[" in terminal.written) == coloured


def test_in_github_actions_the_format_is_chosen_by_itself(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(MISTAKEN)
    ran = sametag("validate", "-f", "values.yaml", folder=tmp_path, GITHUB_ACTIONS="true")

    assert ran.stdout.startswith("::error file=values.yaml,line=4,col=5,")


def test_the_schema_for_editors_is_the_one_of_the_reference() -> None:
    ran = sametag("schema")

    reference = Path(__file__).parents[2] / "docs/reference/values.schema.json"
    assert ran.stdout == reference.read_text()


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    """A base, and three environments over it: one lacks the tag, one has a mistake."""
    (tmp_path / "envs/eu").mkdir(parents=True)
    (tmp_path / "base.yaml").write_text("image: {repository: app}\nservices:\n  web:\n    command: [a]\n")
    (tmp_path / "envs/a.yaml").write_text("image: {tag: x}\n")
    (tmp_path / "envs/b.yaml").write_text("services: {web: {replicas: 2}}\n")
    (tmp_path / "envs/eu/c.yaml").write_text("image: {tag: latest}\nservice: 1\n")
    return tmp_path


@pytest.mark.parametrize("words", [("validate",), ("render",), ("render", "shop"), ("install", "shop")])
def test_a_command_that_has_only_the_command_line_for_values_needs_some(words: tuple[str, ...], tmp_path: Path) -> None:
    ran = sametag(*words, folder=tmp_path)

    assert ran.returncode == 2
    assert "no values given" in ran.stderr


def test_a_problem_of_values_without_files_names_no_files(tmp_path: Path) -> None:
    ran = sametag("validate", "--set", "services.web.comand=x", folder=tmp_path)

    assert ran.returncode == 1
    assert "did you mean command?\n" in ran.stdout
    assert "(with" not in ran.stdout


def test_several_files_are_checked_each_on_its_own_over_those_of_values(environments: Path) -> None:
    ran = sametag("validate", "-f", "base.yaml", "envs/**/*.yaml", folder=environments)

    assert ran.returncode == 1
    missing, how, unknown, warning, remedy, summary = ran.stdout.splitlines()
    assert missing == "base.yaml:1:1: image must have a tag, which every service runs (with envs/b.yaml)"
    assert how == "  pass --tag TAG, or set image.tag"
    assert unknown == "envs/eu/c.yaml:2:1: service is not a setting of the values; did you mean services?"
    assert warning.startswith("envs/eu/c.yaml:1:14: warning: image.tag is latest, which changes")
    assert remedy == "  use a tag that never changes"
    assert summary == "2 errors, 1 warning in 4 files"


def test_files_of_the_command_line_are_named_and_checked_in_its_order(environments: Path) -> None:
    words = ("envs/eu/c.yaml", "envs/b.yaml", "envs/*.yaml", "--output=json")
    ran = sametag("validate", *words, folder=environments)

    assert json.loads(ran.stdout)["files"] == ["envs/eu/c.yaml", "envs/b.yaml", "envs/a.yaml"]


def test_what_lies_under_all_files_is_not_checked_by_itself(environments: Path) -> None:
    ran = sametag("validate", "-f", "base.yaml", "./*.yaml", "envs/a.yaml", "--output=json", folder=environments)

    assert json.loads(ran.stdout)["files"] == ["base.yaml", "envs/a.yaml"]


def test_standard_input_is_checked_over_the_files_of_values(environments: Path) -> None:
    command = f"echo 'services: {{web: {{comand: [b]}}}}' | {sys.executable} -m sametag validate -f base.yaml -"
    ran = subprocess.run(["bash", "-c", command], cwd=environments, capture_output=True, text=True, check=False)

    assert ran.stdout.splitlines()[2].startswith("<stdin>:1:18: comand is not a setting of a service")


def test_a_pattern_that_matches_nothing_is_wrong_usage_and_a_missing_file_a_problem(environments: Path) -> None:
    ran = sametag("validate", "nothere/*.yaml", folder=environments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("sametag: no file matches nothere/*.yaml\n")

    ran = sametag("validate", "nothere.yaml", folder=environments)
    assert ran.returncode == 1
    assert ran.stdout.startswith("nothere.yaml: cannot be read: no such file")


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "[a].yaml").write_text(MISTAKEN)
    assert sametag("validate", "[a].yaml", folder=tmp_path).stdout.startswith("[a].yaml:4:5: ")


def test_warnings_make_values_invalid_only_when_strict(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("image: {repository: app, tag: latest}\nservices: {web: {command: [a]}}\n")
    assert sametag("validate", "values.yaml", folder=tmp_path).returncode == 0
    ran = sametag("validate", "values.yaml", "--strict", folder=tmp_path)
    assert ran.returncode == 1
    assert ran.stdout.endswith("\n1 error\n")


@pytest.mark.parametrize("words", [(), ("nothere",), ("rollback", "app", "--to-tag", "1", "--to-revision", "2")])
def test_wrong_usage_exits_with_2_and_says_how_it_is_used(words: tuple[str, ...]) -> None:
    ran = sametag(*words)

    assert ran.returncode == 2
    assert ran.stderr.startswith("usage: sametag")


@pytest.mark.parametrize("words", [("--set", "services.web.env.A=\udcff"), ("--tag", "caf\udce9")])
def test_what_is_not_utf_8_on_the_command_line_is_wrong_usage(words: tuple[str, ...]) -> None:
    ran = sametag("validate", *words)

    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert ran.stderr.endswith(" is not UTF-8\n")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("".join(f"unknown{number}: 1\n" for number in range(1500)))
    command = f"{sys.executable} -m sametag validate -f values.yaml | head -1; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ran.stderr == ""
    assert ran.stdout.splitlines()[1] in ("0", "1")


def test_a_bug_exits_with_70_and_asks_for_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sametag import cli

    monkeypatch.setitem(COMMANDS, "history", lambda _: 1 // 0)

    assert cli.run(["history", "app"]) == 70
    assert "this is a bug" in capsys.readouterr().err


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = [action for action in parser()._actions if action.dest == "command"]  # noqa: SLF001 - no public way
    assert isinstance(action.choices, dict)
    return action.choices


def test_ctrl_c_while_python_still_imports_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        """
import os, signal, sys

class Interrupting:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == "sametag.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting)
# Whoever runs the tests in the background has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
    )
    ran = sametag("history", "app", PYTHONPATH=str(tmp_path))

    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


def test_every_command_is_implemented_and_every_option_is_described() -> None:
    assert subcommands().keys() == COMMANDS.keys()
    for command in subcommands().values():
        for action in command._actions:  # noqa: SLF001
            assert action.help, f"{command.prog} {action.option_strings or action.dest}"


def helm_on_path(folder: Path) -> str:
    """Put a helm on PATH that only tells its version; return PATH."""
    program = folder / "helm"
    program.write_text("#!/bin/sh\necho v4.3.1\n")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_what_a_newer_chart_needs_and_the_release_has_not_is_said_before_anything_is_changed(
    api: ApiServer, tmp_path: Path
) -> None:
    deployed(api, "1.10")
    (tmp_path / "Chart.yaml").write_text("name: sametag\nversion: 9.0.0\n")
    needs = {"required": ["team"], "properties": {"team": {"type": "string"}, "image": {}}}
    (tmp_path / "values.schema.json").write_text(json.dumps(needs))
    words = ("upgrade", "app", "--tag", "1.11", "--chart", str(tmp_path), "--dry-run")
    ran = sametag(*words, KUBECONFIG=str(api.kubeconfig), PATH=helm_on_path(tmp_path))

    assert ran.returncode == 1
    assert ran.stderr.splitlines()[0].startswith("values of revision 2: ")
    assert "team" in ran.stderr.splitlines()[0]
    assert not any(request.startswith(("POST", "PUT", "PATCH")) for request in api.requests)


def test_select_shows_what_can_be_gone_back_to_and_asks_until_it_is_told(api: ApiServer) -> None:
    deployed(api, "1.10")
    command = [sys.executable, "-m", "sametag", "rollback", "app", "--select"]

    with Terminal(command, 100, 24, KUBECONFIG=str(api.kubeconfig)) as terminal:
        terminal.wait_for("revision, 1 to 1 [1]:")
        assert [row.split() for row in terminal.rows[:2]] == [
            ["TAG", "REVISION", "WHEN", "WHO", "VERIFIED", "MIGRATIONS", "CROSSED"],
            ["1", "1.9", "1", *terminal.rows[1].split()[3:5], "-", "no", "-"],
        ]
        terminal.press("2\n")
        terminal.wait_for("revision, 1 to 1 [1]: 2")
        terminal.press("\x04")
        assert terminal.wait() == 130
        assert "no revision chosen; nothing was changed" in str(terminal)


def test_select_without_a_terminal_names_the_flags_that_do_without(api: ApiServer) -> None:
    ran = sametag("rollback", "app", "--select", KUBECONFIG=str(api.kubeconfig))

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines() == [
        "sametag: --select needs a terminal",
        "  use --to-tag TAG or --to-revision N",
    ]
    assert api.requests == []


@pytest.mark.parametrize(("typed", "number"), [("\n", 2), ("1\n", 2), (" 2 \n", 1), ("0\n3\nB\n²\n2\n", 1)])
def test_select_takes_the_number_of_a_line(monkeypatch: pytest.MonkeyPatch, typed: str, number: int) -> None:
    info = {"status": "superseded", "last_deployed": "2026-01-02T03:04:05Z", "description": "Upgrade complete"}
    chart = {"metadata": {"name": "sametag", "version": "0.1.0"}}
    records = [
        {
            "version": at,
            "info": info,
            "chart": chart,
            "config": {"image": {"tag": tag}},
            "manifest": f"kind: Job # {tag}",
        }
        for at, tag in enumerate("ABC", 1)
    ]
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))

    assert select([Revision(record) for record in records]).number == number

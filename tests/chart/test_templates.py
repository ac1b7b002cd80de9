"""Templates in extraObjects: `validate` has the real Helms try them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rendering import BOTH_HELMS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HEAD = """image: {repository: registry.example.com/app, tag: "1"}
services: {web: {command: [web], config: {c: {data: {a: b}}}}}
"""
GOOD = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-notes
"""


def validated(
    helm: str | None, folder: Path, entries: Iterable[object], *words: str
) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code of `validate` with this helm, or with none, and the problems."""
    tools = folder / "tools"
    tools.mkdir()
    if helm:
        (tools / "helm").symlink_to(helm)
    file = folder / "values.yaml"
    file.write_text(HEAD + "extraObjects:\n" + "".join(f"  - {json.dumps(entry)}\n" for entry in entries))
    command = [sys.executable, "-m", "sametag", "validate", str(file), "-o", "json", *words]
    environment = {"PATH": str(tools), "HOME": str(folder), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode, json.loads(ran.stdout)["problems"]


@BOTH_HELMS
def test_templates_that_helm_renders_are_right(helm: str, tmp_path: Path) -> None:
    nothing = "{{ if .Values.more }}a: b{{ end }}"
    several = "{{ range list 1 2 }}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: 'c{{ . }}'}}\n{{ end }}"
    assert validated(helm, tmp_path, [GOOD, nothing, several]) == (0, [])


@BOTH_HELMS
@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ('{{ include "shop.labels" . }}', 'there is no template "shop.labels"'),
        ("a: {{ .Values.team.name.short }}", "nil pointer evaluating interface {}.name"),
        ("a: {{ upperCase .Release.Name }}", 'function "upperCase" not defined'),
        ("a: b\nc: {{ .Values.team", "unclosed action (line 2 of the template)"),
        ("{{ if .Values.team }}", "unexpected EOF"),
        ('a: {{ required "team is missing" .Values.team }}', "team is missing"),
        ("a: {{ tpl .Values.services . }}", "wrong type for value; expected string; got map"),
        ("a: {{ .Release.Name | indent }}", "wrong number of args for indent"),
    ],
)
def test_a_template_that_fails_is_reported_at_its_entry(helm: str, tmp_path: Path, template: str, reason: str) -> None:
    code, (problem,) = validated(helm, tmp_path, [GOOD, template])
    assert (code, problem["rule"], problem["location"]["line"], problem["path"]) == (
        1,
        "failing-template",
        5,
        "extraObjects[1]",
    )
    assert problem["message"].startswith("extraObjects[1] cannot be rendered: ")
    assert reason in problem["message"]
    assert "gotpl" not in problem["message"]


@BOTH_HELMS
@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{apiVersion: v1, kind: '{{ .Values.kind }}', metadata: {name: a}}", "renders an object without kind"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Values.x }}'}}", "without metadata.name"),
        ("a: {{ .Release.Name }}: b", "cannot be rendered: mapping values are not allowed in this context"),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-web-c'}}",
            "renders the ConfigMap release-name-web-c, which is there twice",
        ),
    ],
)
def test_what_a_template_renders_is_checked(helm: str, tmp_path: Path, template: str, message: str) -> None:
    code, (problem,) = validated(helm, tmp_path, [template, GOOD])
    assert (code, problem["rule"], problem["location"]["line"]) == (1, "failing-template", 4)
    assert message in problem["message"]


def test_every_failing_template_is_reported(helm: str, tmp_path: Path) -> None:
    _, problems = validated(helm, tmp_path, ["{{ nope }}", GOOD, "{{ nor }}"])
    assert [problem["path"] for problem in problems] == ["extraObjects[0]", "extraObjects[2]"]


def test_two_templates_that_make_one_object_are_reported(helm: str, tmp_path: Path) -> None:
    code, (problem,) = validated(helm, tmp_path, [GOOD, GOOD])
    assert (code, problem["path"]) == (1, "extraObjects")
    assert "ConfigMap release-name-notes, which is there twice" in problem["message"]


def test_a_template_that_looks_into_the_cluster_is_a_warning(helm: str, tmp_path: Path) -> None:
    template = 'a: {{ (lookup "v1" "Secret" "shop" "db").data.password }}'
    code, (problem,) = validated(helm, tmp_path, [GOOD, template])
    assert (code, problem["rule"], problem["severity"]) == (0, "untried-template", "warning")


def test_without_helm_one_warning_says_that_nothing_was_tried(tmp_path: Path) -> None:
    code, (problem,) = validated(None, tmp_path, [GOOD, "{{ nope }}"])
    assert (code, problem["rule"], problem["severity"]) == (0, "untried-template", "warning")
    assert problem["message"] == "extraObjects[0] (and 1 more) is a template and was not tried: helm is not on PATH"


def test_a_comment_silences_that_warning_and_is_never_unused(helm: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    comment = "  # sametag: ignore untried-template\n  - "
    for tool, folder in ((None, tmp_path), (helm, tmp_path / "a")):
        tools = folder / "bin"
        tools.mkdir()
        if tool:
            (tools / "helm").symlink_to(tool)
        file = folder / "silenced.yaml"
        file.write_text(f"{HEAD}extraObjects:\n{comment}{json.dumps(GOOD)}\n")
        command = [sys.executable, "-m", "sametag", "validate", str(file), "--strict"]
        environment = {"PATH": str(tools), "HOME": str(folder), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        assert subprocess.run(command, env=environment, check=False, timeout=60).returncode == 0

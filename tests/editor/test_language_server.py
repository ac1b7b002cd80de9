"""What an editor with yaml-language-server shows of values: nothing wrong, completion, words on hover, mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from language_server import editor
from sametag.chart import described_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from language_server import Editor

# One server for all of them.
pytestmark = pytest.mark.xdist_group("editor")

ROOT = Path(__file__).parents[2]
# As docs/how-to/editors.md says.
LINE = "# yaml-language-server: $schema=values.schema.json\n"
HEAD = LINE + 'image: {repository: registry.example.com/app, tag: "1"}\nservices:\n  web:\n    command: [/web]\n'


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor in a folder with the schema that `sametag schema` prints."""
    folder = tmp_path_factory.mktemp("values")
    (folder / "values.schema.json").write_text(described_schema())
    with editor(folder) as opened:
        yield opened


def test_the_example_has_no_mistake(shown: Editor) -> None:
    assert shown.open(LINE + (ROOT / "values.example.yaml").read_text()) == []


def test_the_line_that_jetbrains_reads_will_do_too(shown: Editor) -> None:
    assert shown.open("# $schema: values.schema.json\nimage: {}\nservice: {}\n") != []
    assert shown.open("image: {}\nservice: {}\n") == []


def test_the_settings_of_a_service_are_offered_inside_of_one(shown: Editor) -> None:
    shown.open(HEAD + "    \n")

    offered = shown.completion(6, 5)

    assert {"env", "ports", "probes", "replicas", "resources"} <= set(offered)
    assert "command" not in offered, "it is there already"


def test_the_command_is_offered_in_a_new_service(shown: Editor) -> None:
    shown.open(HEAD + "  api:\n    \n")

    assert "command" in shown.completion(7, 5)


def test_the_fields_of_kubernetes_are_offered_too(shown: Editor) -> None:
    shown.open(HEAD + "    probes:\n      liveness:\n        \n")

    assert {"httpGet", "periodSeconds"} <= set(shown.completion(8, 9))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("image", "The one image that holds every service."),
        ("tag", "The one tag that every service runs."),
        ("command", "The command to run, as a list of strings."),
        ("probes", "Startup, liveness and readiness probes."),
        ("periodSeconds", "How often (in seconds) to perform the probe."),
    ],
)
def test_a_key_is_explained_on_hover(shown: Editor, key: str, said: str) -> None:
    text = HEAD + "    probes: {liveness: {tcpSocket: {port: 1}, periodSeconds: 5}}\n"
    shown.open(text)
    line, column = next((n, line.index(key) + 1) for n, line in enumerate(text.splitlines(), 1) if key in line)

    assert said in shown.hover(line, column)


@pytest.mark.parametrize(
    "mistake",
    [
        "    replcas: 3\n",
        "    replicas: three\n",
        '    tag: "2"\n',
        "    ports: {http: {containerPort: 99999}}\n",
        "    resources: {limits: {memory: 12XB}}\n",
        "    securityContext: {runAsNonroot: true}\n",
        "    kind: deployment\n",
    ],
)
def test_a_mistake_is_marked_in_its_line(shown: Editor, mistake: str) -> None:
    marked = shown.open(HEAD + "    env: {A: b}\n" + mistake + "    args: [x]\n")

    assert {found["range"]["start"]["line"] + 1 for found in marked} == {7}

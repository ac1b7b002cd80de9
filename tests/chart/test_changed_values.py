"""What reaches the container is what was written, or `changed-value` says what does: against the real Helms."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rendering import BOTH_HELMS, Rendered
from sametag import chart, validation, values
from sametag.values.scalars import json_text

if TYPE_CHECKING:
    from rendering import Chart

pytestmark = BOTH_HELMS

DATA = Path(__file__).parents[1] / "unit" / "data" / "helm-yaml-scalars.json"
# Plain scalars alone: what is quoted, tagged, or a map or list is not changed on its way. PyYAML reads no `=` and `<<`.
NOT_PLAIN = "[\"'!&{[|>]|(=|<<)$|.* #"
WRITTEN = [case["yaml"] for case in json.loads(DATA.read_text()) if not re.match(NOT_PLAIN, case["yaml"])]
HEAD = 'image: {repository: registry.example.com/app, tag: "1"}\nservices:\n  web:\n    command: [web]\n'
# Three of the settings whose scalars become text; each has a template of its own.
SETTINGS = ("env", "podAnnotations", "config")


def test_a_warning_is_there_where_the_text_is_another_and_nowhere_else(render: Chart) -> None:
    chosen = chart.load(None)
    check = validation.checker(values.from_text(chosen.defaults, "values.yaml"), chosen.schema)
    lines = {f"K{number}": written for number, written in enumerate(WRITTEN)}
    entries = {key: f"{key}: {written}" for key, written in lines.items()}
    broken = [key for key, entry in entries.items() if values.has_errors(values.from_text(entry, "x").problems)]
    kept = {key: entry for key, entry in entries.items() if key not in broken}
    assert len(kept) >= 80
    text = HEAD
    for setting in SETTINGS:
        text += f"    {setting}:\n"
        text += "      c:\n        env: true\n        data:\n" if setting == "config" else ""
        indent = 10 if setting == "config" else 6
        text += "".join(f"{' ' * indent}{entry}\n" for entry in kept.values())
    file = render.folder / "scalars.yaml"
    file.write_text(text)
    ran = render.template("app", file)
    assert ran.returncode == 0, ran.stderr
    rendered = _rendered(ran.stdout)
    found = check(values.load(values.Sources(files=(str(file),))))
    assert {problem.rule for problem in found} == {"changed-value"}
    warned = {problem.path: problem.message for problem in found}
    for setting, there in rendered.items():
        at = "config.c.data" if setting == "config" else setting
        for key in kept:
            path, written, becomes = f"services.web.{at}.{key}", lines[key], there.get(key)
            # The word null removes, and is not meant as text.
            same = becomes == written or (becomes is None and written.lower() == "null")
            assert (path in warned) is not same, (path, written, becomes)
            if not same and becomes is not None:
                assert f'gets "{becomes}"' in warned[path]


def _rendered(text: str) -> dict[str, dict[str, str]]:
    rendered = Rendered(text)
    env = {entry["name"]: entry["value"] for entry in rendered.container("app-web")["env"]}
    annotations: dict[str, str] = rendered.pod("app-web")["metadata"]["annotations"]
    data: dict[str, str] = rendered.one("ConfigMap")["data"]
    return {"env": env, "podAnnotations": annotations, "config": data}


def test_no_number_in_an_object_becomes_another_without_a_warning(render: Chart) -> None:
    entries = {f"K{number}": written for number, written in enumerate(WRITTEN) if re.match("[-+.0-9]", written)}
    good = {
        key: written
        for key, written in entries.items()
        if not values.from_text(f"k: {written}", "values.yaml").problems
    }
    assert len(good) >= 40
    text = f"{HEAD}extraObjects:\n  - apiVersion: example.com/v1\n    kind: Database\n    metadata: {{name: shop}}\n"
    text += "    spec:\n" + "".join(f"      {key}: {written}\n" for key, written in good.items())
    file = render.folder / "object.yaml"
    file.write_text(text)
    ran = render.template("app", file)
    assert ran.returncode == 0, ran.stderr
    spec = Rendered(ran.stdout).one("Database")["spec"]
    chosen = chart.load(None)
    found = validation.validate(
        values.from_text(chosen.defaults, "values.yaml"), values.load(values.Sources(files=(str(file),))), chosen.schema
    )
    warned = {problem.path.rpartition(".")[2]: problem for problem in found if problem.rule == "changed-value"}
    for key, written in good.items():
        # PyYAML reads a number as YAML 1.1 has it, with a point.
        value = float(spec[key]) if re.fullmatch("[0-9]e[+-][0-9]+", str(spec[key])) else spec[key]
        kept = isinstance(value, str) or json_text(value) == written
        assert (key in warned) is not kept, (written, value)
        if not kept:
            assert f"is {written}, but Kubernetes gets {json_text(value)}" in warned[key].message

"""What others build on: the public names, the wheel, the GitHub action."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import sametag

ROOT = Path(__file__).parents[2]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothere'"):
        sametag.nothere  # noqa: B018 - having it is what fails


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_carries_the_chart_and_validates_with_it(wheel: Path, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(wheel)}
        command = [sys.executable, *words]
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    where = run("-c", "import sametag; print(sametag.load_chart(None).path)")

    assert where == str(wheel / "sametag/_chart")
    assert run("-m", "sametag", "validate", "-f", str(ROOT / "values.example.yaml")) == ""


def test_the_wheel_carries_the_schema_with_every_description_for_editors(wheel: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    command = [sys.executable, "-m", "sametag", "schema"]
    printed = subprocess.run(command, cwd=wheel, env=environment, capture_output=True, text=True, check=True).stdout

    assert printed == (wheel / "sametag/values.schema.json").read_text()
    assert json.loads(printed)["properties"]["services"]["description"]


def test_the_wheel_has_the_version_of_the_chart(wheel: Path) -> None:
    version = yaml.safe_load((ROOT / "chart/Chart.yaml").read_text())["version"]

    assert (wheel / f"sametag-{version}.dist-info/METADATA").exists()


def run_action(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the action's last step as GitHub does, where the step before it has installed sametag."""
    action = yaml.safe_load((ROOT / "action.yaml").read_text())
    step = action["runs"]["steps"][-1]
    given = {name: inputs.get(name, setting.get("default", "")) for name, setting in action["inputs"].items()}
    environment = {name: given[value.split("inputs.")[1].split(" ")[0]] for name, value in step["env"].items()}
    (folder / "temp/sametag").mkdir(parents=True)
    (folder / "temp/sametag/bin").symlink_to(Path(sys.executable).parent)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={**os.environ, "RUNNER_TEMP": str(folder / "temp"), "GITHUB_WORKSPACE": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_action_annotates_every_problem_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("image: {repository: app}\n")
    (tmp_path / "b.yaml").write_text("services:\n  web:\n    comand: [a]\n")

    ran = run_action(tmp_path, values="a.yaml\nb.yaml\n")

    assert ran.returncode == 1
    assert (
        "::error file=b.yaml,line=3,col=5,title=unknown-key::b.yaml:3:5: comand is not a setting of a service"
        in ran.stdout
    )


@pytest.mark.parametrize(("strict", "code", "level"), [("false", 0, "warning"), ("true", 1, "error")])
def test_the_action_checks_each_file_of_a_pattern_and_can_be_strict(
    strict: str, code: int, level: str, tmp_path: Path
) -> None:
    (tmp_path / "base.yaml").write_text("image: {repository: app}\nservices: {web: {command: [a]}}\n")
    for name, tag in (("a", "1.0"), ("b b", "latest")):
        (tmp_path / f"env {name}.yaml").write_text(f'image: {{tag: "{tag}"}}\n')

    ran = run_action(tmp_path, values="base.yaml", files="env *.yaml\n", strict=strict)

    assert ran.returncode == code
    assert ran.stdout.startswith(f"::{level} file=env b b.yaml,line=1,col=14,title=latest-tag::")


def test_the_action_checks_something(tmp_path: Path) -> None:
    ran = run_action(tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "::error::name values files, in values or in files\n")


def test_the_action_says_nothing_of_good_values(tmp_path: Path) -> None:
    ran = run_action(tmp_path, values=str(ROOT / "values.example.yaml"), tag="1.10")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")

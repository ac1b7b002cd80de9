"""What is imported when: a `sametag validate` runs at every commit, and importing is most of its time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

VALID = """image: {repository: app, tag: "1.0"}
services: {web: {command: [a], ports: {http: {containerPort: 80}}, probes: {port: http}}}
"""
# What takes 2 ms or more, with what it imports in turn; nothing that validate is made of needs them.
SLOW = {
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "difflib",
    "glob",
    "importlib.metadata",
    "inspect",
    "logging",
    "pathlib",
    "shutil",
    "socket",
    "subprocess",
    "tarfile",
    "tempfile",
    "traceback",
    "unittest",
    "xml.etree",
}
# Written for what is wrong, for expressions and for other formats: valid values do without.
OTHERS = {
    "sametag.deploy",
    "sametag.output.problems.sarif",
    "sametag.output.history",
    "sametag.helm",
    "sametag.rollout",
    "sametag.validation.explain",
    "sametag.validation.schema_tree",
    "sametag.values.set_flags",
    "sametag.values.syntax_errors",
}


def imported(code: str, folder: Path) -> set[str]:
    """Run code in a new Python, and return the names of the modules that it imported."""
    code = f"import sys; before = set(sys.modules)\n{code}\nprint(*sys.modules.keys() - before)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def of_others(modules: set[str]) -> set[str]:
    """Return the top-level packages that are neither Python's nor ours."""
    tops = {module.partition(".")[0] for module in modules}
    return {top for top in tops if top not in sys.stdlib_module_names} - {"sametag"}


def test_importing_sametag_imports_nothing_else(tmp_path: Path) -> None:
    modules = imported("import sametag", tmp_path)
    assert of_others(modules) == set()
    assert {module for module in modules if module.startswith("sametag.")} == set()


@pytest.mark.parametrize("words", [("-f", "values.yaml"), ("values.yaml", "values.yaml")])
def test_validate_imports_only_what_it_needs(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(VALID)
    modules = imported(f"from sametag.cli import run; assert run(['validate', *{words!r}]) == 0", tmp_path)

    # cython_runtime and _cython_… are of yaml's C part.
    assert {top for top in of_others(modules) if "cython" not in top} == {"yaml", "jsonschema_rs"}
    assert not modules & SLOW
    assert not modules & OTHERS


def test_the_engine_still_asks_for_what_the_command_line_keeps_from_it(tmp_path: Path) -> None:
    assert "email.utils" in imported("import jsonschema_rs", tmp_path), "cli/checking.py can do without its stand-in"


def test_the_stand_in_is_gone_when_the_engine_is_there(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(VALID)
    code = "from sametag.cli import run; assert run(['validate', 'values.yaml']) == 0; import email.utils as e"
    assert "socket" in imported(f"{code}; assert e.parsedate_to_datetime('Tue, 1 Jan 2030 00:00:00 GMT')", tmp_path)


def test_a_report_imports_no_more_than_its_own_format(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("images: 1\n")
    code = "from sametag.cli import run; run(['validate', 'values.yaml', '--output=json'])"
    formats = {module for module in imported(code, tmp_path) if module.startswith("sametag.output.problems.")}
    assert formats == {"sametag.output.problems.report", "sametag.output.problems.text"}

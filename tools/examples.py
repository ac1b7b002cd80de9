"""Run the commands that a page of the documentation shows, and write what they print below them.

A page shows its files as the name in backquotes and a yaml block, its commands as console blocks of one `$ sametag …`
line and the output. A block with several commands, or with none of ours, stays as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

_FILE = re.compile(r"^`([\w.-]+)`\n\n```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
_EXAMPLE = re.compile(r"^```console\n\$ (sametag .*)\n((?:(?!\$ |```).*\n)*)```", re.MULTILINE)


def refreshed(page: Path) -> str:
    """Return the page with what its commands print now."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        for file, content in _FILE.findall(text):
            (Path(name) / file).write_text(content, encoding="utf-8")
        return _EXAMPLE.sub(lambda found: _ran(found[1], name), text)


def _ran(command: str, folder: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CI_", "GITHUB_"))}
    ran = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if ran.stderr:
        raise RuntimeError(f"{command}: {ran.stderr}")
    return f"```console\n$ {command}\n{ran.stdout}```"

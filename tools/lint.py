"""Run the linters of Kubernetes manifests on the rendered examples: python tools/lint.py [FILE…].

What they find is an error, unless docs/explanation/security.md lists it with the reason why it stays. A row there that
nothing finds is an error too: the page says what is so.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldens import EXAMPLES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULE = Path(__file__).parent / "lint"
_PAGE = ROOT / "docs/explanation/security.md"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sametag" / "bin"
# kube-score's grade of what is in order.
_IN_ORDER = 10

Finding = tuple[str, str]


def main() -> int:
    """Return the exit code."""
    tools = _tools()
    files = [Path(word) for word in sys.argv[1:]] or sorted(EXAMPLES.glob("*/rendered.yaml"))
    found: dict[Finding, list[str]] = {}
    for file in files:
        for finding, where in [*_kube_score(tools, file), *_kubesec(tools, file)]:
            found.setdefault(finding, []).append(f"{file.parent.name}: {where}")
    explained = set(re.findall(r"^\| (\S+) \| `(\S+)` \|", _PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    new = {finding: places for finding, places in found.items() if finding not in explained}
    for (linter, check), places in sorted(new.items()):
        print(f"{linter} {check}: {places[0]} ({len(places)} in all); mend it, or say why in {_PAGE.name}")
    gone = set() if sys.argv[1:] else explained - found.keys()
    for linter, check in sorted(gone):
        print(f"{linter} {check}: nothing finds it any more; remove it from {_PAGE.name}")
    return 1 if new or gone else 0


def _tools() -> Path:
    """Return the folder of the linters, built from pinned sources where they are not there yet."""
    pinned = (_MODULE / "go.mod").read_bytes() + (_MODULE / "go.sum").read_bytes()
    folder = _CACHE / f"lint-{hashlib.sha256(pinned).hexdigest()[:12]}"
    if not folder.is_dir():
        print("building kube-score and kubesec …", file=sys.stderr)
        building = Path(tempfile.mkdtemp(dir=_parent(folder)))
        subprocess.run(["go", "build", "-o", f"{building}/", "tool"], cwd=_MODULE, check=True)
        building.rename(folder)
    return folder


def _parent(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent


def _kube_score(tools: Path, file: Path) -> Iterator[tuple[Finding, str]]:
    for found in _json([str(tools / "kube-score"), "score", "--output-format", "json", str(file)]):
        for check in found["checks"]:
            if check["grade"] < _IN_ORDER and not check["skipped"]:
                comment = (check["comments"] or [{}])[0]
                yield ("kube-score", check["check"]["id"]), f"{found['object_name']}: {comment.get('summary', '')}"


def _kubesec(tools: Path, file: Path) -> Iterator[tuple[Finding, str]]:
    # The API server validates the examples; without a schema kubesec would fetch one from the network.
    with tempfile.NamedTemporaryFile("w", suffix=".json") as anything:
        anything.write("{}")
        anything.flush()
        scanned = _json([str(tools / "kubesec"), "scan", "--schema-location", anything.name, str(file)])
    for found in scanned:
        for advice in [*found["scoring"].get("critical", []), *found["scoring"].get("advise", [])]:
            yield ("kubesec", advice["id"]), f"{found['object']}: {advice['reason']}"


def _json(command: list[str]) -> list[dict[str, Any]]:
    # Both exit with an error where they find something.
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())

"""How long `sametag validate` takes beside what else checks the same values: whole processes, ratios of one run.

The commands take turns, so that all meet the same disturbances, and the median of each counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
_SCHEMA = ROOT / "chart/values.schema.json"
# Rounds for each number of services: the many take seconds each.
_ROUNDS = {4: 25, 100: 9, 1000: 5}
_FILES = 100

_SERVICE = """  service-{number}:
    command: [/usr/local/bin/service-{number}]
    env: {{LOG_LEVEL: info, PORT: "8080"}}
    ports:
      http: {{containerPort: 8080}}
    probes: {{port: http, path: /healthz}}
"""


def values(count: int) -> str:
    """Return values with so many services, as users write them."""
    services = "".join(_SERVICE.format(number=number) for number in range(count))
    return f'image:\n  repository: registry.example.com/app\n  tag: "1.0"\nservices:\n{services}'


def main() -> None:
    """Print one line for each size, and one for many files."""
    with tempfile.TemporaryDirectory() as folder:
        print("services  sametag validate  of helm lint  of check-jsonschema  of Python alone")
        for count, rounds in _ROUNDS.items():
            file = Path(folder) / f"{count}.yaml"
            file.write_text(values(count))
            ours, *others = medians(rounds, *_competitors(file))
            ratios = "  ".join(
                f"{ours / theirs:{width}.2f}" for theirs, width in zip(others, (12, 19, 15), strict=True)
            )
            print(f"{count:8}  {ours * 1000:13.0f} ms  {ratios}")
        one, many = medians(_ROUNDS[4], *_one_and_many(Path(folder)))
        print(f"{_FILES} files in one run: {many * 1000:.0f} ms, {many / one:.2f} of one file")


def _competitors(file: Path) -> list[list[str]]:
    return [
        ["sametag", "validate", "-f", str(file)],
        [os.environ["SAMETAG_HELM4"], "lint", str(ROOT / "chart"), "-f", str(file)],
        ["check-jsonschema", "--schemafile", str(_SCHEMA), str(file)],
        [sys.executable, "-c", "pass"],
    ]


def _one_and_many(folder: Path) -> list[list[str]]:
    (folder / "many").mkdir()
    files = [folder / f"many/{number}.yaml" for number in range(_FILES)]
    for file in files:
        file.write_text(values(4))
    return [["sametag", "validate", str(files[0])], ["sametag", "validate", *map(str, files)]]


def medians(rounds: int, *commands: list[str]) -> list[float]:
    """Return the median time of each command in seconds; all must succeed."""
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(rounds):
        for command, taken in zip(commands, times, strict=True):
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            taken.append(time.perf_counter() - began)
    return [median(taken) for taken in times]


if __name__ == "__main__":
    main()

"""How long `sametag validate` takes beside `helm lint` on the same values: whole processes, ratios of one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
_ROUNDS = 5

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
    """Print one line for each size."""
    helm = os.environ["SAMETAG_HELM4"]
    print("services  sametag validate  helm lint  ratio")
    with tempfile.TemporaryDirectory() as folder:
        for count in (4, 100, 1000):
            file = Path(folder) / f"{count}.yaml"
            file.write_text(values(count))
            ours = median(["sametag", "validate", "-f", str(file)])
            theirs = median([helm, "lint", str(ROOT / "chart"), "-f", str(file)])
            print(f"{count:8}  {ours * 1000:13.0f} ms  {theirs * 1000:6.0f} ms  {ours / theirs:5.2f}")


def median(command: list[str]) -> float:
    """Return the median time of a command in seconds; it must succeed."""
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    main()

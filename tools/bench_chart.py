"""Time `helm template` of the chart against the least that a chart can do, and measure what a release takes.

The floor is a chart that is one `range` printing a minimal Deployment, with the same values, in the same run, one after
the other: only their ratio means something on another machine.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

_CHART = Path(__file__).parents[1] / "chart"
_RUNS = 9
_COUNTS = (1, 10, 100, 1000)
# A Secret's data; https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size
_SECRET_LIMIT = 1024 * 1024

_FLOOR = """{{- range $name, $service := .Values.services }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
spec:
  selector:
    matchLabels:
      app: {{ $name }}
  template:
    metadata:
      labels:
        app: {{ $name }}
    spec:
      containers:
        - name: {{ $name }}
          image: {{ $.Values.image.repository }}:{{ $.Values.image.tag }}
          command: {{ toJson $service.command }}
{{- end }}
"""


def main() -> None:
    """Print the table."""
    helm = os.environ["SAMETAG_HELM4"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor = _floor(folder)
        print(f"helm template, median of {_RUNS} runs each; the release Secret's limit is {_SECRET_LIMIT:,} bytes")
        print(f"{'services':>8} {'chart, s':>9} {'floor, s':>9} {'ratio':>6} {'Secret, bytes':>14}")
        sizes = {}
        for count in _COUNTS:
            values = _values(folder, count)
            ours, least = _times(helm, (_CHART, floor), values)
            sizes[count] = release_size(helm, values)
            print(f"{count:>8} {ours:>9.3f} {least:>9.3f} {ours / least:>6.2f} {sizes[count]:>14,}")
    few, many = _COUNTS[0], _COUNTS[-1]
    each = (sizes[many] - sizes[few]) / (many - few)
    print(f"about {int((_SECRET_LIMIT - sizes[few]) / each):,} such services fit into one release")


def _floor(folder: Path) -> Path:
    chart = folder / "floor"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: floor, version: 0.0.0}")
    (chart / "templates/deployment.yaml").write_text(_FLOOR)
    return chart


def _values(folder: Path, count: int) -> Path:
    names = [f"service-{number:04}" for number in range(count)]
    services = {name: {"command": [f"/usr/local/bin/{name}"]} for name in names}
    file = folder / f"{count}.yaml"
    file.write_text(json.dumps({"image": {"repository": "registry.example.com/app", "tag": "1"}, "services": services}))
    return file


def _times(helm: str, charts: tuple[Path, Path], values: Path) -> tuple[float, float]:
    """Return the seconds of each chart; they take turns, so that both meet the same disturbances."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_RUNS):
        for chart, taken in zip(charts, times, strict=True):
            command = [helm, "template", "app", str(chart), "--values", str(values), "--kube-version", "1.36.3"]
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - began)
    return median(times[0]), median(times[1])


def release_size(helm: str, values: Path) -> int:
    """Return the bytes that a revision takes: Helm stores it as JSON, gzipped, in base64."""
    command = [helm, "install", "app", str(_CHART), "--values", str(values), "--dry-run=client", "--output", "json"]
    ran = subprocess.run(command, check=True, capture_output=True)
    record = json.dumps(json.loads(ran.stdout), separators=(",", ":")).encode()
    return len(base64.b64encode(gzip.compress(record, 9)))


if __name__ == "__main__":
    main()

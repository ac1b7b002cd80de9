"""The CustomResourceDefinitions that the examples use, from the Go modules of the projects that own them.

They are too big to commit. `go mod download` fetches a module once, and keeps it in Go's own cache.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

_FILES = {
    "sigs.k8s.io/gateway-api@v1.6.3": (
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
        "config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml",
    ),
    "github.com/external-secrets/external-secrets@v1.3.2": (
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
    "github.com/kedacore/keda/v2@v2.20.2": ("config/crd/bases/keda.sh_scaledobjects.yaml",),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
}


def files() -> list[Path]:
    """Return the files of the definitions, after fetching the modules that are not in Go's cache."""
    return [folder / name for module, names in _FILES.items() for folder in [_folder(module)] for name in names]


def _folder(module: str) -> Path:
    command = ["go", "mod", "download", "-json", module]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return Path(json.loads(ran.stdout)["Dir"])

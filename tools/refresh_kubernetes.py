"""Renew tools/schema/kubernetes.json from the Go module k8s.io/kubernetes; needs the Go module proxy.

The published OpenAPI document has types and descriptions but no enums; the Go source generated beside it has both. The
snapshot holds only the definitions that tools/schema/values.yaml uses, so that everything else needs no network.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from schemas import KUBERNETES, SNAPSHOT, wanted_types

_PACKAGES = ("core", "apps", "batch", "autoscaling", "networking", "policy", "rbac", "meta")

# A property at the generator's indent, and the values that stand in it before it ends.
_ENUM = re.compile(r'\n\t{5}"(\w+)": \{\n(?:(?!\n\t{5}\}).)*?Enum: +\[\]interface\{\}\{(.*?)\},\n', re.DOTALL)


def main() -> None:
    """Write the snapshot."""
    module = _download(f"k8s.io/kubernetes@v{KUBERNETES}")
    published = json.loads((module / "api/openapi-spec/swagger.json").read_text(encoding="utf-8"))["definitions"]
    definitions = _with_enums(published, (module / "pkg/generated/openapi/zz_generated.openapi.go").read_text("utf-8"))
    snapshot = {"kubernetes": KUBERNETES, "definitions": _in_use(definitions, wanted_types())}
    SNAPSHOT.write_text(json.dumps(snapshot, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(snapshot['definitions'])} definitions of Kubernetes {KUBERNETES}, {SNAPSHOT.stat().st_size:,} bytes")


def _download(module: str) -> Path:
    ran = subprocess.run(["go", "mod", "download", "-json", module], check=True, capture_output=True, text=True)
    return Path(json.loads(ran.stdout)["Dir"])


def _with_enums(published: dict[str, Any], source: str) -> dict[str, dict[str, Any]]:
    """Return the newest version of each definition under its short name, its enums filled in."""
    enums = _enums(source)
    return {
        name.rpartition(".")[2]: _short(definition, enums.get(_go_name(name), {}))
        for name, definition in published.items()
        if _is_wanted(name)
    }


def _is_wanted(name: str) -> bool:
    group, version, _ = name.split(".")[-3:]
    newest = "v2" if group == "autoscaling" else "v1"
    return (group in _PACKAGES and version == newest) or name.endswith(("IntOrString", "Quantity"))


def _go_name(name: str) -> str:
    group, version, kind = name.split(".")[-3:]
    return f"{group}_{version}_{kind}"


def _enums(source: str) -> dict[str, dict[str, list[str]]]:
    """Return type -> property -> values, from the calls that the generator of Kubernetes wrote."""
    found: dict[str, dict[str, list[str]]] = {}
    for function in source.split("\nfunc schema_")[1:]:
        kind = function[: function.index("(")].removeprefix("k8sio_api_")
        found[kind] = {match[1]: ast.literal_eval(f"[{match[2]}]") for match in _ENUM.finditer(function)}
    return found


def _short(definition: dict[str, Any], enums: dict[str, list[str]]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: definition[key] for key in ("description", "type", "required") if key in definition}
    if "properties" in definition:
        kept["properties"] = {
            name: _property(prop) | ({"enum": enums[name]} if name in enums else {})
            for name, prop in definition["properties"].items()
        }
    return kept


def _property(schema: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: schema[key] for key in ("description", "type", "format") if key in schema}
    if "$ref" in schema:
        kept["$ref"] = schema["$ref"].rpartition(".")[2]
    for key in ("items", "additionalProperties"):
        if key in schema:
            kept[key] = _property(schema[key])
    return kept


def _in_use(definitions: dict[str, dict[str, Any]], wanted: set[str]) -> dict[str, Any]:
    """Return the wanted types and those that they refer to; of Type.field only that field."""
    used: dict[str, Any] = {}
    for kind, _, field in sorted(name.partition(".") for name in wanted if "." in name):
        used.setdefault(kind, {"properties": {}})["properties"][field] = definitions[kind]["properties"][field]
    missing = {name for name in wanted if "." not in name} | _references(used)
    while missing:
        used |= {name: definitions[name] for name in missing}
        missing = _references(used) - used.keys()
    return used


def _references(tree: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "(\w+)"', json.dumps(tree)))


if __name__ == "__main__":
    main()

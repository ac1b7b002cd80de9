"""Renew tools/schema/kubernetes.json from the Go module k8s.io/kubernetes; needs the Go module proxy.

python tools/refresh_kubernetes.py                   writes the snapshot of the version that schemas.py names
python tools/refresh_kubernetes.py --check newest    compares it with the newest release, and exits 1 where that differs
python tools/refresh_kubernetes.py --check 1.37.2    with that release
python tools/refresh_kubernetes.py --check server    compares it with the API server of KUBECONFIG (SAMETAG_KUBECTL)

The published OpenAPI document has types and descriptions but no enums; the Go source generated beside it has both, and
so does a running API server. The snapshot holds only the definitions that tools/schema/values.yaml uses, so that
everything else needs no network.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from schemas import KUBERNETES, SNAPSHOT, wanted_types

_PAGE = Path(__file__).parents[1] / "docs/explanation/kubernetes-versions.md"

Definition = dict[str, Any]
Definitions = dict[str, Definition]

_PACKAGES = ("core", "apps", "batch", "autoscaling", "networking", "policy", "rbac", "meta")

# A property at the generator's indent, and the values that stand in it before it ends.
_ENUM = re.compile(r'\n\t{5}"(\w+)": \{\n(?:(?!\n\t{5}\}).)*?Enum: +\[\]interface\{\}\{(.*?)\},\n', re.DOTALL)


def main() -> int:
    """Write the snapshot, or return 1 where it differs."""
    parser = argparse.ArgumentParser(description="Renew or check the snapshot of Kubernetes' types.")
    parser.add_argument("--check", metavar="VERSION", help="write nothing, compare: newest, server, or a version")
    against: str | None = parser.parse_args().check
    if against is None:
        return _write()
    version, definitions = server() if against == "server" else _released(against)
    if _minor(version) < _minor(KUBERNETES):
        print(f"Kubernetes {version} is older than the snapshot of {KUBERNETES}: not compared", file=sys.stderr)
        return 0
    found = differences(json.loads(SNAPSHOT.read_text(encoding="utf-8"))["definitions"], definitions)
    known = _known()
    for line in sorted(set(found) - known):
        print(f"Kubernetes {version}, unlike {KUBERNETES}: {line}; follow it, or say why not in {_PAGE.name}")
    gone = set() if against == "server" else known - set(found)
    for line in sorted(gone):
        print(f"Kubernetes {version}: it is no difference that {line}; remove it from {_PAGE.name}")
    print(f"Kubernetes {version}: {len(found)} differences from the snapshot of {KUBERNETES}", file=sys.stderr)
    return 1 if set(found) - known or gone else 0


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall("[0-9]+", version)[:2])


def _known() -> set[str]:
    """Return the differences that the page lists, each with its reason."""
    return set(re.findall(r"^\| `([^`]+)` \| [0-9.]+ \|", _PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def _write() -> int:
    snapshot = {"kubernetes": KUBERNETES, "definitions": _in_use(release(KUBERNETES), wanted_types())}
    SNAPSHOT.write_text(json.dumps(snapshot, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(snapshot['definitions'])} definitions of Kubernetes {KUBERNETES}, {SNAPSHOT.stat().st_size:,} bytes")
    return 0


def differences(snapshot: Definitions, other: Definitions) -> list[str]:
    """Return what a schema made of the other definitions would say otherwise; words do not count."""
    found = [f"there is no {kind}" for kind in sorted(snapshot.keys() - other.keys())]
    for kind in sorted(snapshot.keys() & other.keys()):
        ours, theirs = snapshot[kind].get("properties", {}), other[kind].get("properties", {})
        # Of some types the snapshot holds but the fields that are used; those have nothing else.
        if snapshot[kind].keys() != {"properties"}:
            found += [f"{kind} has {name}" for name in sorted(theirs.keys() - ours.keys())]
            found += _changed(kind, "required", snapshot[kind], other[kind])
        found += [f"{kind} has no {name}" for name in sorted(ours.keys() - theirs.keys())]
        for name in sorted(ours.keys() & theirs.keys()):
            for key in ("type", "format", "enum", "$ref", "items", "additionalProperties"):
                found += _changed(f"{kind}.{name}", key, ours[name], theirs[name])
    return found


def _changed(what: str, key: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    said = [_plain(found[key]) if key in found else "none" for found in (ours, theirs)]
    return [] if said[0] == said[1] else [f"{what}: {key} is {said[1]}, not {said[0]}"]


def _plain(value: Any) -> str:
    """Write a value without descriptions; the order of a list of words means nothing."""
    if isinstance(value, dict):
        value = {key: child for key, child in value.items() if key != "description"}
    return json.dumps(sorted(value) if isinstance(value, list) else value, sort_keys=True)


def _released(version: str) -> tuple[str, Definitions]:
    if version == "newest":
        version = _go("list", "-m", "-json", "k8s.io/kubernetes@latest")["Version"].removeprefix("v")
    return version, release(version)


def server() -> tuple[str, Definitions]:
    """Return the version and the definitions of a running API server."""
    document = json.loads(_output(*shlex.split(os.environ["SAMETAG_KUBECTL"]), "get", "--raw", "/openapi/v2"))
    return document["info"]["version"].removeprefix("v"), _newest_of_each(document["definitions"], {})


def release(version: str) -> Definitions:
    """Return the definitions of a release, such as 1.37.2."""
    folder = Path(_go("mod", "download", "-json", f"k8s.io/kubernetes@v{version}")["Dir"])
    published = json.loads((folder / "api/openapi-spec/swagger.json").read_text(encoding="utf-8"))["definitions"]
    source = (folder / "pkg/generated/openapi/zz_generated.openapi.go").read_text(encoding="utf-8")
    return _newest_of_each(published, _enums(source))


def _go(*words: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_output("go", *words))
    return answer


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _newest_of_each(published: Definitions, enums: dict[str, dict[str, list[str]]]) -> Definitions:
    """Return the newest version of each definition under its short name, its enums filled in."""
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


def _short(definition: Definition, enums: dict[str, list[str]]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: definition[key] for key in ("description", "type", "required") if key in definition}
    if "properties" in definition:
        kept["properties"] = {
            name: _of_options(_property(prop), enums[name]) if name in enums else _property(prop)
            for name, prop in definition["properties"].items()
        }
    return kept


def _of_options(prop: Definition, options: list[str]) -> Definition:
    """The Go source has the options of a list's items inside of the list."""
    if "items" in prop:
        return prop | {"items": prop["items"] | {"enum": options}}
    return prop | {"enum": options}


def _property(schema: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: schema[key] for key in ("description", "type", "format", "enum") if key in schema}
    if "$ref" in schema:
        kept["$ref"] = schema["$ref"].rpartition(".")[2]
    for key in ("items", "additionalProperties"):
        if key in schema:
            kept[key] = _property(schema[key])
    return kept


def _in_use(definitions: Definitions, wanted: set[str]) -> dict[str, Any]:
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
    sys.exit(main())

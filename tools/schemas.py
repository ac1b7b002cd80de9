"""Make the schema of the values: what is ours from values.yaml, Kubernetes' types from its own definitions.

tools/schema/values.yaml is a draft-07 schema with these conventions:
    kubernetes: Probe            the Kubernetes type; its definition comes along
    kubernetes: PodSpec.affinity a field of a Kubernetes type, with its description where ours is missing
    exactlyOne: [key, …]         one of these keys is there; one that is null is not
    atLeastOne: [key, …]         or several
    optional properties          may be null, which removes what `defaults` or the chart's own values say
    nullable: false              not those of this map: a CustomResourceDefinition refuses null
What must be there in a service, or excludes something else there, is true once `defaults` is merged under it: those
keywords get the prefix x-whole-, which Helm does not read (sametag.validation.halves puts them back).
tools/schema/overlay.yaml says what Kubernetes' validation knows and its OpenAPI does not, type by type:
    drop: [field, …]             fields that are deprecated, or not the user's to set
    properties: {field: schema}  in the place of the field's schema
    anything else                set on the type

Why the output looks as it does: draft-07 with local references is all that every Helm from 3.12 on enforces alike; a
$ref must stand alone in it. Lists hold no null: their items are wrapped. Every object is closed.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

KUBERNETES = "1.36.3"
_FOLDER = Path(__file__).parent / "schema"
SNAPSHOT = _FOLDER / "kubernetes.json"

_SPECIAL = {"Quantity": "quantity", "IntOrString": "percentOrCount"}
_OPAQUE = {"Time": {"type": ["string", "null"]}, "FieldsV1": {"type": ["object", "null"]}}
_CHOICES = {"exactlyOne": "oneOf", "atLeastOne": "anyOf"}
WHOLE = "x-whole-"
# Below these a schema asks what is there, and must not be made to accept null.
_CONDITIONS = {"if", "then", "else", "not"}

Schema = dict[str, Any]


@cache
def source() -> Schema:
    """Return the schema as it is written by hand."""
    return _yaml("values.yaml")


def _yaml(name: str) -> Schema:
    loaded: Schema = yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))
    return loaded


def wanted_types() -> set[str]:
    """Return the Kubernetes types, and fields as Type.field, that the hand-written schema and the overlay name."""
    return {name for tree in (source(), _yaml("overlay.yaml")) for name in _named(tree)}


def _named(tree: Any) -> list[str]:
    if isinstance(tree, list):
        return [name for item in tree for name in _named(item)]
    if not isinstance(tree, dict):
        return []
    own = [tree["kubernetes"]] if isinstance(tree.get("kubernetes"), str) else []
    return own + [name for child in tree.values() for name in _named(child)]


def full() -> Schema:
    """Return the schema with every description: for editors and for the reference.

    It is closed, and needs no other document. `$comment` names the version of Kubernetes.
    """
    return _Builder().build()


class _Builder:
    """Collects the definitions of Kubernetes that are in use while it resolves what is ours."""

    def __init__(self) -> None:
        self._types: Schema = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["definitions"]
        self._overlay = _yaml("overlay.yaml")
        self._definitions: Schema = {}

    def build(self) -> Schema:
        written = dict(source())
        ours = {name: _nullable(self._ours(definition)) for name, definition in written.pop("definitions").items()}
        root: Schema = {"$schema": "http://json-schema.org/draft-07/schema#", "$comment": f"Kubernetes {KUBERNETES}"}
        root |= self._ours(written)
        root["definitions"] = ours | dict(sorted(self._definitions.items()))
        # What YAML shares between several places becomes theirs alone.
        made: Schema = json.loads(json.dumps(root))
        _split(made["definitions"]["service"], made["definitions"], set())
        return made

    def _ours(self, tree: Any) -> Any:
        """Resolve the conventions of values.yaml, everywhere below."""
        if isinstance(tree, list):
            return [self._ours(item) for item in tree]
        if not isinstance(tree, dict):
            return tree
        if isinstance(tree.get("kubernetes"), str):
            return self._reference(tree)
        done = {
            key: child if key in _CONDITIONS else self._ours(child)
            for key, child in tree.items()
            if key not in {"properties", "items"}
        }
        if "properties" in tree:
            required = tree.get("required", [])
            strict = done.pop("nullable", True) is False
            done["properties"] = {
                name: _item(self._ours(child)) if strict or name in required else _nullable(self._ours(child))
                for name, child in tree["properties"].items()
            }
            if tree.get("type") == "object":
                done.setdefault("additionalProperties", False)
        if "items" in tree:
            done["items"] = _item(self._ours(tree["items"]))
        for word, keyword in _CHOICES.items():
            if word in done:
                done[keyword] = [*map(_has, done.pop(word)), {"type": "null"}]
        return _alone(done)

    def _reference(self, tree: Schema) -> Schema:
        kind, _, field = tree["kubernetes"].partition(".")
        extra = self._ours({key: child for key, child in tree.items() if key != "kubernetes"})
        if not field:
            return _alone(self._type(kind) | extra)
        written = self._types[kind]["properties"][field]
        schema = self._field(written, self._replaced(kind).get(field), required=False)
        return _alone(schema | {"description": first_sentence(written["description"])} | extra)

    def _type(self, kind: str) -> Schema:
        """Return a reference to a type of Kubernetes, whose definition is made on the first use."""
        if kind in _SPECIAL:
            return {"$ref": f"#/definitions/{_SPECIAL[kind]}"}
        if kind in _OPAQUE:
            return dict(_OPAQUE[kind])
        if kind not in self._definitions:
            self._definitions[kind] = {}  # types may contain themselves
            self._definitions[kind] = self._overlaid(kind)
        return {"$ref": f"#/definitions/{kind}"}

    def _replaced(self, kind: str) -> Schema:
        fields: Schema = (self._overlay.get(kind) or {}).get("properties", {})
        return fields

    def _overlaid(self, kind: str) -> Schema:
        definition, overlay = self._types[kind], dict(self._overlay.get(kind) or {})
        dropped = overlay.pop("drop", [])
        overlay.pop("properties", None)
        required = overlay.pop("required", [n for n in definition.get("required", []) if n not in dropped])
        properties = {
            name: self._field(prop, self._replaced(kind).get(name), required=name in required)
            for name, prop in definition["properties"].items()
            if name not in dropped
        }
        made: Schema = {"type": ["object", "null"]}
        made |= {key: definition[key] for key in ("description",) if key in definition}
        made |= {"properties": properties, "additionalProperties": False}
        made |= {"required": required} if required else {}
        made |= self._ours(overlay)
        return made

    def _field(self, written: Schema, replacement: Schema | None, *, required: bool) -> Schema:
        schema = self._ours(replacement) if replacement else self._kubernetes(written)
        schema = _item(schema) if required else _nullable(schema)
        return _alone({"description": written["description"]} | schema) if "description" in written else schema

    def _kubernetes(self, written: Schema) -> Schema:
        """Turn a field's schema of the OpenAPI document into draft-07."""
        if "$ref" in written:
            return self._type(written["$ref"])
        schema: Schema = {"type": written.get("type", "object")}
        if "enum" in written and "items" not in written:
            schema["enum"] = written["enum"]
        if schema["type"] == "integer":
            return {"$ref": "#/definitions/" + ("long" if written.get("format") == "int64" else "count")}
        if "items" in written:
            # An enum of a list is one of its items.
            enum = {"enum": written["enum"]} if "enum" in written else {}
            schema["items"] = _item(self._kubernetes(written["items"] | enum))
        if "additionalProperties" in written:
            schema["additionalProperties"] = self._kubernetes(written["additionalProperties"])
        return schema


def without_descriptions(schema: Schema) -> Schema:
    """Return the schema that the chart holds: Helm stores it in every revision, and only editors show descriptions."""
    stripped: Schema = _stripped(schema)
    return stripped


def _stripped(tree: Any, *, names: bool = False) -> Any:
    # Below `properties` and `definitions` the keys are names, and a setting may be called like a keyword.
    if isinstance(tree, list):
        return [_stripped(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    kept = {
        key: _stripped(child, names=not names and key in {"properties", "definitions"})
        for key, child in tree.items()
        if names or key not in {"description", "examples"}
    }
    # A reference was only wrapped for the description next to it.
    return kept["allOf"][0] if not names and kept.keys() == {"allOf"} and len(kept["allOf"]) == 1 else kept


def _split(tree: Any, definitions: Schema, seen: set[str]) -> None:
    """Rename the keywords that are true of merged maps only, wherever maps lead to; entries of lists do not merge."""
    if not isinstance(tree, dict):
        return
    name = str(tree.get("$ref", "")).rpartition("/")[2]
    if name and name not in seen:
        seen.add(name)
        _split(definitions[name], definitions, seen)
    for key in ("properties", "patternProperties"):
        for child in tree.get(key, {}).values():
            _split(child, definitions, seen)
    for key in ("additionalProperties", "then", "else"):
        _split(tree.get(key), definitions, seen)
    for key in ("allOf", "anyOf", "oneOf"):
        for child in tree.get(key, ()):
            _split(child, definitions, seen)
    of_the_whole = [key for key in ("required", "dependencies", "else", "oneOf", "anyOf") if key in tree]
    for key in of_the_whole:
        if key not in ("oneOf", "anyOf") or all(map(_asks_for_a_key, tree[key])):
            tree[WHOLE + key] = tree.pop(key)


def _asks_for_a_key(branch: Schema) -> bool:
    return branch == {"type": "null"} or WHOLE + "required" in branch


def first_sentence(text: str) -> str:
    """Return what Kubernetes says of a field, shortly."""
    sentence = re.split(r"(?<=[a-z)`\"])\.(?:\s|$)", text.replace("\n", " "), maxsplit=1)[0]
    return sentence.strip().rstrip(".") + "."


def _nullable(schema: Schema) -> Schema:
    """Let a property be null as well, which says that it is not set."""
    kind = schema.get("type")
    if kind is None or "null" in kind or schema.get("not") == {}:
        return schema
    schema = schema | {"type": [kind, "null"] if isinstance(kind, str) else [*kind, "null"]}
    return schema | {"enum": [*schema["enum"], None]} if "enum" in schema else schema


def _alone(schema: Schema) -> Schema:
    """Wrap a reference that has words beside it: draft-07 ignores what stands beside $ref."""
    if "$ref" not in schema or len(schema) == 1:
        return schema
    return {"allOf": [{"$ref": schema["$ref"]}]} | {key: child for key, child in schema.items() if key != "$ref"}


def _has(key: str) -> Schema:
    return {"required": [key], "not": {"properties": {key: {"type": "null"}}}}


def _item(schema: Schema) -> Schema:
    """Forbid null where a value must be there: in a list, or for a required property."""
    parts = [schema, *schema.get("allOf", ())]
    name = next((part["$ref"].rpartition("/")[2] for part in parts if "$ref" in part), None)
    if name is None or "type" in schema:
        return schema
    kind = source()["definitions"].get(name, {}).get("type", "object")
    return {"type": kind} | ({"allOf": [schema]} if "$ref" in schema else schema)

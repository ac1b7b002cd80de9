"""Make the schema that travels in every revision of a release small: a revision is a Secret, and its size is limited.

Helm stores a chart's schema as base64 in gzip in base64.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from typing import Any

Schema = dict[str, Any]

# What says nothing to a validator, and is told by no problem either.
_SHOWN = {"description", "examples"}

_REFERENCE = re.compile(r'"\$ref": "#/definitions/(\w+)"')
# The definition that people look for keeps its name.
_KEPT = {"service"}
_LETTERS = string.ascii_letters + string.digits

_TEXT = r'"(?:[^"\\]|\\.)*"'
# A key with a value or an opening bracket, a text, brackets that close; else what is between texts.
_STEP = re.compile(rf'{_TEXT}:(?:{_TEXT},?|[\[{{]+|[a-z0-9-]+,?)|{_TEXT},?|[\]}}]+,?|[^"\]}}]+')


def compact(schema: Schema) -> Schema:
    """Return a schema without what only editors show.

    A definition that is used once is put in its place; of the others but `service` has a name, and they have letters.
    """
    return _shortly_named(_inlined(_bare(schema)))


def minified(schema: Schema) -> str:
    """Return a schema on one line, which compresses well after it was turned into base64.

    Base64 takes three bytes at a time. Only what is at the same place of its three is alike afterwards, and a schema
    consists of repetitions: so each key begins a new step of three, with spaces before it. That takes off a sixth.
    """
    text = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
    return "".join(step + " " * (-len(step.encode()) % 3) for step in _STEP.findall(text)).rstrip() + "\n"


def _bare(tree: Any, *, names: bool = False) -> Any:
    # Below `properties` and `definitions` the keys are names, and a setting may be called like a keyword.
    if isinstance(tree, list):
        return [_bare(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    kept = {
        key: _bare(child, names=not names and key in {"properties", "definitions"})
        for key, child in tree.items()
        if names or key not in _SHOWN
    }
    # Nothing stands beside the reference any more that it had to be wrapped for.
    return kept["allOf"][0] if not names and kept.keys() == {"allOf"} and len(kept["allOf"]) == 1 else kept


def _inlined(schema: Schema) -> Schema:
    once = {name: schema["definitions"][name] for name, count in _uses(schema).items() if count == 1}

    def placed(tree: Any) -> Any:
        if isinstance(tree, list):
            return [placed(item) for item in tree]
        if not isinstance(tree, dict):
            return tree
        if str(tree.get("$ref")).rpartition("/")[2] in once:
            return placed(once[tree["$ref"].rpartition("/")[2]])
        return {key: placed(child) for key, child in tree.items()}

    kept = {name: definition for name, definition in schema["definitions"].items() if name not in once}
    made: Schema = placed(schema | {"definitions": kept})
    return made


def _shortly_named(schema: Schema) -> Schema:
    uses = _uses(schema)
    names = sorted(schema["definitions"].keys() - _KEPT, key=lambda name: (-uses[name], name))
    short = dict(zip(names, _LETTERS, strict=False))

    def named(found: re.Match[str]) -> str:
        return f'"$ref": "#/definitions/{short.get(found[1], found[1])}"'

    text = _REFERENCE.sub(named, json.dumps(schema))
    made: Schema = json.loads(text)
    made["definitions"] = {short.get(name, name): found for name, found in made["definitions"].items()}
    return made


def _uses(schema: Schema) -> Counter[str]:
    return Counter(_REFERENCE.findall(json.dumps(schema)))

"""Make docs/reference/events.schema.json from the types of the documents."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from sametag.output import shapes


def schema() -> dict[str, Any]:
    """Return the schema: a document is one of the shapes, and has nothing else."""
    types = get_args(shapes.Document)
    documents, shared = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for shape in shared.values():
        # A field that nobody has described must not be written.
        shape["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of a rollout",
        "description": "One line of sametag install, upgrade or rollback with -o json",
        "oneOf": list(documents),
        "$defs": shared,
    }

"""Read values exactly as Helm does, and remember where each was written."""

from sametag.values.layers import Values, coalesce, on_defaults
from sametag.values.paths import Path, get, has, known_part, path_text
from sametag.values.problem import Location, Problem, has_errors
from sametag.values.sources import Sources, from_text, from_tree, load, load_each

__all__ = [
    "Location",
    "Path",
    "Problem",
    "Sources",
    "Values",
    "coalesce",
    "from_text",
    "from_tree",
    "get",
    "has",
    "has_errors",
    "known_part",
    "load",
    "load_each",
    "on_defaults",
    "path_text",
]

"""Write values for Helm's standard input."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# What JSON may hold raw and YAML, as Helm reads it, may not, or takes for a line break.
_RAW = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"


def to_helm(tree: Mapping[str, Any]) -> bytes:
    """Return values as JSON that Helm reads back unchanged, for `--values -`.

    Helm refuses the surrogate pairs that `json.dumps` writes by default, so that text is UTF-8. Every number arrives as
    a float64, as from a values file: an int64 of `--set` beyond 2^53 loses digits.
    """
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub(_RAW, lambda found: f"\\u{ord(found[0]):04x}", text).encode()

"""Turn each failure of a schema into what it means, in the user's words.

The schema helps with keywords that every validator ignores or takes for documentation. `title` on an object is what it
is called (`a service`). `x-error` is a predicate that is read after the path when a keyword of the schema object beside
it fails (`must be a DNS label: …`), `x-remedy` is what to do instead. A key that is refused by its name has the schema
`{"not": {}, "x-error": …}`. The tests prove on both Helms that they ignore these keywords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.validation import alternatives, members
from sametag.validation.finding import Finding
from sametag.validation.single import explain_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sametag.validation.engine import Failure
    from sametag.validation.finding import Context

_SEVERAL: dict[str, Callable[[Context, Failure], Iterator[Finding | Failure]]] = {
    "additionalProperties": members.unknown_keys,
    "required": members.missing_keys,
    "dependencies": members.missing_dependencies,
    "anyOf": alternatives.narrow,
    "oneOf": alternatives.narrow,
}


def explain(context: Context, failure: Failure) -> Iterator[Finding]:
    """Yield what one failure means: several keys can be unknown or missing at once."""
    if failure.is_name:
        yield members.bad_name(failure)
    elif failure.keyword not in _SEVERAL:
        yield explain_value(context, failure)
    else:
        for found in _SEVERAL[failure.keyword](context, failure):
            if isinstance(found, Finding):
                yield found
            else:
                yield from explain(context, found)

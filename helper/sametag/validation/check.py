"""From values and a schema to problems: one for each cause, the first in the sources first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.validation import combined, halves, rules
from sametag.validation import engine as engines
from sametag.validation.ignore import silence
from sametag.validation.locate import place
from sametag.values import Problem, has_errors, on_defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sametag.validation.engine import Compiled, Engine, Failure, Schema, Validator
    from sametag.validation.finding import Finding
    from sametag.values import Path, Values

# The rules are about values such as these; another chart's may mean another thing.
_OURS = {"image", "defaults", "services"}


def validate(defaults: Values, user: Values, schema: Schema | None) -> list[Problem]:
    """Return everything that is wrong with the user's values of a chart, but for warnings that they silence.

    Values that cannot be read are not checked further: what is missing in them would be reported as missing.

    Args:
        defaults: The chart's values.yaml.
        user: What the user gave.
        schema: The chart's values.schema.json; None where it has none.
    """
    return checker(defaults, schema)(user)


def checker(
    defaults: Values, schema: Schema | None, release_name: str | None = None
) -> Callable[[Values], list[Problem]]:
    """Return a function that does what `validate` does, for many values of one chart: the schema is compiled once.

    Args:
        defaults: As in `validate`.
        schema: As in `validate`.
        release_name: The name of the release, which its objects are called after; None where it is not known.
    """
    compiled: Compiled = {}

    def validate_one(user: Values) -> list[Problem]:
        values = on_defaults(defaults, user)
        if has_errors(values.problems) or schema is None:
            return _quietly(values, silence(values, values.problems))
        found = check(values, schema, compiled=compiled, release_name=release_name)
        places = {problem.location for problem in found}
        # A warning where there is an error has the same cause: a key `on`, which Helm reads as true.
        read = (one for one in values.problems if one.location not in places)
        return _quietly(values, silence(values, [*read, *found]))

    return validate_one


def _quietly(values: Values, problems: Iterable[Problem]) -> list[Problem]:
    found = _sorted(values, problems)
    if not found:
        return found
    from sametag.validation.discreet import discreet

    return list(discreet(values, found))


def check(
    values: Values,
    schema: Schema,
    engine: Engine | None = None,
    compiled: Compiled | None = None,
    release_name: str | None = None,
) -> list[Problem]:
    """Return what a schema rejects in merged values, and what it cannot say.

    Args:
        values: The chart's defaults and the user's values, coalesced.
        schema: draft-07, with no references to other documents.
        engine: One of `engines`; the fastest that is installed when None.
        compiled: What was compiled for this schema before, to be used again.
        release_name: As in `checker`.
    """
    engine = engine or engines.best()
    compiled = {} if compiled is None else compiled
    judged = halves.whole(schema)
    try:
        validator = _compiled(judged, engine, compiled)
        failures = list(validator(values.tree))
    except engines.UnusableSchemaError as error:
        message, remedy = f"the chart's schema cannot be used here: {error}", "Helm will check the values against it"
        return [Problem("unusable-schema", "warning", "", None, message, remedy)]
    if not schema.get("properties", {}).keys() >= _OURS:
        found = _explained(values, judged, engine, compiled, failures) if failures else []
        return _sorted(values, place(values, found))
    together = combined.merged(values)
    after = list(validator(together.tree)) if together else []
    if together:
        failures = combined.not_cured(failures, together, after)
    if any(halves.is_default(failure.path) for failure in failures):
        failures = halves.without_halves(values, failures, _compiled(schema, engine, compiled))
    found = _explained(values, judged, engine, compiled, failures) if failures else []
    if together and (new := combined.failures(after, failures)):
        found += [_together(one) for one in _explained(together, judged, engine, compiled, new)]
    found += _beyond_the_schema(values, found, release_name)
    # Of a service that nobody meant nothing else is said.
    mistyped = {one.path for one in found if one.rule == "unknown-service"}
    if mistyped:
        found = [one for one in found if one.path in mistyped or one.path[:2] not in mistyped]
    if any(one.severity == "error" for one in found):
        # What is wrong may be where the services were meant to be.
        found = [one for one in found if one.rule != "no-services"]
    return _sorted(values, place(values, found))


def _compiled(schema: Schema, engine: Engine, compiled: Compiled) -> Validator:
    if id(schema) not in compiled:
        compiled[id(schema)] = engine(schema)
    return compiled[id(schema)]


def _together(finding: Finding) -> Finding:
    if finding.needs:
        return finding._replace(remedy=finding.remedy or "neither the service nor defaults have it")
    remedy = finding.remedy or "set to null what it has from defaults and must not have"
    return finding._replace(message=f"{finding.message}, together with defaults", remedy=remedy)


def _beyond_the_schema(values: Values, found: list[Finding], release_name: str | None) -> list[Finding]:
    """Return what the rules find, where the schema has not said already that something is wrong with it."""
    if not found:
        return list(rules.check(values, release_name=release_name))
    wrong = {_setting(finding.path) for finding in found}
    meant = frozenset(path for finding in found for path in finding.meant)
    return [one for one in rules.check(values, meant, release_name) if _setting(one.path) not in wrong]


def _setting(path: Path) -> Path:
    """Return the setting of a service, of `defaults` or of the image that a path is in."""
    return path[:3] if path[:1] == ("services",) else path[:2]


def _explained(
    values: Values, schema: Schema, engine: Engine, compiled: Compiled, failures: list[Failure]
) -> list[Finding]:
    # Valid values, which are most, do without these imports.
    from sametag.validation.entries import misplaced
    from sametag.validation.explain import explain
    from sametag.validation.finding import Context
    from sametag.validation.schema_tree import Shape

    context = Context(values, Shape(schema), engine, compiled)
    found = [finding for failure in failures for finding in explain(context, failure)]
    return misplaced(context, _causes(found))


def _causes(found: list[Finding]) -> list[Finding]:
    """Keep one finding for each cause."""
    meant = {path for finding in found for path in finding.meant}
    along = {prefix for path in meant for prefix in _prefixes(path)}
    unknown_in = {finding.path[:-1] for finding in found if finding.rule == "unknown-key"}
    causes: dict[Path, Finding] = {}
    for finding in sorted(found, key=_telling):
        # What is missing is not reported where an unknown key was meant to be it, to be in it, or to hold it; that no
        # alternative is there, where any key is unknown.
        if finding.rule == "no-alternative" and finding.path in unknown_in:
            continue
        if not any(need in along or not meant.isdisjoint(_prefixes(need)) for need in finding.needs):
            causes.setdefault(finding.path, finding)
    return list(causes.values())


def _telling(finding: Finding) -> tuple[object, ...]:
    return (finding.rank, finding.remedy is None, len(finding.message), finding.message, finding.remedy)


def _prefixes(path: Path) -> list[Path]:
    return [path[:depth] for depth in range(1, len(path) + 1)]


def _sorted(values: Values, problems: Iterable[Problem]) -> list[Problem]:
    """Errors first, then in the order of the sources and their lines."""
    order = {source: number for number, source in reversed(list(enumerate(values.sources())))}

    def place(problem: Problem) -> tuple[object, ...]:
        location = problem.location
        where = (order.get(location.source, 0), location.line or 0, location.column or 0) if location else (-1, 0, 0)
        return (problem.severity != "error", *where, problem.path, problem.rule, problem.message)

    return sorted(problems, key=place)

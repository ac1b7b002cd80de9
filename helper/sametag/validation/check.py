"""Values -> Problem: run the stages, keep one problem for each cause, and hide secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag import masking
from sametag.chart.service import Naming
from sametag.validation import defaults as halves
from sametag.validation import engine as engines
from sametag.validation import rules
from sametag.validation.ignore import silence
from sametag.validation.locate import place
from sametag.values import Problem, has_errors, on_defaults, path_text
from sametag.values.scalars import go_text, json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sametag.validation.engine import Compiled, Engine, Schema, SchemaError, Validator
    from sametag.validation.finding import Finding
    from sametag.values import Path, Values

# The rules are about this chart's values; another chart's can mean something else.
_OURS = {"image", "defaults", "services"}
# How `wording.got` describes a value.
_GOT = re.compile(r"(?:but Helm reads \S+ as|got) (the (?:string|number|boolean)) (?:\"(?:[^\"\\]|\\.)*\"|[^\s,]+)")

_UNKNOWN = Naming()

# Parts of a value that are too short to tell it from another word.
_TELLING = 4


def validate(defaults: Values, user: Values, schema: Schema | None) -> list[Problem]:
    """Return everything that is wrong with the user's values, except for silenced warnings.

    Values that cannot be read are not checked further: they are incomplete.

    Args:
        defaults: The chart's values.yaml.
        user: The user's values.
        schema: The chart's values.schema.json; None if it has none.
    """
    return checker(defaults, schema)(user)


def checker(
    defaults: Values, schema: Schema | None, release_name: str | None = None, within: str = ""
) -> Callable[[Values], list[Problem]]:
    """Return a `validate` for many values of one chart, which compiles the schema once.

    Args:
        defaults: As in `validate`.
        schema: As in `validate`.
        release_name: The name of the release, which object names start with; None if unknown.
        within: Where the chart is in a parent, such as `shop.`; empty for a chart of its own.
    """
    compiled: Compiled = {}

    def validate_one(user: Values) -> list[Problem]:
        values = on_defaults(defaults, user)
        if has_errors(values.problems) or schema is None:
            return _quietly(values, silence(values, values.problems))
        problems = check(values, schema, compiled=compiled, naming=Naming(release_name, within))
        places = {problem.location for problem in problems}
        # A warning at the place of an error has the same cause: a key `on`, which Helm reads as true.
        read = (problem for problem in values.problems if problem.location not in places)
        return _quietly(values, silence(values, [*read, *problems]))

    return validate_one


def _quietly(values: Values, problems: Iterable[Problem]) -> list[Problem]:
    in_order = _sorted(values, problems)
    return list(_without_secrets(values, in_order)) if in_order else []


def check(
    values: Values,
    schema: Schema,
    engine: Engine | None = None,
    compiled: Compiled | None = None,
    naming: Naming = _UNKNOWN,
) -> list[Problem]:
    """Return what the schema and the rules reject in merged values.

    Args:
        values: The chart's defaults and the user's values, coalesced.
        schema: draft-07, with no references to other documents.
        engine: One of `engines`; the fastest that is installed when None.
        compiled: What was compiled for this schema before, to be used again.
        naming: What object names start with.
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
    if not is_ours(schema):
        findings = _explained(values, judged, engine, compiled, failures) if failures else []
        return _sorted(values, place(values, findings))
    together = halves.merged(values)
    after = list(validator(together.tree)) if together else []
    if together:
        failures = halves.not_cured(failures, together, after)
    if any(halves.is_default(failure.path) for failure in failures):
        failures = halves.without_halves(values, failures, _compiled(schema, engine, compiled))
    findings = _explained(values, judged, engine, compiled, failures) if failures else []
    if together and (new := halves.failures(after, failures)):
        findings += [_together(finding) for finding in _explained(together, judged, engine, compiled, new)]
    findings += _beyond_the_schema(values, findings, naming)
    # Nothing else is reported about a mistyped service.
    mistyped = {finding.path for finding in findings if finding.rule == "unknown-service"}
    if mistyped:
        findings = [finding for finding in findings if finding.path in mistyped or finding.path[:2] not in mistyped]
    if any(finding.severity == "error" for finding in findings):
        # Another error can be why there are no services.
        findings = [finding for finding in findings if finding.rule != "no-services"]
    return _sorted(values, place(values, findings))


def is_ours(schema: Schema | None) -> bool:
    """Whether the schema is of a chart like this one, which the rules are about."""
    return bool(schema) and (schema or {}).get("properties", {}).keys() >= _OURS


def _compiled(schema: Schema, engine: Engine, compiled: Compiled) -> Validator:
    if id(schema) not in compiled:
        compiled[id(schema)] = engine(schema)
    return compiled[id(schema)]


def _together(finding: Finding) -> Finding:
    if finding.needs:
        return finding._replace(remedy=finding.remedy or "set it in the service or in defaults")
    remedy = finding.remedy or "set the inherited key to null"
    return finding._replace(message=f"{finding.message} (merged with defaults)", remedy=remedy)


def _beyond_the_schema(values: Values, findings: list[Finding], naming: Naming) -> list[Finding]:
    """Return what the rules find in settings that the schema accepts."""
    if not findings:
        return list(rules.check(values, naming=naming))
    wrong = {_setting(finding.path) for finding in findings}
    meant = frozenset(path for finding in findings for path in finding.meant)
    found = rules.check(values, meant, naming)
    return [finding for finding in found if _setting(finding.path) not in wrong]


def _setting(path: Path) -> Path:
    """Return the setting of a service, of `defaults` or of the image that a path is in."""
    return path[:3] if path[:1] == ("services",) else path[:2]


def _explained(
    values: Values, schema: Schema, engine: Engine, compiled: Compiled, failures: list[SchemaError]
) -> list[Finding]:
    # Valid values do not need these imports.
    from sametag.validation.explain import explain, misplaced
    from sametag.validation.finding import Context
    from sametag.validation.schema_tree import Shape

    context = Context(values, Shape(schema), engine, compiled)
    findings = [finding for failure in failures for finding in explain(context, failure)]
    return misplaced(context, _causes(findings))


def _causes(findings: list[Finding]) -> list[Finding]:
    """Keep one finding for each cause."""
    meant = {path for finding in findings for path in finding.meant}
    along = {prefix for path in meant for prefix in _prefixes(path)}
    unknown_in = {finding.path[:-1] for finding in findings if finding.rule == "unknown-key"}
    causes: dict[Path, Finding] = {}
    for finding in sorted(findings, key=_telling):
        # A missing key is not reported if an unknown key was meant to be it, to be in it, or to hold it; a missing
        # alternative is not reported if any key is unknown.
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


def _without_secrets(values: Values, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the problems; those about a secret, or about what it is in, without its value."""
    secrets = [(path_text(path), path, value) for path, value in masking.secrets(values.tree)]
    for problem in problems:
        message, remedy = problem.message, problem.remedy
        for name, path, value in secrets:
            if _is_about(problem.path, name):
                texts = list(_texts(values, path, value))
                message = _without(message, problem.path, texts, whole=problem.path == name)
                # A key that nothing reads is quoted only where it names a Secret: `tlsSecret: web-tls`.
                if not (problem.rule == "unknown-key" and problem.path == name):
                    remedy = remedy and _without(remedy, "", texts, whole=problem.path == name)
        yield problem._replace(message=masking.masked(message), remedy=remedy and masking.masked(remedy))


def _is_about(path: str, secret: str) -> bool:
    """Whether a problem's path is that of a secret, or of what it is in."""
    return not path or secret == path or secret.startswith((f"{path}.", f"{path}["))


def _texts(values: Values, path: Path, value: Any) -> Iterator[str]:
    """Yield the value as a message may have it: whole, cut, as it was written, and in words."""
    text = go_text(value) if isinstance(value, int | float) else str(value)
    for whole in (text, json_text(value), str(value), values.written(path) or "", text.strip()):
        yield whole
        yield whole[:59]
    yield from text.split()


def _without(text: str, path: str, secrets: Iterable[str], *, whole: bool) -> str:
    before, name, after = text.partition(path) if path else ("", "", text)
    if whole:
        after = _GOT.sub(rf"got \1 {masking.HIDDEN}", after)
    for secret in sorted(filter(None, set(secrets)), key=len, reverse=True):
        if len(secret) >= _TELLING:
            after = after.replace(secret, masking.HIDDEN)
        elif whole:
            after = re.sub(rf"(?<![\w(]){re.escape(secret)}(?![\w)])", masking.HIDDEN, after)
    return before + name + after.removesuffix(f': "{masking.HIDDEN}"')

"""Templates in extraObjects -> Problem: only Helm can run them, so Helm renders the values.

The templates are the strings with `{{`. Where they fail together, each is rendered without the others, so that every
mistake is reported at its entry.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from sametag.chart import defaults_of
from sametag.chart.manifest import documents, sourced
from sametag.errors import SametagError
from sametag.kube.objects import is_hook, key_of
from sametag.values import Problem, get, on_defaults, path_text
from sametag.values.merge import merge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from sametag.chart import Chart
    from sametag.kube.objects import Object
    from sametag.values import Path, Values

    #: Returns the manifests that Helm renders from values, or raises a `SametagError`.
    Render = Callable[[dict[str, Any]], Awaitable[str]]

_TEMPLATE = "/extraobjects.yaml"
# Where Helm's message comes to the point: the last of the templates that call each other.
_POINT = re.compile(r'template: gotpl:(\d+)(?::\d+)?: (?:executing "[^"]*" at <.*?>: )?')
_PREFIXES = re.compile(
    r"^(execution error at \([^)]*\): |YAML parse error on \S+: |error \w+ YAML to JSON: |yaml: )+(line \d+: )?"
)


def templates(chart: Chart, user: Values) -> list[Path]:
    """Return the paths of the templates in extraObjects, of the charts that the chart depends on too."""
    return list(_templates(chart, on_defaults(defaults_of(chart), user).tree, ()))


def _templates(chart: Chart, tree: Any, at: Path) -> Iterator[Path]:
    entries = get(tree, (*at, "extraObjects"))
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, str) and "{{" in entry:
            yield (*at, "extraObjects", index)
    for dependency in chart.dependencies:
        yield from _templates(dependency.chart, tree, (*at, dependency.name))


def untried(user: Values, paths: list[Path], reason: str) -> list[Problem]:
    """Return the warning that templates were not tried."""
    name = path_text(paths[0]) + (f" (and {len(paths) - 1} more)" if len(paths) > 1 else "")
    message = f"{name} is a template and was not tried: {reason}"
    where = user.locate_nearest(paths[0])
    return [Problem("untried-template", "warning", path_text(paths[0]), where, message, "only Helm can run templates")]


async def failures(render: Render, chart: Chart, user: Values, paths: list[Path], namespace: str) -> list[Problem]:
    """Return what is wrong with the templates.

    Args:
        render: Helm.
        chart: The chart.
        user: The user's values, which are right as far as can be told without Helm.
        paths: Those of the templates, one or more.
        namespace: The release's.
    """
    whole = on_defaults(defaults_of(chart), user).tree
    try:
        wrong = _objections(await render(user.tree), namespace)
    except SametagError as error:
        wrong = error.message
    if not wrong:
        return []
    found: list[Problem] = []
    for path in paths:
        try:
            reason = _objections(await render(_alone(user.tree, whole, paths, path)), namespace)
        except SametagError as error:
            reason = _reason(error.message, str(get(whole, path)))
        if reason:
            found.append(_problem(user, path, reason, str(get(whole, path))))
    where = user.locate_nearest(paths[0][:-1])
    return found or [
        Problem("failing-template", "error", path_text(paths[0][:-1]), where, f"Helm: {_reason(wrong, '')}")
    ]


def _alone(tree: dict[str, Any], whole: Any, paths: list[Path], kept: Path) -> dict[str, Any]:
    """Return the user's values without the other templates."""
    for at in {path[:-1] for path in paths}:
        entries = [
            entry for index, entry in enumerate(get(whole, at)) if (*at, index) == kept or (*at, index) not in paths
        ]
        under: Any = entries
        for part in reversed(at):
            under = {part: under}
        tree = merge(tree, under)
    return tree


def _objections(manifests: str, namespace: str) -> str:
    """Return what the API server or Helm would not take of rendered objects."""
    for source, document in documents(manifests):
        if source.endswith(_TEMPLATE) and document and (missing := _missing(document)):
            return f"renders an object without {missing}"
    rendered = [(source, key_of(obj, namespace), is_hook(obj)) for source, obj in sourced(manifests)]
    count = Counter((key, hook) for _, key, hook in rendered)
    for source, key, hook in rendered:
        if source.endswith(_TEMPLATE) and count[key, hook] > 1:
            return f"renders the {key}, which is there twice"
    return ""


def _missing(obj: Object) -> str | None:
    of_a_list = str(obj.get("kind")).endswith("List") and isinstance(obj.get("items"), list)
    for path in (("apiVersion",), ("kind",), *([] if of_a_list else [("metadata", "name")])):
        value = get(obj, path)
        if not isinstance(value, str) or not value:
            return path_text(path)
    return None


def _reason(message: str, text: str) -> str:
    """Return what Helm's message says of a template, without how Helm came to it."""
    line = message.partition("\n")[0]
    points = list(_POINT.finditer(line))
    if not points:
        return _PREFIXES.sub("", line)
    where = f" (line {points[-1][1]} of the template)" if "\n" in text.strip() else ""
    said = re.sub(
        r'error calling include: template: no template ("[^"]*") .*',
        r"there is no template \1",
        line[points[-1].end() :],
    )
    return f"{said}{where}"


def _problem(user: Values, path: Path, reason: str, text: str) -> Problem:
    name, where = path_text(path), user.locate_key(path) or user.locate_nearest(path)
    if reason.startswith("renders "):
        return Problem("failing-template", "error", name, where, f"{name} {reason}")
    if re.search(r"\blookup\b", text):
        # Without a cluster it finds nothing.
        message = f"{name} was not tried: it looks into the cluster, and fails without one: {reason}"
        return Problem("untried-template", "warning", name, where, message)
    return Problem("failing-template", "error", name, where, f"{name} cannot be rendered: {reason}")

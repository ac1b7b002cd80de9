"""Find the chart: the one that came with sametag, a folder, or an archive.

Every `sametag validate` reads one, so this does without dataclasses and pathlib, which cost a fifth of it to import.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.errors import UsageError

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable, Iterable, Iterator

    from sametag.values import Values

# The package: in a wheel, it contains the chart.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The slashes in charts/NAME/Chart.yaml.
_OF_A_SUBCHART = 2
# An archive member larger than this is not a Chart.yaml, values.yaml or schema; Helm's own limit for one file is 5 MiB.
_MEMBER_LIMIT = 5 * 1024 * 1024


class Chart(NamedTuple):
    """A chart on disk.

    Attributes:
        path: The directory or .tgz that is passed to Helm.
        name: From Chart.yaml.
        version: From Chart.yaml.
        defaults: The text of values.yaml; empty if the chart has none.
        schema: values.schema.json; None if the chart has none.
        dependencies: The charts under charts/, by the names that they have in the values.
    """

    path: str
    name: str
    version: str
    defaults: str
    schema: dict[str, Any] | None
    dependencies: tuple[Dependency, ...] = ()

    def __repr__(self) -> str:
        return f"<Chart {self.name} {self.version} in {self.path}>"


def defaults_of(chart: Chart) -> Values:
    """Read the default values of a chart, with their locations."""
    from sametag import values

    return values.from_text(chart.defaults, f"{chart.path}/values.yaml")


class Dependency(NamedTuple):
    """A chart that another one depends on.

    Attributes:
        name: Its alias, or else its name: the key of its values.
        chart: The chart.
        conditions: Paths in the values; the first that is a boolean enables or disables it.
        tags: Names under `tags` in the values, which apply if no condition does.
        imports: Pairs of paths that `import-values` copies: in the values of the dependency, and in those of the chart.
    """

    name: str
    chart: Chart
    conditions: tuple[str, ...]
    tags: tuple[str, ...]
    imports: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()


def bundled() -> str:
    """Return the directory of the chart that comes with this version of sametag."""
    inside_the_wheel = os.path.join(_PACKAGE, "_chart")
    if os.path.isdir(inside_the_wheel):
        return inside_the_wheel
    return os.path.join(os.path.dirname(os.path.dirname(_PACKAGE)), "chart")


def described_schema() -> str:
    """Return the schema of the bundled chart with every description, for editors; releases store a smaller one."""
    text = _member_of_folder(_PACKAGE, "values.schema.json")
    return text or _member_of_folder(os.path.join(bundled(), "../docs/reference"), "values.schema.json") or ""


def pinned(image: dict[str, Any]) -> dict[str, Any]:
    """Return the values' `image`, with a digest in its tag (`1.0@sha256:…`) moved to `digest` (chart: _image.tpl)."""
    tag, at, digest = str(image.get("tag") or "").partition("@")
    return {**image, "tag": tag, "digest": digest} if at else image


def is_remote(reference: str) -> bool:
    """Whether Helm has to download this chart before it can be read."""
    return reference.startswith(("oci://", "http://", "https://"))


def load(reference: str | None) -> Chart:
    """Read a chart.

    Args:
        reference: A directory or a .tgz; None for the chart that comes with sametag.

    Raises:
        UsageError: The chart does not exist or cannot be read.
    """
    path = os.path.normpath(reference) if reference else bundled()
    if os.path.isdir(path):
        return _chart(path, lambda name: _member_of_folder(path, name), lambda: _beside(path))
    if os.path.isfile(path):
        return _from_archive(path)
    raise UsageError(f"no chart at {path}", "--chart takes a folder, a .tgz or oci://…")


def _member_of_folder(folder: str, name: str) -> str | None:
    file = os.path.join(folder, name)
    if not os.path.isfile(file):
        return None
    with open(file, encoding="utf-8") as stream:
        return stream.read()


def _from_archive(path: str) -> Chart:
    import tarfile

    try:
        with tarfile.open(path, "r:gz") as archive:
            # The chart's own files are in the one top directory; those of dependencies are deeper.
            members = {name: m for m in archive.getmembers() if (name := m.name.partition("/")[2])}
            return _packed(path, lambda name: _member_of_archive(archive, members.get(name)), list(members))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UsageError(f"{path} is not a chart archive: {error}") from error


def _member_of_archive(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> str | None:
    if member is None or not member.isfile() or member.size > _MEMBER_LIMIT:
        return None
    stream = archive.extractfile(member)
    return stream.read().decode() if stream else None


def _packed(path: str, read: Callable[[str], str | None], names: list[str]) -> Chart:
    """Read a chart of an archive, and the charts that are packed under its charts/."""

    def inner() -> Iterator[Chart]:
        for name in names:
            if name.startswith("charts/") and name.count("/") == _OF_A_SUBCHART and name.endswith("/Chart.yaml"):
                folder = name.removesuffix("Chart.yaml")
                below = [one.removeprefix(folder) for one in names if one.startswith(folder)]
                yield _packed(path, lambda one, folder=folder: read(folder + one), below)  # type: ignore[misc]

    return _chart(path, read, inner)


def _beside(path: str) -> Iterator[Chart]:
    """Read the charts in the folder charts/ of a chart."""
    folder = os.path.join(path, "charts")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        inner = os.path.join(folder, name)
        if name.endswith(".tgz") or os.path.isfile(os.path.join(inner, "Chart.yaml")):
            yield load(inner)


def _chart(path: str, read: Callable[[str], str | None], inner: Callable[[], Iterable[Chart]]) -> Chart:
    name, version, wanted = _metadata(path, read("Chart.yaml"))
    schema = read("values.schema.json")
    dependencies = tuple(_dependencies(wanted, inner())) if wanted else ()
    try:
        schema = json.loads(schema) if schema else None
        return Chart(path, name, version, read("values.yaml") or "", schema, dependencies)
    except ValueError as error:
        raise UsageError(f"the values.schema.json of {path} is not JSON: {error}") from error


def _dependencies(wanted: list[Any], charts: Iterable[Chart]) -> Iterator[Dependency]:
    """Yield the dependencies that are in Chart.yaml and in charts/; one chart may have several names."""
    by_name = {chart.name: chart for chart in charts}
    for entry in wanted:
        name = str(entry.get("name")) if isinstance(entry, dict) else ""
        if name in by_name:
            conditions = tuple(filter(None, str(entry.get("condition") or "").replace(" ", "").split(",")))
            tags = tuple(map(str, entry.get("tags") or ()))
            imports = tuple(_imports(entry.get("import-values")))
            yield Dependency(str(entry.get("alias") or name), by_name[name], conditions, tags, imports)


def _imports(entries: Any) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield pairs of paths: `{child: a.b, parent: c}`, or `name` for `exports.name` and the root."""
    for entry in entries if isinstance(entries, list) else ():
        both = entry if isinstance(entry, dict) else {"child": f"exports.{entry}"}
        child, parent = (tuple(filter(None, str(both.get(key) or "").split("."))) for key in ("child", "parent"))
        yield child, parent


def _metadata(path: str, text: str | None) -> tuple[str, str, list[Any]]:
    if text is None:
        raise UsageError(f"no chart at {path}: Chart.yaml is missing", "--chart takes a folder, a .tgz or oci://…")
    import yaml

    try:
        # libyaml, if available, takes a tenth of the time.
        metadata = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
        wanted = metadata.get("dependencies")
        return str(metadata["name"]), str(metadata["version"]), wanted if isinstance(wanted, list) else []
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise UsageError(f"the Chart.yaml of {path} has no name or version") from error

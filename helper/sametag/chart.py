"""Find the chart: the one that came with sametag, a folder, or an archive."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sametag.errors import UsageError

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable

# An archive member larger than this is no Chart.yaml, values.yaml or schema; Helm's own limit for one file is 5 MiB.
_MEMBER_LIMIT = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart on disk.

    Attributes:
        path: The folder or the .tgz that Helm is given.
        name: From Chart.yaml.
        version: From Chart.yaml.
        defaults: The text of values.yaml; empty where the chart has none.
        schema: values.schema.json; None where the chart has none.
    """

    path: Path
    name: str
    version: str
    defaults: str
    schema: dict[str, Any] | None


def bundled() -> Path:
    """Return the folder of the chart that came with this version of sametag."""
    here = Path(__file__).parent
    inside_the_wheel = here / "chart"
    return inside_the_wheel if inside_the_wheel.is_dir() else here.parents[1] / "chart"


def is_remote(reference: str) -> bool:
    """Whether Helm has to fetch this chart before it can be read."""
    return reference.startswith(("oci://", "http://", "https://"))


def load(reference: str | None) -> Chart:
    """Read a chart.

    Args:
        reference: A folder or a .tgz; None for the chart that came with sametag.

    Raises:
        UsageError: There is no chart there, or it cannot be read.
    """
    path = Path(reference) if reference else bundled()
    if path.is_dir():
        return _chart(path, lambda name: _member_of_folder(path, name))
    if path.is_file():
        return _from_archive(path)
    raise UsageError(f"no chart at {path}", "--chart takes a folder, a .tgz or oci://…")


def _member_of_folder(folder: Path, name: str) -> str | None:
    file = folder / name
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _from_archive(path: Path) -> Chart:
    import tarfile

    try:
        with tarfile.open(path, "r:gz") as archive:
            # The chart's own files are in the one top folder; a dependency's are deeper.
            members = {name: m for m in archive.getmembers() if (name := m.name.partition("/")[2])}
            return _chart(path, lambda name: _member_of_archive(archive, members.get(name)))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UsageError(f"{path} is not a chart archive: {error}") from error


def _member_of_archive(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> str | None:
    if member is None or not member.isfile() or member.size > _MEMBER_LIMIT:
        return None
    stream = archive.extractfile(member)
    return stream.read().decode() if stream else None


def _chart(path: Path, read: Callable[[str], str | None]) -> Chart:
    name, version = _metadata(path, read("Chart.yaml"))
    schema = read("values.schema.json")
    try:
        return Chart(path, name, version, read("values.yaml") or "", json.loads(schema) if schema else None)
    except ValueError as error:
        raise UsageError(f"the values.schema.json of {path} is not JSON: {error}") from error


def _metadata(path: Path, text: str | None) -> tuple[str, str]:
    if text is None:
        raise UsageError(f"no chart at {path}: there is no Chart.yaml", "--chart takes a folder, a .tgz or oci://…")
    import yaml

    try:
        metadata = yaml.safe_load(text)
        return str(metadata["name"]), str(metadata["version"])
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise UsageError(f"the Chart.yaml of {path} has no name and version") from error

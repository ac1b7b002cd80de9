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
    from collections.abc import Callable

# An archive member larger than this is no Chart.yaml, values.yaml or schema; Helm's own limit for one file is 5 MiB.
_MEMBER_LIMIT = 5 * 1024 * 1024


class Chart(NamedTuple):
    """A chart on disk.

    Attributes:
        path: The folder or the .tgz that Helm is given.
        name: From Chart.yaml.
        version: From Chart.yaml.
        defaults: The text of values.yaml; empty where the chart has none.
        schema: values.schema.json; None where the chart has none.
    """

    path: str
    name: str
    version: str
    defaults: str
    schema: dict[str, Any] | None


def bundled() -> str:
    """Return the folder of the chart that came with this version of sametag."""
    here = os.path.dirname(os.path.abspath(__file__))
    inside_the_wheel = os.path.join(here, "chart")
    if os.path.isdir(inside_the_wheel):
        return inside_the_wheel
    return os.path.join(os.path.dirname(os.path.dirname(here)), "chart")


def described_schema() -> str:
    """Return the schema of the bundled chart with every description, for editors: 200 kB that no release carries."""
    here = os.path.dirname(os.path.abspath(__file__))
    text = _member_of_folder(here, "values.schema.json")
    return text or _member_of_folder(os.path.join(bundled(), "../docs/reference"), "values.schema.json") or ""


def pinned(image: dict[str, Any]) -> dict[str, Any]:
    """Return the values' `image` with the digest behind its tag (`1.0@sha256:…`) in `digest` (chart: _image.tpl)."""
    tag, at, digest = str(image.get("tag") or "").partition("@")
    return {**image, "tag": tag, "digest": digest} if at else image


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
    path = os.path.normpath(reference) if reference else bundled()
    if os.path.isdir(path):
        return _chart(path, lambda name: _member_of_folder(path, name))
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


def _chart(path: str, read: Callable[[str], str | None]) -> Chart:
    name, version = _metadata(path, read("Chart.yaml"))
    schema = read("values.schema.json")
    try:
        return Chart(path, name, version, read("values.yaml") or "", json.loads(schema) if schema else None)
    except ValueError as error:
        raise UsageError(f"the values.schema.json of {path} is not JSON: {error}") from error


def _metadata(path: str, text: str | None) -> tuple[str, str]:
    if text is None:
        raise UsageError(f"no chart at {path}: there is no Chart.yaml", "--chart takes a folder, a .tgz or oci://…")
    import yaml

    try:
        # libyaml, where it is there, takes a tenth of the time.
        metadata = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
        return str(metadata["name"]), str(metadata["version"])
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise UsageError(f"the Chart.yaml of {path} has no name and version") from error

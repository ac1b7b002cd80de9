"""The objects of a rendered manifest, read as Helm reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sametag import values
from sametag.kube.objects import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.kube.objects import Key, Object

# Where Helm itself cuts a manifest. Source: helm.sh/helm/v4/pkg/release/v1/util, SplitManifests
_BORDER = re.compile(r"(?:^|\s*\n)---\s*")

# The first line of each document that Helm renders: the template that made it.
_SOURCE = re.compile(r"# Source: (\S+)")


def parse(manifest: str, namespace: str, having: re.Pattern[str] | None = None) -> dict[Key, Object]:
    """Return the objects of a manifest by key, in Helm's order.

    Args:
        manifest: A YAML stream, as Helm renders and stores it.
        namespace: The release's; objects that name no namespace are in this one.
        having: Only documents whose text contains this are read: reading the others costs time.
    """
    return {key_of(item, namespace): item for item in objects(manifest, having)}


def objects(manifest: str, having: re.Pattern[str] | None = None) -> Iterator[Object]:
    """Yield the objects of a manifest in Helm's order, and those of a list one by one; see `parse`."""
    for _, item in sourced(manifest, having):
        yield item


def sourced(manifest: str, having: re.Pattern[str] | None = None) -> Iterator[tuple[str, Object]]:
    """Yield each object of a manifest with the path of its template, which is empty if unknown; see `parse`."""
    for source, document in documents(manifest, having):
        for item in _flattened(document):
            yield source, item


def documents(manifest: str, having: re.Pattern[str] | None = None) -> Iterator[tuple[str, Object]]:
    """Yield each document with the path of its template, also if it is not an object; see `parse`."""
    for text in _BORDER.split(manifest):
        if text.strip() and (having is None or having.search(text)):
            source = _SOURCE.match(text)
            yield source[1] if source else "", values.from_text(text, "manifest").tree


def _flattened(document: Object) -> Iterator[Object]:
    """Yield an object, or the objects of a list, which Helm applies one by one."""
    kind, items = str(document.get("kind") or ""), document.get("items")
    if kind.endswith("List") and isinstance(items, list):
        for item in items:
            if isinstance(item, dict):
                yield from _flattened(item)
    elif kind:
        yield document

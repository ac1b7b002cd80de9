"""Rules about the one image, and about the names and hosts of all services together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import listed, mapping, maps, string, strings
from sametag.validation.finding import RuleHit
from sametag.validation.rules.made import of_entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Release, Service
    from sametag.values import Path

# What YAML does not read as a string (_checks.tpl has the same list).
_NO_TEXTS = ("true", "false", "yes", "no", "on", "off", "y", "n", "null")
# A label's value, and a StatefulSet's or CronJob's name, whose pods and Jobs get a suffix.
_RELEASE = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LONGEST_RELEASE = 53
_LONGEST, _LONGEST_WITH_SUFFIX = 63, 52


def latest_tag(release: Release) -> Iterator[RuleHit]:
    """A tag that moves cannot be rolled back to."""
    image = mapping(release.values.tree.get("image"))
    if image.get("tag") == "latest" and not image.get("digest"):
        text = "is latest, which changes with every push: nothing can be rolled back to it"
        yield RuleHit(("image", "tag"), text, "use a tag that never changes")
    for name, service in release.services.items():
        for path, container in service.helpers():
            own_image = container.get("image")
            if isinstance(own_image, str) and _is_latest(own_image):
                text = f"is {own_image}, which changes with every push"
                yield RuleHit(("services", name, *path, "image"), text, "use a tag that never changes")


def _is_latest(image: str) -> bool:
    tag = image.rpartition("/")[2].partition(":")[2]
    return bool(image) and "@" not in image and tag in ("", "latest")


def contradicting_digest(release: Release) -> Iterator[RuleHit]:
    """The digest decides which image is pulled; a tag that does not match it is misleading."""
    image = mapping(release.values.tree.get("image"))
    tag, digest = image.get("tag"), image.get("digest")
    if not (isinstance(tag, str) and tag and isinstance(digest, str) and digest):
        return
    remedy = "set image.digest to the digest of that tag, or to null"
    named = tag.partition("@")[2]
    if named and named != digest:
        yield RuleHit(("image", "tag"), "has a different digest than image.digest", "remove one of them")
        return
    if re.fullmatch("sha256-[0-9a-f]{64}", tag) and tag.replace("-", ":") != digest:
        yield RuleHit(("image", "tag"), f"is {tag}, but image.digest is {digest}, which takes precedence", remedy)
    elif _is_newer(release, tag):
        text = f"is {tag}, but image.digest takes precedence and still belongs to another tag: nothing would change"
        yield RuleHit(("image", "tag"), text, remedy)


def _is_newer(release: Release, tag: str) -> bool:
    """Whether a later source than the digest's changes the tag; the command line counts as one source."""
    ranks = {"tag": -1, "digest": -1}
    before = None
    for rank, layer in enumerate(release.values.layers):
        for key in ranks:
            where = layer.locate(("image", key))
            if where is not None:
                ranks[key] = len(release.values.layers) if where.option else rank
                if key == "digest":
                    before = mapping(mapping(getattr(layer, "tree", None)).get("image")).get("tag")
    return ranks["tag"] > ranks["digest"] > -1 and before != tag


def repeated_secret(release: Release) -> Iterator[RuleHit]:
    """Kubernetes rejects two pull secrets with the same name."""
    from sametag.validation.rules.containers import repeats

    image = mapping(release.values.tree.get("image"))
    yield from repeats(("image", "pullSecrets"), image.get("pullSecrets"), ("name",))


def shared_account(release: Release) -> Iterator[RuleHit]:
    """Services that share a ServiceAccount cannot give it different annotations."""
    known: dict[tuple[str, str], tuple[str, Any]] = {}
    for name, service in sorted(release.services.items()):
        account = service.get("serviceAccount", "name") or service.fullname
        for key, value in service.map("serviceAccount", "annotations").items():
            if value is None:
                continue
            other, first = known.setdefault((account, key), (name, value))
            if first != value:
                message = f"services.{other} and services.{name} share the ServiceAccount {account}"
                message += f" and disagree about its annotation {key}: {first} and {value}"
                path = ("services", name, "serviceAccount", "annotations", key)
                yield RuleHit(
                    path, remedy="use the same value in both, or name the accounts differently", message=message
                )


def too_long_name(release: Release) -> Iterator[RuleHit]:
    """Kubernetes rejects a name that is too long for a label, or for a suffix of a StatefulSet or CronJob."""
    for name, service in release.services.items():
        fullname = service.fullname.replace("<release>", "r")
        longest = _LONGEST if service.kind in ("Deployment", "DaemonSet") else _LONGEST_WITH_SUFFIX
        if len(fullname) > longest:
            yield _too_long(name, (), service.kind, service.fullname, longest)
            continue
        for kind, setting, entry in of_entries(service):
            if len(f"{fullname}-{entry}") > _LONGEST:
                yield _too_long(name, (setting, entry), kind, f"{service.fullname}-{entry}", _LONGEST)


def _too_long(name: str, path: Path, kind: str, made: str, longest: int) -> RuleHit:
    message = f"services.{name}: the name of its {kind}, {made}, is longer than {longest} characters"
    return RuleHit(("services", name, *path), remedy="shorten it or namePrefix", at_key=True, message=message)


def release_name(release: Release) -> Iterator[RuleHit]:
    """A release name must be valid for Helm and for the objects that start with it."""
    name = release.naming.release
    if name is None:
        return
    if len(name) > _LONGEST_RELEASE or not re.fullmatch(_RELEASE, name):
        message = f"{name} is not a valid release name: use lower-case letters, digits and '-', at most 53"
        yield RuleHit((), remedy="choose another name", message=message)
    elif not isinstance(release.values.tree.get("namePrefix"), str) and not re.fullmatch("[a-z][a-z0-9-]*", name):
        message = f"the object names start with the release name {name}: it must start with a letter and have no dot"
        yield RuleHit((), remedy="choose another name, or set namePrefix", message=message)


def boolean_like_name(release: Release) -> Iterator[RuleHit]:
    """YAML reads no, on and the like as booleans, also in names."""
    for name in release.services:
        if f"{release.prefix}{name}" in _NO_TEXTS:
            message = f"services.{name}: YAML does not read the name {release.prefix}{name} as a string"
            yield RuleHit(
                ("services", name), remedy="rename it, or set another namePrefix", at_key=True, message=message
            )


def unknown_service(service: Service) -> Iterator[RuleHit]:
    """A network policy that refers to an unknown service opens nothing."""
    policy = service.map("networkPolicy")
    if policy.get("enabled") is False:
        return
    for key in ("allowFrom", "allowTo") if service.map("ports") else ("allowTo",):
        for index, name in strings(policy.get(key)):
            if name not in service.names:
                known = listed("services", service.names)
                message = f"{{service}}.networkPolicy.{key} refers to unknown service {name} {known}"
                yield RuleHit(("networkPolicy", key, index), message=message)


def duplicate_host(release: Release) -> Iterator[RuleHit]:
    """If two services claim the same host and path, it is undefined which one gets a request."""
    owners: dict[tuple[str, str, str], str] = {}
    for name, service in release.services.items():
        for path, *wanted in _outside(service) if not service.merged.keys().isdisjoint(("ingress", "route")) else ():
            first = owners.setdefault((wanted[0], wanted[1], wanted[2]), name)
            if first != name:
                text = f"is {wanted[1]}, whose path {wanted[2]} already goes to services.{first}"
                yield RuleHit(("services", name, *path), text, "use a different host or path for one of them")


def _outside(service: Service) -> Iterator[tuple[Path, str, str, str]]:
    ingress, route = service.map("ingress"), service.map("route")
    for index, host in strings(ingress.get("hosts")):
        for _, path in strings(ingress.get("paths") or ["/"]):
            kind = f"{string(ingress.get('ingressClassName'))} {string(ingress.get('pathType'), 'Prefix')}"
            yield ("ingress", "hosts", index), kind, host, path
    if string(route.get("kind"), "HTTPRoute") == "HTTPRoute":
        gateways = " ".join(_gateway(reference) for _, reference in maps(route.get("parentRefs")))
        for index, host in strings(route.get("hostnames")):
            for _, path in strings(route.get("paths") or ["/"]):
                yield ("route", "hostnames", index), gateways, host, path


def _gateway(reference: dict[str, Any]) -> str:
    return "/".join(str(reference.get(key, "")) for key in ("namespace", "name", "sectionName", "port"))

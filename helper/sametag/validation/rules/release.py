"""Rules about all services together, and about the one image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import listed, mapping, maps, text, texts
from sametag.validation.finding import RuleHit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Release, Service
    from sametag.values import Path

# Kinds of objects that the chart makes of the entries of a setting.
_MADE = (("ConfigMap", "config"), ("Secret", "secrets"), ("PersistentVolumeClaim", "volumes"))
# What YAML reads as something else than text (_checks.tpl has the same).
_NO_TEXTS = ("true", "false", "yes", "no", "on", "off", "y", "n", "null")
# A label's value, and a StatefulSet's or CronJob's name, whose pods and Jobs get a suffix.
_RELEASE = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LONGEST_RELEASE = 53
_LONGEST, _LONGEST_WITH_SUFFIX = 63, 52


def latest_tag(release: Release) -> Iterator[RuleHit]:
    """A tag that moves cannot be rolled back to."""
    image = mapping(release.values.tree.get("image"))
    if image.get("tag") == "latest" and not image.get("digest"):
        says = "latest names another image whenever one is pushed, so that nothing can be rolled back to it"
        yield RuleHit(("image", "tag"), says, "use a tag that never moves")
    for name, service in release.services.items():
        for path, container in service.helpers():
            image_of_its_own = container.get("image")
            if isinstance(image_of_its_own, str) and _is_latest(image_of_its_own):
                says = f"is {image_of_its_own}, which is another image whenever one is pushed"
                yield RuleHit(("services", name, *path, "image"), says, "give it a tag that never moves")


def _is_latest(image: str) -> bool:
    tag = image.rpartition("/")[2].partition(":")[2]
    return bool(image) and "@" not in image and tag in ("", "latest")


def contradicting_digest(release: Release) -> Iterator[RuleHit]:
    """The digest decides which image is pulled: with another tag beside it, every service claims what it is not."""
    image = mapping(release.values.tree.get("image"))
    tag, digest = image.get("tag"), image.get("digest")
    if not (isinstance(tag, str) and tag and isinstance(digest, str) and digest):
        return
    remedy = "give the digest of that tag as well, or set image.digest to null"
    named = tag.partition("@")[2]
    if named and named != digest:
        yield RuleHit(("image", "tag"), "has another digest than image.digest", "remove one")
        return
    if re.fullmatch("sha256-[0-9a-f]{64}", tag) and tag.replace("-", ":") != digest:
        yield RuleHit(("image", "tag"), f"is {tag}, and image.digest is {digest}, which decides", remedy)
    elif _is_newer(release, tag):
        says = f"is {tag}, and image.digest, which decides, is still that of another tag: nothing would move"
        yield RuleHit(("image", "tag"), says, remedy)


def _is_newer(release: Release, tag: str) -> bool:
    """Whether a later source than the digest's changes the tag; the command line is one source."""
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
    """Kubernetes refuses two pull secrets of one name."""
    from sametag.validation.rules.containers import repeats

    image = mapping(release.values.tree.get("image"))
    yield from repeats(("image", "pullSecrets"), image.get("pullSecrets"), ("name",))


def shared_account(release: Release) -> Iterator[RuleHit]:
    """Services that share a ServiceAccount cannot each have another one."""
    known: dict[tuple[str, str], tuple[str, Any]] = {}
    for name, service in sorted(release.services.items()):
        account = service.get("serviceAccount", "name") or service.fullname
        for key, value in service.map("serviceAccount", "annotations").items():
            if value is None:
                continue
            other, first = known.setdefault((account, key), (name, value))
            if first != value:
                whole = f"services.{other} and services.{name} share the ServiceAccount {account}"
                whole += f" and disagree about its annotation {key}: {first} and {value}"
                path = ("services", name, "serviceAccount", "annotations", key)
                yield RuleHit(path, remedy="give both the same, or one of them another name", message=whole)


def same_object(release: Release) -> Iterator[RuleHit]:
    """Of two objects of one kind and name Helm keeps the last, and says nothing."""
    owners: dict[tuple[str, str], str] = {}
    for name, service in release.services.items():
        for kind, path, made in _named(service):
            first = owners.setdefault((kind, made), name)
            if first != name:
                full = f"{'<release>-' if release.prefix is None else release.prefix}{made}"
                whole = f"services.{first} and services.{name} both make the {kind} {full}"
                yield RuleHit(("services", name, *path), remedy="rename one", at_key=True, message=whole)
    for name, service in release.services.items():
        if service.kind == "StatefulSet" and not (service.map("ports") and service.get("service", "headless")):
            other = f"{name}-headless"
            if other in release.services:
                whole = f"services.{name} and services.{other} both make the Service {service.fullname}-headless"
                yield RuleHit(("services", other), remedy="rename one", at_key=True, message=whole)


def _named(service: Service) -> Iterator[tuple[str, Path, str]]:
    """Yield kind, path and name, without the prefix, of the objects that are called after a service and an entry."""
    for kind, setting in _MADE:
        if setting not in service.merged:
            continue
        for entry, one in service.map(setting).items():
            makes = mapping(one).get("claim") if setting == "volumes" else not mapping(one).get("existing")
            if makes and not (setting == "volumes" and service.kind == "StatefulSet"):
                yield kind, (setting, entry), f"{service.name}-{entry}"


def too_long_name(release: Release) -> Iterator[RuleHit]:
    """A name longer than a label is refused; of a StatefulSet or CronJob, what it makes with a suffix is."""
    for name, service in release.services.items():
        fullname = service.fullname.replace("<release>", "r")
        longest = _LONGEST if service.kind in ("Deployment", "DaemonSet") else _LONGEST_WITH_SUFFIX
        if len(fullname) > longest:
            yield _too_long(name, (), service.kind, service.fullname, longest)
            continue
        for kind, path, made in _named(service):
            suffix = made.removeprefix(name)
            if len(fullname + suffix) > _LONGEST:
                yield _too_long(name, path, kind, service.fullname + suffix, _LONGEST)


def _too_long(name: str, path: Path, kind: str, made: str, longest: int) -> RuleHit:
    whole = f"services.{name}: the name of its {kind}, {made}, is longer than {longest} characters"
    return RuleHit(("services", name, *path), remedy="shorten it, or namePrefix", at_key=True, message=whole)


def release_name(release: Release) -> Iterator[RuleHit]:
    """Helm takes no other names for a release, and its objects begin with it."""
    name = release.name
    if name is None:
        return
    if len(name) > _LONGEST_RELEASE or not re.fullmatch(_RELEASE, name):
        whole = f"{name} cannot be the name of a release: Helm takes lower-case letters, digits and '-', at most 53"
        yield RuleHit((), remedy="choose another name", message=whole)
    elif not isinstance(release.values.tree.get("namePrefix"), str) and not re.fullmatch("[a-z][a-z0-9-]*", name):
        whole = f"the objects of the release {name} are called after it, and need a letter first and no dot"
        yield RuleHit((), remedy="choose another name, or set namePrefix", message=whole)


def no_text(release: Release) -> Iterator[RuleHit]:
    """YAML reads no, on and the like as true and false, also in names."""
    for name in release.services if release.prefix is not None else ():
        if f"{release.prefix}{name}" in _NO_TEXTS:
            whole = f"services.{name}: YAML takes the name {release.prefix}{name} for another thing"
            yield RuleHit(
                ("services", name), remedy="choose another, or another namePrefix", at_key=True, message=whole
            )


def unknown_service(service: Service) -> Iterator[RuleHit]:
    """A network policy that names no service opens nothing."""
    policy = service.map("networkPolicy")
    if policy.get("enabled") is False:
        return
    for key in ("allowFrom", "allowTo") if service.map("ports") else ("allowTo",):
        for index, name in texts(policy.get(key)):
            if name not in service.names:
                whole = f"{{service}}.networkPolicy.{key} names {name}, which is no service {listed(service.names)}"
                yield RuleHit(("networkPolicy", key, index), message=whole)


def contested_host(release: Release) -> Iterator[RuleHit]:
    """Which of two services gets a request that both want, nobody can tell."""
    owners: dict[tuple[str, str, str], str] = {}
    for name, service in release.services.items():
        for path, *wanted in _outside(service) if not service.merged.keys().isdisjoint(("ingress", "route")) else ():
            first = owners.setdefault((wanted[0], wanted[1], wanted[2]), name)
            if first != name:
                says = f"is {wanted[1]}, whose {wanted[2]} goes to services.{first} already"
                yield RuleHit(("services", name, *path), says, "give one of them another host or path")


def _outside(service: Service) -> Iterator[tuple[Path, str, str, str]]:
    ingress, route = service.map("ingress"), service.map("route")
    for index, host in texts(ingress.get("hosts")):
        for _, path in texts(ingress.get("paths") or ["/"]):
            kind = f"{text(ingress.get('ingressClassName'))} {text(ingress.get('pathType'), 'Prefix')}"
            yield ("ingress", "hosts", index), kind, host, path
    if text(route.get("kind"), "HTTPRoute") == "HTTPRoute":
        gateways = " ".join(_gateway(reference) for _, reference in maps(route.get("parentRefs")))
        for index, host in texts(route.get("hostnames")):
            for _, path in texts(route.get("paths") or ["/"]):
                yield ("route", "hostnames", index), gateways, host, path


def _gateway(reference: dict[str, Any]) -> str:
    return "/".join(str(reference.get(key, "")) for key in ("namespace", "name", "sectionName", "port"))

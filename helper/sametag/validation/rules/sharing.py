"""Rules about what the services of a release share, or all lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.chart.service import mapping, maps
from sametag.validation.finding import RuleHit
from sametag.validation.rules.made import of_entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Release, Service, Tree
    from sametag.values import Path

# What a new service has, and nobody changes in an existing one with an expression.
_OF_A_NEW_SERVICE = {"command", "args", "hook", "cronJob", "kind"}


def mistyped_service(release: Release) -> Iterator[RuleHit]:
    """An expression that sets something in an unknown service would create another service."""
    layers = release.values.layers
    files = [layer for layer in layers if not _is_expression(layer)]
    services = mapping(release.values.tree.get("services"))
    if not any(layer.locate_key(("services",)) for layer in files):
        return
    for name, own in services.items():
        path: Path = ("services", name)
        if any(layer.locate_key(path) for layer in files) or not _OF_A_NEW_SERVICE.isdisjoint(mapping(own)):
            continue
        from difflib import get_close_matches

        others = [other for other in services if any(layer.locate_key(("services", other)) for layer in files)]
        near = get_close_matches(name, others, n=1)
        meant = f"did you mean {near[0]}?" if near else f"services: {', '.join(sorted(others))}"
        message = f"unknown service {name}; {meant}"
        remedy = "to add a service, set its command or args too"
        if own is None:
            remedy = f"to remove that one, use --set services.{near[0]}=null" if near else "there is nothing to remove"
        yield RuleHit(path, remedy=remedy, at_key=True, message=message)


def _is_expression(layer: Any) -> bool:
    return str(layer.source).startswith("--")


def no_services(release: Release) -> Iterator[RuleHit]:
    """A release without services runs nothing; an upgrade to it removes every workload."""
    tree = release.values.tree
    if not release.services and not tree.get("extraObjects") and tree.get("enabled") is not False:
        message = "no service is enabled" if tree.get("services") else "there are no services"
        path: Path = ("services",) if any(layer.locate_key(("services",)) for layer in release.values.layers) else ()
        yield RuleHit(path, remedy="write services: {web: {command: [/bin/web]}}", at_key=True, message=message)


def early_hook(release: Release) -> Iterator[RuleHit]:
    """A pre-install hook runs before the objects of other services exist, and its pod waits for them."""
    made: dict[tuple[str, str], str] = {}
    for service in release.services.values():
        if service.get("hook") is None:
            names = ((kind, f"{service.fullname}-{entry}") for kind, _, entry in of_entries(service))
            made |= dict.fromkeys(names, f"services.{service.name}")
    for index, obj in maps(release.values.tree.get("extraObjects")):
        metadata = mapping(obj.get("metadata"))
        if "helm.sh/hook" not in mapping(metadata.get("annotations")):
            made.setdefault((str(obj.get("kind")), str(metadata.get("name"))), f"extraObjects[{index}]")
    for name, service in release.services.items():
        hook = service.get("hook")
        if hook is None or "pre-install" not in (mapping(hook).get("on") or ["pre-install"]):
            continue
        for path, kind, wanted in _wanted(service):
            owner = made.get((kind, wanted))
            if owner:
                text = f"is the {kind} {wanted} of {owner}, which does not exist before the install"
                remedy = 'give the hook its own, or run it post-install: hook: {"on": [post-install, pre-upgrade]}'
                yield RuleHit(("services", name, *path), text, remedy)


def _wanted(service: Service) -> Iterator[tuple[Path, str, str]]:
    """Yield path, kind and name of the objects that the pods of a service need to start."""
    own = {*service.map("secrets"), *service.map("config")}
    for where, container in [((), service.merged), *service.helpers()]:
        env = container.get("env")
        for key, value in env.items() if isinstance(env, dict) else maps(env):
            for path, kind, name in _of_variable(mapping(value)):
                if name not in own:
                    yield (*where, "env", key, *path), kind, name
        for index, source in maps(container.get("envFrom")):
            for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                reference = mapping(source.get(field))
                if reference.get("name") and not reference.get("optional"):
                    yield (*where, "envFrom", index, field, "name"), kind, str(reference["name"])
    yield from _wanted_files(service)


def _of_variable(value: Tree) -> Iterator[tuple[Path, str, str]]:
    """Yield what a variable is read from, in the short form or in Kubernetes' own."""
    for field, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
        if isinstance(value.get(field), str) and not value.get("optional"):
            yield (field,), kind, value[field]
        reference = mapping(mapping(value.get("valueFrom")).get(f"{field}KeyRef"))
        if reference.get("name") and not reference.get("optional"):
            yield ("valueFrom", f"{field}KeyRef", "name"), kind, str(reference["name"])


def _wanted_files(service: Service) -> Iterator[tuple[Path, str, str]]:
    for kind, setting in (("ConfigMap", "config"), ("Secret", "secrets")):
        for entry, files in service.map(setting).items():
            if existing := mapping(files).get("existing"):
                yield (setting, entry, "existing"), kind, str(existing)
    fields = (
        ("secret", "secretName", "Secret"),
        ("configMap", "name", "ConfigMap"),
        ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim"),
    )
    for entry, volume in service.map("volumes").items():
        for field, key, kind in fields:
            source = mapping(mapping(volume).get(field))
            if source.get(key) and not source.get("optional"):
                yield ("volumes", entry, field, key), kind, str(source[key])


def claim_of_each(release: Release) -> Iterator[RuleHit]:
    """A claim in `defaults` is created for each service: they do not share the volume."""
    for entry, volume in mapping(mapping(release.values.tree.get("defaults")).get("volumes")).items():
        if not mapping(volume).get("claim"):
            continue
        heirs = [
            name
            for name, service in release.services.items()
            if service.kind != "StatefulSet"
            and service.map("volumes", entry).get("claim")
            and "claim" not in mapping(mapping(service.own.get("volumes")).get(entry))
        ]
        if len(heirs) > 1:
            text = f"creates one claim for each service ({', '.join(sorted(heirs))}): they do not share it"
            remedy = "to share a volume, mount an existing claim: {persistentVolumeClaim: {claimName: NAME}}"
            yield RuleHit(("defaults", "volumes", entry, "claim"), text, remedy, at_key=True)

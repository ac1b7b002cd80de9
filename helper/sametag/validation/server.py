"""Manifests -> Problem: what the API server rejects, located where it was written.

Nothing is changed: each object is sent as a dry run.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING

from sametag.chart.labels import service_of
from sametag.chart.manifest import objects
from sametag.chart.settings import field_path, object_setting, services_in, setting_of
from sametag.kube.api import Answer, Api, Objection
from sametag.kube.connection import connect
from sametag.kube.objects import is_hook, key_of, metadata_of, pod_of
from sametag.values import Problem, known_part, path_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.kube.connection import Target
    from sametag.kube.objects import Object
    from sametag.values import Location, Path, Values

# The setting behind a message that names no field: admission never names one.
_WORDS: tuple[tuple[str, Path], ...] = (
    ("PriorityClass", ("priorityClassName",)),
    ("RuntimeClass", ("runtimeClassName",)),
    ("service account", ("serviceAccount",)),
    ("hostPort", ("ports",)),
    ("securityContext.privileged|allowPrivilegeEscalation|capabilities", ("securityContext",)),
    ("runAsNonRoot|runAsUser|seccomp", ("podSecurityContext",)),
    ("exceeded quota.*(cpu|memory|storage)=", ("resources",)),
)

# The component of the pod of `helm test`.
_TEST = "helm.test"
# Concurrent requests; the server's own limit for one client is not far above.
_AT_ONCE = 8


async def refusals(target: Target, manifests: str, merged: Values) -> list[Problem]:
    """Return the API server's objections to rendered manifests; nothing is changed.

    A pod of every workload is sent too: Pod Security, quotas and missing classes reject pods, but accept the workload
    that can never start them.

    Args:
        target: The cluster and namespace.
        manifests: What Helm rendered.
        merged: The values that the manifests were rendered from, which know where they were written.

    Raises:
        ClusterError: The cluster cannot be asked: missing permissions, or no such namespace.
    """
    limit = asyncio.Semaphore(_AT_ONCE)
    rendered = list(objects(manifests))
    accounts = {str(metadata_of(obj).get("name")) for obj in rendered if obj["kind"] == "ServiceAccount"}

    async def ask(api: Api, obj: Object) -> list[tuple[Object, Objection]]:
        async with limit:
            answer = await api.objections(obj)
            found = [(obj, objection) for objection in answer.objections]
            pod = pod_of(obj, accounts)
            if pod and answer.taken and (of_pod := _of_pod(await api.objections(pod), workload=answer)):
                # The server warns about a workload whose pods it rejects: once is enough.
                return [(pod, objection) for objection in of_pod]
            return found

    async with connect(target) as client:
        api = Api(client)
        answers = await asyncio.gather(*(ask(api, obj) for obj in rendered))
    objections = [pair for found in answers for pair in found]
    problems = {_problem(obj, objection, merged) for obj, objection in objections if not _is_test(obj)}
    reported = {(problem.rule, problem.path) for problem in problems}
    # What the pod of `helm test` shares with the services is reported for them.
    of_test = (_problem(obj, objection, merged) for obj, objection in objections if _is_test(obj))
    problems.update(problem for problem in of_test if not problem.path or (problem.rule, problem.path) not in reported)
    problems.update(_repeated(rendered, target.namespace, merged))
    return sorted(problems, key=lambda problem: (problem.severity, _place(problem), problem.message))


def _repeated(rendered: list[Object], namespace: str | None, merged: Values) -> Iterator[Problem]:
    """Yield the objects that are rendered twice: the API server takes both, and Helm 4 keeps the last.

    A hook is not the ordinary object of its name: an account that both need is there as both.
    """
    for (key, _), count in Counter((key_of(obj, namespace or ""), is_hook(obj)) for obj in rendered).items():
        if count > 1:
            location = merged.locate_nearest(("extraObjects",))
            message = f"the values create the {key} {'twice' if count == 2 else f'{count} times'}"  # noqa: PLR2004
            yield Problem("same-object", "error", "", location, message, "rename or remove one of them")


def _is_test(obj: Object) -> bool:
    return service_of(obj) == _TEST


def _of_pod(answer: Answer, workload: Answer) -> list[Objection]:
    # The pods of a running workload already count.
    counted = "exceeded quota" if workload.exists else None
    return [objection for objection in answer.objections if counted is None or counted not in objection.message]


def _problem(obj: Object, objection: Objection, merged: Values) -> Problem:
    path, location = _origin(obj, objection, merged)
    metadata = metadata_of(obj)
    whose = f"{obj['kind']} {metadata.get('name') or metadata.get('generateName') or ''}".rstrip()
    where = f" at {objection.field}" if objection.field else ""
    name = path_text(path)
    if objection.warning:
        return Problem(
            "server-warns", "warning", name, location, f"the API server warns about {whose}: {objection.message}"
        )
    message = f"{name + ': ' if name else ''}the API server rejects {whose}{where}: {objection.message}"
    return Problem("server-refused", "error", name, location, message, _remedy(objection))


def _remedy(objection: Objection) -> str | None:
    remedies = {
        "the cluster has no kind": "install the CRD of this kind, or remove the setting",
        "violates PodSecurity": "change the setting, or the namespace's pod-security.kubernetes.io/enforce label",
        "exceeded quota": "raise the quota, or lower the requests",
        "immutable": "it cannot be changed in place: rename or delete the object first",
    }
    return next((remedy for words, remedy in remedies.items() if words in objection.message), None)


def _origin(obj: Object, objection: Objection, merged: Values) -> tuple[Path, Location | None]:
    """Return path and location of the setting behind an objection, as far as the values have it."""
    services, defaults = merged.tree.get("services") or {}, merged.tree.get("defaults") or {}
    service = service_of(obj)
    if service not in services and service != _TEST:
        return (), merged.locate_nearest(("extraObjects",))
    setting = _setting(obj, objection, services_in(merged.tree).get(service) or defaults)
    own = known_part(services.get(service), setting)
    shared = known_part(defaults, setting)
    # The chart's own `defaults` are not in the user's files.
    if len(shared) > len(own) and (location := merged.locate_key(("defaults", *shared))):
        return ("defaults", *shared), location
    if service == _TEST:
        return (), merged.locate_nearest(("test",))
    return ("services", service, *own), merged.locate_key(("services", service, *own))


def _setting(obj: Object, objection: Objection, service: Object) -> Path:
    if objection.field:
        return setting_of(obj, field_path(obj, objection.field), service)
    settings = (setting for pattern, setting in _WORDS if re.search(pattern, objection.message))
    return next(settings, object_setting(obj["kind"]))


def _place(problem: Problem) -> tuple[str, int, int]:
    location = problem.location
    return (location.source, location.line or 0, location.column or 0) if location else ("", 0, 0)

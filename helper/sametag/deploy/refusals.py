"""Ask the API server about everything that values would make, and say what it refuses where it was written."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from sametag.chart.settings import field_path, object_setting, services_in, setting_of
from sametag.deploy.server import Answer, Object, Objection, Server, server_of
from sametag.drift.objects import metadata_of, objects, service_of
from sametag.drift.pods import pod_of
from sametag.values import Problem, known_part, path_text

if TYPE_CHECKING:
    from sametag.kube.connection import Target
    from sametag.values import Location, Path, Values

# What the server's words are about where it names no field: admission never does.
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
# So many questions at once; the server's own limit for one client is not far above.
_AT_ONCE = 8


async def refusals(target: Target, manifests: str, merged: Values) -> list[Problem]:
    """Return what the API server has against rendered manifests; nothing is changed.

    It is asked about a pod of every workload too: Pod Security, quotas and missing classes refuse pods, and take the
    workload that could never start them.

    Args:
        target: The cluster and namespace.
        manifests: What Helm rendered.
        merged: The values that it was rendered from, to say where they were written.

    Raises:
        ClusterError: The cluster cannot be asked: no rights, or no such namespace.
    """
    limit = asyncio.Semaphore(_AT_ONCE)
    rendered = list(objects(manifests))
    accounts = {str(metadata_of(obj).get("name")) for obj in rendered if obj["kind"] == "ServiceAccount"}

    async def ask(server: Server, obj: Object) -> list[tuple[Object, Objection]]:
        async with limit:
            answer = await server.ask(obj)
            found = [(obj, objection) for objection in answer.objections]
            pod = pod_of(obj, accounts)
            if pod and answer.taken and (of_pod := _of_pod(await server.ask(pod), workload=answer)):
                # The server warns of a workload whose pods it will refuse: once is enough.
                return [(pod, objection) for objection in of_pod]
            return found

    async with server_of(target) as server:
        answers = await asyncio.gather(*(ask(server, obj) for obj in rendered))
    objections = [pair for found in answers for pair in found]
    problems = {_problem(obj, objection, merged) for obj, objection in objections if not _is_test(obj)}
    told = {(problem.rule, problem.path) for problem in problems}
    # What the pod of `helm test` shares with the services is said of them.
    of_test = (_problem(obj, objection, merged) for obj, objection in objections if _is_test(obj))
    problems.update(problem for problem in of_test if not problem.path or (problem.rule, problem.path) not in told)
    return sorted(problems, key=lambda problem: (problem.severity, _place(problem), problem.message))


def _is_test(obj: Object) -> bool:
    return service_of(obj) == _TEST


def _of_pod(answer: Answer, workload: Answer) -> list[Objection]:
    # A workload that runs has its pods already, and they count.
    counted = "exceeded quota" if workload.exists else None
    return [one for one in answer.objections if counted is None or counted not in one.message]


def _problem(obj: Object, objection: Objection, merged: Values) -> Problem:
    path, location = _origin(obj, objection, merged)
    metadata = metadata_of(obj)
    whose = f"{obj['kind']} {metadata.get('name') or metadata.get('generateName') or ''}".rstrip()
    where = f" at {objection.field}" if objection.field else ""
    name = path_text(path)
    if objection.warning:
        return Problem(
            "server-warns", "warning", name, location, f"the API server warns of {whose}: {objection.message}"
        )
    message = f"{name + ': ' if name else ''}the API server refuses {whose}{where}: {objection.message}"
    return Problem("server-refused", "error", name, location, message, _remedy(objection))


def _remedy(objection: Objection) -> str | None:
    remedies = {
        "the cluster has no kind": "install what defines this kind, or remove the setting",
        "violates PodSecurity": "change the setting, or the namespace's pod-security.kubernetes.io/enforce label",
        "exceeded quota": "ask for more, or let the services ask for less",
        "immutable": "it cannot be changed in place: rename it, or delete the object first",
    }
    return next((remedy for words, remedy in remedies.items() if words in objection.message), None)


def _origin(obj: Object, objection: Objection, merged: Values) -> tuple[Path, Location | None]:
    """Return the path and the place of the setting behind an objection, as far as they are in the values."""
    services, defaults = merged.tree.get("services") or {}, merged.tree.get("defaults") or {}
    service = service_of(obj)
    if service not in services and service != _TEST:
        return (), merged.locate_nearest(("extraObjects",))
    setting = _setting(obj, objection, services_in(merged.tree).get(service) or defaults)
    own = known_part(services.get(service), setting)
    shared = known_part(defaults, setting)
    # What the chart itself says in `defaults` is not the user's to look for.
    if len(shared) > len(own) and (location := merged.locate_key(("defaults", *shared))):
        return ("defaults", *shared), location
    if service == _TEST:
        return (), merged.locate_nearest(("test",))
    return ("services", service, *own), merged.locate_key(("services", service, *own))


def _setting(obj: Object, objection: Objection, service: Object) -> Path:
    if objection.field:
        return setting_of(obj, field_path(obj, objection.field), service)
    told = (setting for pattern, setting in _WORDS if re.search(pattern, objection.message))
    return next(told, object_setting(obj["kind"]))


def _place(problem: Problem) -> tuple[str, int, int]:
    location = problem.location
    return (location.source, location.line or 0, location.column or 0) if location else ("", 0, 0)

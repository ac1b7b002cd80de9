"""Ask Helm, and then a real API server, about many random services at once."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rendering import CHART, KUBERNETES
from sametag import validation, values
from sametag.chart.labels import service_of
from sametag.chart.manifest import parse
from sametag.helm.command import to_helm
from sametag.kube.api import Api
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.kube.objects import Object
    from sametag.values import Problem

    Services = dict[str, dict[str, Any]]

#: The schema with every name: the chart's says the same, and is shorter.
DESCRIBED: dict[str, Any] = json.loads((CHART.parent / "docs/reference/values.schema.json").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = values.from_text((CHART / "values.yaml").read_text(), "chart/values.yaml")

#: How many services a property test sends, and from which seed they come.
EXAMPLES = int(os.environ.get("EXAMPLES", "500"))
SEED = int(os.environ.get("SEED", "1"))
#: So many are rendered and sent at once.
BATCH = 100

#: A service that is always there, for others to name.
BASE = "base"
_BASE = {"command": ["/bin/base"], "ports": {"http": {"containerPort": 8080}}}

# Enough for the API server to be busy while we read.
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Refusal:
    """Who refused what of a service, in which words."""

    service: dict[str, Any]
    kind: str
    words: str


@dataclass(slots=True)
class Oracle:
    """Helm, and an API server that is asked about each object once, whatever the service is called.

    Attributes:
        helm: Its path.
        namespace: Where the objects would be.
        asked: How many objects the API server was asked about, by kind.
    """

    helm: str
    namespace: str
    asked: dict[str, int] = field(default_factory=dict)
    _known: dict[str, list[str]] = field(default_factory=dict)

    def refusals(self, services: Services, *options: str) -> dict[str, list[Refusal]]:
        """Return what Helm or the API server has against each of these services; services without are left out."""
        rest, manifests, refused = self._render(services, options)
        found = asyncio.run(self._ask(list(parse(manifests, self.namespace).values())))
        for name, kind, words in found:
            refused.setdefault(name, []).append(Refusal(services[name], kind, words))
        assert refused.keys() <= services.keys(), refused.keys() - services.keys()
        assert rest or refused
        return refused

    def sent(self, services: Services, *options: str) -> dict[str, list[Object]]:
        """Return the objects of each service that Helm renders."""
        objects: dict[str, list[Object]] = {}
        for obj in parse(self._render(services, options)[1], self.namespace).values():
            objects.setdefault(service_of(obj), []).append(obj)
        return objects

    def _render(self, services: Services, options: Iterable[str]) -> tuple[Services, str, dict[str, list[Refusal]]]:
        """Render services; one that Helm refuses is left out."""
        rest = dict(services)
        refused: dict[str, list[Refusal]] = {}
        command = [self.helm, "template", "app", str(CHART), "--namespace", self.namespace, "--values", "-"]
        command += ["--kube-version", KUBERNETES, *options]
        while True:
            ran = subprocess.run(command, input=to_helm(tree(rest)), capture_output=True, check=False)
            if ran.returncode == 0:
                return rest, ran.stdout.decode(), refused
            words = ran.stderr.decode()
            named = re.search(r"services\.(s\d+)\b", words)
            assert named, words
            refused[named[1]] = [Refusal(rest.pop(named[1]), "Helm", words)]

    async def _ask(self, objects: list[Object]) -> list[tuple[str, str, str]]:
        limit = asyncio.Semaphore(_AT_ONCE)
        async with connect(Target(namespace=self.namespace)) as client:
            api = Api(client)
            answers = await asyncio.gather(*(self._ask_about(api, obj, limit) for obj in objects))
        return [found for answer in answers for found in answer]

    async def _ask_about(self, api: Api, obj: Object, limit: asyncio.Semaphore) -> list[tuple[str, str, str]]:
        name = service_of(obj) or BASE
        content = re.sub(rf"\b{name}\b", "NAME", json.dumps(obj, sort_keys=True))
        if content not in self._known:
            self.asked[obj["kind"]] = self.asked.get(obj["kind"], 0) + 1
            async with limit:
                answer = await api.objections(obj)
            refused = (one for one in answer.objections if not one.warning)
            self._known[content] = [f"{one.field}: {one.message}" for one in refused]
        return [(name, obj["kind"], words) for words in self._known[content]]


def tree(services: Services) -> dict[str, Any]:
    """Return the values of a chart with these services, and the one that they may name."""
    image = {"repository": "registry.example.com/app", "tag": "1"}
    return {"image": image, "namePrefix": "", "services": {**services, BASE: _BASE}}


def problems(services: Services) -> dict[str, list[Problem]]:
    """Return what `sametag validate` calls an error in each of these services; those without are left out."""
    found: dict[str, list[Problem]] = {}
    for problem in validation.validate(DEFAULTS, values.from_tree(tree(services), "values"), SCHEMA):
        named = re.match(r"services\.(s\d+)\b", problem.path)
        if problem.severity == "error":
            assert named, problem
            found.setdefault(named[1], []).append(problem)
    return found


class Excuse(NamedTuple):
    """Refusals that are right, or that cannot be helped.

    Attributes:
        words: A pattern that the words of the refusal contain.
        reason: Why.
    """

    words: str
    reason: str


def unexcused(refusals: list[Refusal], excuses: tuple[Excuse, ...]) -> list[Refusal]:
    """Return the refusals that no excuse is for."""
    return [one for one in refusals if not any(re.search(excuse.words, one.words) for excuse in excuses)]


def report(refused: list[Refusal]) -> str:
    """Say each kind of refusal once, with how often it came and a service that it is about."""
    kinds: dict[str, list[Refusal]] = {}
    for refusal in refused:
        kinds.setdefault(re.sub(r'"[^"]*"|\d+', "…", f"{refusal.kind} {refusal.words}"), []).append(refusal)
    most = sorted(kinds.values(), key=len, reverse=True)
    lines = (f"{len(some)} times: {some[0].kind} {some[0].words}\n    {json.dumps(some[0].service)}" for some in most)
    return "\n".join(["", *lines])

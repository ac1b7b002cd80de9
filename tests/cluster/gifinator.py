"""What the demo and the tests do with the sample application: build it, ask it for a GIF, look at its pods."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pykube import HTTPClient

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples/gifinator"
VALUES = ROOT / "values.example.yaml"
SERVICES = ("frontend", "gifcreator-server", "gifcreator-worker", "render")
OLD, NEW, MISSING = "0.0.5", "0.0.6", "0.0.7"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl against one cluster.

    Attributes:
        words: How it is called.
        kubeconfig: The cluster's.
        api: A client of the API server; without one kubectl asks. It spares a process, which takes a fifth of a second
            of CPU, each time that a test looks.
    """

    words: tuple[str, ...]
    kubeconfig: Path
    api: HTTPClient | None = None

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return its output; its own words are the error."""
        ran = subprocess.run(
            [*self.words, *arguments], env=self.environment, input=stdin, capture_output=True, text=True, check=False
        )
        if ran.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {ran.stderr.strip() or ran.stdout.strip()}")
        return ran.stdout

    def read(self, path: str) -> Any:
        """Return the document at a path of the API server, such as `/api/v1/nodes`.

        Raises:
            RuntimeError: The API server refused, or did not answer.
        """
        if self.api is None:
            return json.loads(self("get", "--raw", path))
        try:
            response = self.api.session.get(f"{self.api.url}{path}", timeout=self.api.timeout)
        except OSError as error:
            raise RuntimeError(f"GET {path}: {error}") from error
        if not response.ok:
            raise RuntimeError(f"GET {path}: {response.text}")
        return response.json()

    def pods(self, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the pods of a namespace that have these labels."""
        query = f"?labelSelector={quote(selector)}" if selector else ""
        items: list[dict[str, Any]] = self.read(f"/api/v1/namespaces/{namespace}/pods{query}")["items"]
        return items

    def helm_revisions(self, namespace: str, release: str) -> list[tuple[int, str]]:
        """Return number and status of each revision of a release, oldest first, by the labels of Helm's Secrets."""
        selector = quote(f"owner=helm,name={release}")
        items = self.read(f"/api/v1/namespaces/{namespace}/secrets?labelSelector={selector}")["items"]
        labels = [item["metadata"]["labels"] for item in items]
        return sorted((int(label["version"]), label["status"]) for label in labels)

    @property
    def environment(self) -> dict[str, str]:
        """The environment that names the cluster; `kubectl diff` leaves out the count of an object's changes."""
        diff = "diff --unified --new-file --ignore-matching-lines=generation"
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECTL_EXTERNAL_DIFF": diff}

    def create_restricted_namespace(self, name: str) -> None:
        """Create a namespace that enforces the Pod Security Standard "restricted"."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        if self.api is None:
            self("apply", "-f", "-", stdin=json.dumps(namespace))
        else:
            self.api.post(url="namespaces", json=namespace).raise_for_status()

    def delete_namespaces(self, *names: str) -> None:
        """Have the cluster delete namespaces, without waiting until they are gone; some may be gone already."""
        if self.api is None:
            self("delete", "namespace", "--wait=false", "--ignore-not-found", *names)
            return
        for name in names:
            answer = self.api.delete(url=f"namespaces/{name}")
            if answer.status_code != HTTPStatus.NOT_FOUND:
                answer.raise_for_status()

    def images(self, namespace: str) -> dict[str, set[str]]:
        """Return the images that each service's live pods run, as the pods say."""
        found: dict[str, set[str]] = {}
        for pod in self.pods(namespace):
            metadata = pod["metadata"]
            service = metadata.get("labels", {}).get("app.kubernetes.io/component")
            ended = pod["status"].get("phase") in ("Failed", "Succeeded")
            if service and "deletionTimestamp" not in metadata and not ended:
                found.setdefault(service, set()).update(c["image"] for c in pod["spec"]["containers"])
        return found

    def tags(self, namespace: str) -> dict[str, set[str]]:
        """Return the tags that each service's live pods run."""
        return {
            service: {image.rpartition(":")[2] for image in images}
            for service, images in self.images(namespace).items()
        }

    @contextmanager
    def forwarded(self, namespace: str, service: str, port: int) -> Iterator[str]:
        """Forward a free port of 127.0.0.1 to a Service, and give its URL."""
        command = [*self.words, "port-forward", "--namespace", namespace, f"service/{service}", f":{port}"]
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found is None:
                raise RuntimeError(f"kubectl port-forward: {line.strip()}")
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()
            process.wait(10)
            if process.stdout:
                process.stdout.close()


def kubeconfig_of(kubectl: Kubectl, namespace: str, account: str, folder: Path) -> Path:
    """Write a kubeconfig with which a service account of the namespace logs in."""
    token = kubectl("create", "token", account, "-n", namespace).strip()
    config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / account
    path.write_text(json.dumps(config))
    return path


@dataclass(frozen=True, slots=True)
class Gif:
    """A GIF as frontend answered it, and the version of `render` that drew it."""

    content: bytes
    version: str


def fetch_gif(url: str, text: str = "sametag") -> Gif:
    """Ask frontend for a GIF; it asks gifcreator, whose worker asks render for every frame."""
    request = urllib.request.Request(f"{url}/gif?text={text}", headers={"Accept": "image/gif"})  # noqa: S310 - 127.0.0.1
    with urllib.request.urlopen(request, timeout=70) as response:  # noqa: S310
        return Gif(response.read(), response.headers["X-Render-Version"])


# Seconds: the chart's delay before a pod ends, the drain of the program, and the proxy's own second or two.
_HANDOVER = 15.0


def gif_drawn_by(kubectl: Kubectl, namespace: str, version: str) -> Gif:
    """Fetch a GIF through frontend that this version of `render` drew.

    A pod that is ending serves on for some seconds by design: the node's proxy still sends to it until it has heard
    that it ends. So an older version may answer at first; it must not for longer than that.

    Raises:
        RuntimeError: Another version still draws after `_HANDOVER` seconds.
    """
    until = time.monotonic() + _HANDOVER
    with kubectl.forwarded(namespace, "frontend", 80) as url:
        while (gif := fetch_gif(url)).version != version:
            if time.monotonic() > until:
                raise RuntimeError(f"expected a GIF drawn by render {version}, got one by {gif.version}")
            time.sleep(0.5)
    return gif

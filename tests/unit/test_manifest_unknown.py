"""A tag is missing when its registry says so, and not when anything answers 404."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from sametag.rollout import Trouble
from sametag.rollout.evidence import explained_by_registry

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Registry(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        tag = path.rpartition("/")[2]
        if tag == "good-token":
            self._answer(200, "application/json", json.dumps({"token": "t"}))
        elif tag.startswith("private") and not self.headers.get("Authorization"):
            realm = f"http://{self.headers['Host']}/{'good-token' if tag == 'private' else 'away'}"
            self._answer(401, "text/plain", "", ("WWW-Authenticate", f'Bearer realm="{realm}",service="x"'))
        elif tag in ("missing", "private"):
            self._answer(404, "application/json", json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN"}]}))
        elif tag == "basic":
            self._answer(401, "text/plain", "", ("WWW-Authenticate", 'Basic realm="x"'))
        else:
            self._answer(404, "text/html; charset=utf-8", "<html>")

    def _answer(self, status: int, kind: str, body: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    """A registry that has no image, for more reasons than one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def told(image: str) -> Trouble:
    return asyncio.run(explained_by_registry(Trouble("ImageNotFound", f"{image} does not exist", "web-1", "web")))


@pytest.mark.parametrize("tag", ["missing", "private", "basic"])
def test_what_the_registry_calls_unknown_or_does_not_tell_us_stays_missing(registry: str, tag: str) -> None:
    assert told(f"{registry}/team/app:{tag}").reason == "ImageNotFound"


def test_a_web_page_in_the_place_of_a_registry_is_named(registry: str) -> None:
    found = told(f"{registry}/team/app:portal")

    assert (found.reason, found.pod) == ("RegistryError", "web-1")
    assert found.message.endswith("is not a registry: 404 Not Found with text/html")


def test_a_token_server_that_is_away_is_named(registry: str) -> None:
    image = f"{registry}/team/app:private-away"

    assert told(image).message == f"the registry's token server answered 404 Not Found for {image}"


@pytest.mark.parametrize("image", ["app:1", "team/app:1", "localhost:1/app:1", "x y:z/app"])
def test_what_cannot_be_asked_stays_what_the_node_says(image: str) -> None:
    assert told(image).reason == "ImageNotFound"


def test_any_other_trouble_asks_nobody() -> None:
    other = Trouble("StartError", "app:1 does not exist")

    assert asyncio.run(explained_by_registry(other)) is other

"""An API server that answers lists and keeps objects, so that the client under test is the real one.

Nothing ever happens in it: a watch goes on until the server ends.
"""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import socket
    from email.message import Message
    from pathlib import Path

    Document = dict[str, Any]
    Answer = tuple[int, Document]


class ApiServer:
    """Answers with what `answers` holds for a path, else from `objects`, else 404; and remembers the requests.

    Attributes:
        answers: Path of a GET, or `METHOD path` -> status and body, whatever `objects` holds.
        objects: Path -> object; POST, PUT and DELETE change them, and a PUT of an old resource version is a conflict.
        requests: The path of each GET, and `METHOD path` of each other request.
        headers: Those of each request.
        clients: The name in the client certificate of each request; empty without one.
        tokens: Those that log in; None asks for none.
    """

    def __init__(self, kubeconfig: Path, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.objects: dict[str, Document] = {}
        self.requests: list[str] = []
        self.headers: list[Message] = []
        self.clients: list[str] = []
        self.tokens: set[str] | None = None
        self.kubeconfig = kubeconfig
        self._version = 0
        self._alone = threading.Lock()
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        kubeconfig.write_text(json.dumps(self._config()))

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def _config(self) -> Document:
        return {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "apps"}}],
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {"token": "secret"}}],
        }

    def put(self, path: str, document: Document) -> None:
        """Keep an object, as another client of the cluster would write it."""
        with self._alone:
            self._keep(path, document)

    def _keep(self, path: str, document: Document) -> Answer:
        self._version += 1
        document.setdefault("metadata", {}).update(name=path.rpartition("/")[2], resourceVersion=str(self._version))
        self.objects[path] = document
        return 200, document

    def _answer(self, method: str, path: str, body: Document) -> Answer:
        with self._alone:
            given = path if method == "GET" else f"{method} {path}"
            if given in self.answers:
                return self.answers[given]
            if method == "POST":
                path = f"{path}/{body['metadata']['name']}"
                return _status(409, "it exists") if path in self.objects else self._keep(path, body)
            if path not in self.objects:
                return _status(404, f"no {path}")
            if method == "DELETE":
                return 200, self.objects.pop(path)
            if method == "PUT":
                old = body["metadata"].get("resourceVersion") != self.objects[path]["metadata"]["resourceVersion"]
                return _status(409, "it has been modified") if old else self._keep(path, body)
            return 200, self.objects[path]

    def _knows(self, authorization: str) -> bool:
        return self.tokens is None or authorization.removeprefix("Bearer ") in self.tokens

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                server.requests.append(self.path if self.command == "GET" else f"{self.command} {self.path}")
                server.headers.append(self.headers)
                server.clients.append(_client_of(self.connection))
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if not server._knows(self.headers.get("Authorization") or ""):
                    self._say(*_status(401, "Unauthorized"))
                    return
                if "watch=true" in self.path:
                    self.send_response(200)
                    self.end_headers()
                    server._over.wait()
                    return
                self._say(*server._answer(self.command, self.path.partition("?")[0], json.loads(content or b"{}")))

            def _say(self, code: int, body: Document) -> None:
                text = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Say nothing: `requests` tells."""

        return Handler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _status(code: int, message: str) -> Answer:
    reason = {401: "Unauthorized", 404: "NotFound", 409: "Conflict"}[code]
    return code, {"kind": "Status", "code": code, "message": message, "reason": reason}


def _client_of(connection: socket.socket) -> str:
    """Return the name in the certificate that a client has presented."""
    certificate: Document = (connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None) or {}
    names = dict(part for parts in certificate.get("subject", ()) for part in parts)
    return str(names.get("commonName", ""))

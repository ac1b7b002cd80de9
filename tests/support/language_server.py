"""yaml-language-server, which VS Code, Neovim and other editors run: brought once, and spoken to over its pipes.

Messages are those of the Language Server Protocol: https://microsoft.github.io/language-server-protocol.
"""

from __future__ import annotations

import hashlib
import json
import queue
import shutil
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from embedded import tools

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parents[1] / "editor"
_PINNED = ("package.json", "package-lock.json")
# Seconds that an answer may take, with room for a busy machine.
_PATIENCE = 60

Message = dict[str, Any]


def installed() -> Path:
    """Return the folder of the server, installed from its checksums where it is not there yet."""
    pinned = b"".join((_HERE / name).read_bytes() for name in _PINNED)
    folder = tools.BIN / f"yaml-language-server-{hashlib.sha256(pinned).hexdigest()[:12]}"
    if not folder.is_dir():
        tools.ensure_node(print)
        tools.BIN.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=tools.BIN))
        for name in _PINNED:
            shutil.copy(_HERE / name, building)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=building, check=True)
        building.rename(folder)
    return folder


class Editor:
    """What an editor asks the server about the files of a folder, which need not be saved."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._folder = folder
        self._number = self._files = 0
        self._uri = ""
        assert process.stdin
        self._stdin = process.stdin
        self._received: queue.SimpleQueue[Message] = queue.SimpleQueue()
        threading.Thread(target=self._receive, args=(process.stdout,), daemon=True).start()
        capabilities = {"textDocument": {"hover": {"contentFormat": ["markdown"]}}}
        self._ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities})
        self._tell("initialized", {})
        # The store of schemas is on the network.
        settings = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}}
        self._tell("workspace/didChangeConfiguration", {"settings": settings})

    def open(self, text: str) -> list[Message]:
        """Open a file with this text, and return the diagnostics."""
        self._files += 1
        self._uri = (self._folder / f"{self._files}.yaml").as_uri()
        document = {"uri": self._uri, "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})
        while True:
            message = self._next("textDocument/publishDiagnostics")
            if message["params"]["uri"] == self._uri:
                found: list[Message] = message["params"]["diagnostics"]
                return found

    def completion(self, line: int, column: int) -> list[str]:
        """Return what is offered at a place of the file; line and column are from 1, as in our problems."""
        answer = self._ask("textDocument/completion", self._at(line, column))
        return [item["label"] for item in answer["items"]]

    def hover(self, line: int, column: int) -> str:
        """Return what is shown about the key at a place."""
        answer = self._ask("textDocument/hover", self._at(line, column))
        text: str = answer["contents"]["value"]
        return text

    def _at(self, line: int, column: int) -> Message:
        return {"textDocument": {"uri": self._uri}, "position": {"line": line - 1, "character": column - 1}}

    def _ask(self, method: str, params: Message) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        return self._next(self._number)["result"]

    def _tell(self, method: str, params: Message) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        self._stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._stdin.flush()

    def _next(self, wanted: str | int) -> Message:
        """Return the next message of a method, or the answer to a question; what the server asks is answered."""
        while True:
            message = self._received.get(timeout=_PATIENCE)
            if "method" in message and "id" in message:
                self._send({"id": message["id"], "result": None})
            elif wanted in (message.get("method"), message.get("id")):
                return message

    def _receive(self, stream: IO[bytes]) -> None:
        while header := stream.readline():
            length = int(header.partition(b":")[2])
            while stream.readline().strip():
                pass
            self._received.put(json.loads(stream.read(length)))


@contextmanager
def editor(folder: Path) -> Iterator[Editor]:
    """Start the server for a folder, and end it."""
    server = installed() / "node_modules/yaml-language-server/bin/yaml-language-server"
    command = ["node", str(server), "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Editor(process, folder)
        finally:
            process.kill()

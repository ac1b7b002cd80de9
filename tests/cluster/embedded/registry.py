"""A real image registry on 127.0.0.1: Debian's docker-registry."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Self

from embedded import tools
from embedded.process import Component, Identity, StartError, end

if TYPE_CHECKING:
    from pathlib import Path

PORT = 5000

_START_SECONDS = 20


class Registry:
    """A registry; what was pushed is kept for the next start.

    Args:
        port: On 127.0.0.1; it is a part of every image's name, so it is fixed.
    """

    def __init__(self, port: int = PORT) -> None:
        self.port = port
        self._folder = tools.CACHE / "registry"

    @property
    def address(self) -> str:
        """What image names begin with; containerd pulls from localhost over http."""
        return f"localhost:{self.port}"

    @property
    def _state(self) -> Path:
        return self._folder / f"{self.port}.json"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, or use the one that an earlier start left running.

        Raises:
            StartError: It ended, or something else has its port.
        """
        if self.running():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / f"{self.port}.yaml"
        config.write_text(
            json.dumps(
                {
                    "version": "0.1",
                    "log": {"level": "warn"},
                    "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}},
                    "http": {"addr": f"127.0.0.1:{self.port}"},
                }
            )
        )
        health = f"http://127.0.0.1:{self.port}/v2/"
        server = Component("registry", ["docker-registry", "serve", str(config)], health, self._folder)
        if server.answers():
            raise StartError(f"port {self.port} of 127.0.0.1 is taken by another registry: stop that one first")
        server.start()
        server.wait(time.monotonic() + _START_SECONDS)
        if server.identity is not None:
            self._state.write_text(json.dumps([server.identity.pid, server.identity.began]))

    def stop(self) -> None:
        """Stop it, also when another process started it."""
        if self._state.exists():
            end([Identity(*json.loads(self._state.read_text()))])
            self._state.unlink()

    def running(self) -> bool:
        """Whether one that we started still runs."""
        return self._state.exists() and Identity(*json.loads(self._state.read_text())).alive

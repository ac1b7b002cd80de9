"""A client that asks a Service again and again, with a new connection each time, and counts what it does not get."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMEOUT = 5.0


class Load:
    """Asks while the block runs.

    Args:
        address: A Service's cluster IP: kube-proxy chooses a pod for each connection.
        port: The Service's.
        path: What is asked for.
        rate: Requests a second, in all.
        clients: How many ask at once, so that a slow answer does not hold up the others.
    """

    def __init__(self, address: str, port: int, path: str, *, rate: float = 50, clients: int = 10) -> None:
        self._address, self._port, self._path = address, port, path
        self._pause = clients / rate
        self._stop = threading.Event()
        self._lock = threading.Lock()
        #: How often each version answered.
        self.answers: Counter[str] = Counter()
        #: What went wrong, and how many seconds after the beginning.
        self.failures: list[tuple[float, str]] = []
        self._began = time.monotonic()
        self._threads: Sequence[threading.Thread] = [
            threading.Thread(target=self._ask_on, args=(number * self._pause / clients,)) for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask_on(self, delay: float) -> None:
        due = time.monotonic() + delay
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            # A client that was held up does not catch up: the rate is a bound.
            due = max(due + self._pause, time.monotonic())
            asked = time.monotonic() - self._began
            try:
                version = self._ask()
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.failures.append((asked, f"{type(error).__name__}: {error}"))
            else:
                with self._lock:
                    self.answers[version] += 1

    def _ask(self) -> str:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=_TIMEOUT)
        try:
            connection.request("GET", self._path, headers={"Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.client.OK:
                raise http.client.HTTPException(f"HTTP {answer.status}")
            return answer.headers.get("X-Version", "")
        finally:
            connection.close()

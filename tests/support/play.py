"""Play a rollout on this process's terminal, as the command would: python play.py good|failed|SERVICES."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rollouts import NEW, OLD, failed_upgrade, good_upgrade, moving, progress, running, start
from sametag.cli.progress import listener
from sametag.errors import RolloutError
from sametag.output.progress import End

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.deploy import Event


def many(services: int) -> Iterable[Event]:
    """One after the other of many services is ready."""
    yield start("upgrade", NEW)
    for done in range(services + 1):
        names = [f"service-{number:03}" for number in range(services)]
        states = [running(name, NEW, 2) if at < done else moving(name, OLD, NEW) for at, name in enumerate(names)]
        yield progress(float(done), OLD, *states)


def main(what: str) -> None:
    """Play it, slowly enough for a resize in the middle."""
    scripts = {"good": good_upgrade, "failed": failed_upgrade}
    told = listener("text")
    for event in scripts[what]() if what in scripts else many(int(what)):
        told(event)
        time.sleep(0.03)
    error = RolloutError("upgrade of shop failed") if what == "failed" else None
    told.end(End("upgrade", "shop", 3.0, error=error))


if __name__ == "__main__":
    main(sys.argv[1])

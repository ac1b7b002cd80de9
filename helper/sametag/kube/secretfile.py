"""A file for another program to read, which nobody else can, and which does not outlive us."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def secret_file(content: bytes) -> Iterator[str]:
    """Give the path of a file with this content, while the block runs.

    On Linux it is in memory: whatever kills us, no secret is left on a disk. Its path is that of our own process, which
    a program that our child starts can read too.
    """
    if sys.platform == "linux" and os.access("/proc/self/fd", os.R_OK):
        descriptor = os.memfd_create("sametag")
        try:
            os.fchmod(descriptor, 0o600)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            yield f"/proc/{os.getpid()}/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile(prefix="sametag-") as file:
        file.write(content)
        file.flush()
        yield file.name

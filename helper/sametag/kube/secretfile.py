"""A file that only one other program can read, and that does not outlive sametag."""

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
    """Yield the path of a file with this content, which exists while the block runs.

    On Linux it is in memory, so a killed process leaves no secret on a disk. Its path is under /proc of this process,
    which programs that a child process starts can read too.
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

"""Standard output and standard error that decide nothing: they raise no error, and a rollout waits for no reader.

Until `hurry`, text is written as any program writes it, so that a pager gets a whole table in its own time. From then
on a thread writes it, and whoever prints goes on at once: a reader that has stopped (Ctrl-S, `less`, an ssh connection
that hangs) holds up no rollout. What cannot be written (a full disk, a reader that is gone) is not written, and nothing
follows it; what cannot be encoded is escaped.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque
    from threading import Condition

# As much as a pipe takes as a whole. Source: pipe(7), PIPE_BUF
_PIECE = 4096

# What a table is collected to, before it is written.
_BUFFER = 65536

# What may wait for a reader, in bytes. Of the progress the newest lines are kept. The results have no gap: where too
# much waits, nothing more is written.
_PROGRESS, _RESULTS = 256 * 1024, 64 * 1024 * 1024


class Outlet(io.TextIOBase):
    """One of the two streams.

    Args:
        descriptor: Where the text goes.
        encoding: What it is encoded in.
        results: Whether this is standard output.

    Attributes:
        failed: Why it could not be written, if so; nothing was written after that.
        ended: Whether so much waited that nothing more is written.
        left_out: How many lines of progress were left out that are not told of yet.
    """

    def __init__(self, descriptor: int, encoding: str, *, results: bool) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._text: list[str] = []
        self._collected = 0
        self._line_by_line = not results or os.isatty(descriptor)
        self._queue: _Queue | None = None
        self.results = results
        self.failed: OSError | None = None
        self.ended = False
        self.left_out = 0

    @property
    def encoding(self) -> str:  # type: ignore[override] # a plain attribute in the stubs
        """What text is encoded in."""
        return self._encoding

    def use_utf_8(self) -> None:
        """Write UTF-8, whatever the terminal has: for documents that programs read."""
        self._encoding = "utf-8"

    def fileno(self) -> int:
        """Return the descriptor, for those who ask how wide the terminal is."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Whether it can be written to: always, as far as anybody has to know."""
        return True

    @property
    def idle(self) -> bool:
        """Whether all that was printed so far has found its reader."""
        return self._queue is None or self._queue.idle(self)

    def write(self, text: str, /) -> int:
        """Print text."""
        self._text.append(text)
        self._collected += len(text)
        if self._collected > _BUFFER or (self._line_by_line and "\n" in text):
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Print what was collected."""
        data = "".join(self._text).encode(self._encoding, "backslashreplace")
        self._text.clear()
        self._collected = 0
        if self._queue:
            self._queue.put(self, data)
        else:
            self.emit(data)

    def emit(self, data: bytes) -> None:
        """Write bytes, and wait for the reader."""
        rest = memoryview(data)
        while rest and self.failed is None:
            try:
                rest = rest[os.write(self._descriptor, rest[:_PIECE]) :]
            except BlockingIOError:  # another program that shares it has made it non-blocking
                _wait_for(self._descriptor)
            except OSError as error:
                self.failed = error

    def hurry(self, queue: _Queue) -> None:
        """From now on have a thread write it."""
        self.flush()
        self._line_by_line = True
        self._queue = queue

    def settle(self, seconds: float | None) -> str | None:
        """Wait for the reader, and return what is to be said of what could not be written.

        Args:
            seconds: So long, once the reader takes nothing; None waits for as long as it takes.
        """
        self.flush()
        if self._queue and not (self.failed or self._queue.drain(seconds)):
            return "was not read to its end"
        if self.ended:
            return "was not read in time, and is not complete"
        if self.failed and self.failed.errno != errno.EPIPE:
            return f"could not be written: {self.failed.strerror}"
        return None


def _wait_for(descriptor: int) -> None:
    import select

    select.select([], [descriptor], [], 1)


class _Queue:
    """A thread that writes what outlets print, in the order in which it was printed."""

    def __init__(self) -> None:
        import threading
        from collections import defaultdict, deque

        self._changed: Condition = threading.Condition()
        self._waiting: deque[tuple[Outlet, bytes]] = deque()
        self._sizes: dict[Outlet, int] = defaultdict(int)
        self._taken = 0
        threading.Thread(target=self._write, name="outlet", daemon=True).start()

    def idle(self, outlet: Outlet) -> bool:
        """Whether nothing that this outlet has printed waits."""
        with self._changed:
            return not self._sizes[outlet]

    def put(self, outlet: Outlet, data: bytes) -> None:
        """Have bytes written, or some left out where too many wait."""
        if not data:
            return
        with self._changed:
            if outlet.results:
                outlet.ended = outlet.ended or self._sizes[outlet] > _RESULTS
            else:
                self._leave_out(outlet, self._sizes[outlet] + len(data) - _PROGRESS)
            if not (outlet.ended or outlet.failed):
                self._waiting.append((outlet, data))
                self._sizes[outlet] += len(data)
                self._changed.notify_all()

    def _leave_out(self, outlet: Outlet, size: int) -> None:
        """Leave out at least so many bytes, those that have waited for longest."""
        for entry in [entry for entry in self._waiting if entry[0] is outlet] if size > 0 else ():
            if size <= 0:
                return
            self._waiting.remove(entry)
            self._sizes[outlet] -= len(entry[1])
            size -= len(entry[1])
            outlet.left_out += entry[1].count(b"\n")

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                outlet, data = self._waiting.popleft()
                gap, outlet.left_out = outlet.left_out, 0
            if gap:
                outlet.emit(f"({gap} lines left out: nobody read them)\n".encode())
            for at in range(0, len(data), _PIECE):
                outlet.emit(data[at : at + _PIECE])
                self._taken += 1
            with self._changed:
                self._sizes[outlet] -= len(data)
                self._changed.notify_all()

    def drain(self, seconds: float | None) -> bool:
        """Wait until all is written, or until no reader has taken anything for so many seconds; whether it is."""
        with self._changed:
            while any(self._sizes.values()):
                before = self._taken
                if not self._changed.wait(seconds) and self._taken == before:
                    return False
        return True


class Outlets:
    """Standard output and standard error, from now on; a descriptor that is closed leads nowhere.

    Nothing that is opened later can then be taken for one of them.
    """

    def __init__(self) -> None:
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - the last of the standard three
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - the function's only argument
        os.close(descriptor)
        sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115 - until we end
        encodings = [stream.encoding if stream else "utf-8" for stream in (sys.stdout, sys.stderr)]
        self.results = Outlet(1, encodings[0], results=True)
        self.progress = Outlet(2, encodings[1], results=False)
        sys.stdout, sys.stderr = self.results, self.progress

    def hurry(self) -> None:
        """Hold nobody up from now on."""
        import signal

        # A terminal with `stty tostop` would stop us when we print in the background.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        queue = _Queue()
        self.results.hurry(queue)
        # What goes to the same place stays in order.
        self.progress.hurry(queue if os.path.samestat(os.fstat(1), os.fstat(2)) else _Queue())

    def settle(self, seconds: float | None) -> bool:
        """Wait for the readers at the end, as `Outlet.settle`; whether the results are complete."""
        lost = self.results.settle(seconds)
        if lost:
            self.progress.write(f"sametag: warning: standard output {lost}\n")
        self.progress.settle(seconds)
        return lost is None

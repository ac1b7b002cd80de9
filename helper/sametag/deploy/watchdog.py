"""A separate program that stops Helm while its client is stopped, and kills it when its client is gone.

Run by `leash.leash`. Each line on stdin means that the client is alive, and lists the process groups of its Helms. If
no line comes for `LIMIT` seconds, the client is stopped (Ctrl-Z, SIGSTOP) or the machine has slept: the Helms are
stopped too, until the next line. At the end of input, the client is gone: they are killed.
"""

import math
import os
import select
import signal
import sys
import time

#: Well below the duration of a lease, so that no Helm runs when another client takes the lease over.
LIMIT = 5.0

# How soon the watchdog notices that the machine has slept, in seconds.
_LOOK = 0.25

# This clock includes the time in which the machine sleeps. Source: clock_gettime(2)
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_AT_ONCE = 4096


def _signal(groups: list[int], number: signal.Signals) -> None:
    for group in groups:
        try:
            os.killpg(group, number)
        except OSError:  # the group has ended
            continue


def watch(descriptor: int) -> None:
    """Watch until the end of input."""
    groups: list[int] = []
    heard, stopped = math.inf, False
    while True:
        if select.select([descriptor], [], [], _LOOK)[0]:
            said = os.read(descriptor, _AT_ONCE)
            if not said:
                _signal(groups, signal.SIGKILL)
                return
            groups = [int(word) for word in said.splitlines()[-1].split()]
            heard = time.clock_gettime(CLOCK)
            if stopped:
                _signal(groups, signal.SIGCONT)
                stopped = False
        elif groups and not stopped and time.clock_gettime(CLOCK) - heard > LIMIT:
            _signal(groups, signal.SIGSTOP)
            stopped = True


if __name__ == "__main__":
    # It ends only with its client.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(ignored, signal.SIG_IGN)
    watch(sys.stdin.fileno())

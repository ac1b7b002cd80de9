"""The command `sametag`."""

import gc
import os
import sys

# A command makes many objects and few cycles: looking for them after every 700 takes a tenth of a validate.
_COLLECT_AFTER = 100_000

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(_COLLECT_AFTER)
    try:
        from sametag.cli import main as command

        code = command(sys.argv[1:])
    except KeyboardInterrupt:
        # Before the command could hear it, or after its end: a traceback would say nothing.
        code = _INTERRUPTED
    # What Python would still do takes a tenth of the time: free one by one what ends with the process.
    os._exit(code)


if __name__ == "__main__":
    main()

"""The program, as `footfall` and as `python -m server`.

SIGTERM and SIGINT have handlers before anything large is imported: as process 1 of a container the kernel ignores a signal without one.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_IS_SERVE = sys.argv[1:2] == ["serve"]


def _leave(number: int, _: FrameType | None) -> None:
    """Exit at once: nothing is open yet. For `serve` a stop is no failure."""
    os._exit(0 if _IS_SERVE else 128 + number)


def _end(number: int, _: FrameType | None) -> None:
    """End a command in order: what it opened is closed, and what it drafted is deleted."""
    sys.exit(128 + number)


def main() -> None:
    """Import the commands and run the one that was called for."""
    is_interruptible = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    signal.signal(signal.SIGTERM, _leave)
    if is_interruptible:
        signal.signal(signal.SIGINT, _leave)
    if sys.argv[1:] == ["health"]:
        from server import probe  # noqa: PLC0415 - without the other commands: a container asks every few seconds

        sys.exit(probe.main())
    from server.cli import main as run  # noqa: PLC0415 - half a second, in which a signal may come

    if not _IS_SERVE:  # which has handlers of its own, once there is something to close
        signal.signal(signal.SIGTERM, _end)
        if is_interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()

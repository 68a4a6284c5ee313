"""The entry point of `footfall` and `python -m server`.

Installs handlers for SIGTERM and SIGINT before the large imports: for process 1 of a container, the kernel ignores signals without a handler.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_IS_SERVE = sys.argv[1:2] == ["serve"]


def _leave(number: int, _: FrameType | None) -> None:
    """Exit immediately: nothing is open yet. Stopping `serve` is not a failure."""
    os._exit(0 if _IS_SERVE else 128 + number)


def _end(number: int, _: FrameType | None) -> None:
    """Exit a command cleanly: close resources, and delete temporary files."""
    sys.exit(128 + number)


def main() -> None:
    """Import the commands and run one of them."""
    is_interruptible = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if is_interruptible:
        signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    if sys.argv[1:] == ["health"]:
        from server import probe  # noqa: PLC0415 - without the other commands: containers call it every few seconds

        sys.exit(probe.main())
    from server.cli import main as run  # noqa: PLC0415 - takes half a second, during which a signal may arrive

    if not _IS_SERVE:  # `serve` installs its own handlers later
        signal.signal(signal.SIGTERM, _end)
        if is_interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()

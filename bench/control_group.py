"""Memory control groups of Linux, version 1 or 2: limit the memory of a command and its children, and read what they use."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

MOUNT = Path("/sys/fs/cgroup")


class Peaks:
    """The highest figures seen, in bytes."""

    resident = 0
    anonymous = 0


class ControlGroup:
    """A control group for a `with` block. Page cache counts against its limit, but the kernel can reclaim it."""

    def __init__(self, limit: int | None = None) -> None:
        self._is_first = (MOUNT / "memory").is_dir()
        self._path = (MOUNT / "memory" if self._is_first else MOUNT) / f"footfall-bench-{os.getpid()}"
        self._limit = limit

    def __enter__(self) -> Self:
        try:
            self._path.mkdir()
            if self._limit is not None:
                (self._path / ("memory.limit_in_bytes" if self._is_first else "memory.max")).write_text(str(self._limit))
        except OSError as error:
            sys.exit(f"Cannot create a memory control group: {error}")
        return self

    def __exit__(self, *error: object) -> None:
        for _ in range(100):
            with contextlib.suppress(OSError):
                self._path.rmdir()
                return
            time.sleep(0.1)

    def command(self, command: Sequence[str]) -> tuple[str, ...]:
        """A command that runs in the group."""
        return ("sh", "-c", f'echo $$ > {self._path}/cgroup.procs && exec "$@"', "sh", *command)

    def anonymous(self) -> int:
        """Bytes that the kernel cannot reclaim: all except page cache."""
        return self._field("memory.stat", "rss" if self._is_first else "anon")

    def resident(self) -> int:
        """Bytes in memory of all processes, with the files that they have mapped."""
        total = 0
        for pid in (self._path / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
                total += int(found[1]) * 1024 if found else 0
        return total

    def killed(self) -> bool:
        """Return True if the kernel killed a process of the group for its memory."""
        return self._field("memory.oom_control" if self._is_first else "memory.events", "oom_kill") > 0

    @contextlib.contextmanager
    def sampled(self) -> Iterator[Peaks]:
        """Watch the memory ten times a second."""
        peaks, ended = Peaks(), threading.Event()

        def sample() -> None:
            while not ended.wait(0.1):
                peaks.resident = max(peaks.resident, self.resident())
                peaks.anonymous = max(peaks.anonymous, self.anonymous())

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield peaks
        finally:
            ended.set()
            thread.join()

    def _field(self, file: str, name: str) -> int:
        found = re.search(rf"^{name} (\d+)$", (self._path / file).read_text(), re.MULTILINE)
        assert found is not None, (file, name)
        return int(found[1])

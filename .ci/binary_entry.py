"""The entry of the binary: dist/footfall starts here.

The executable is two processes: one that unpacks to a temporary folder and removes it at the end, and its child, which runs this file.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path

import zstandard

PR_SET_PDEATHSIG = 1
LATE = "_duckdb"  # .ci/binary.py explains why


def end_with(unpacker: int) -> None:
    """Let a kill of the first process reach this one."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != unpacker:
        os._exit(1)


class LateModule:
    """Unpacks an extension module at its first import."""

    path = Path(getattr(sys, "_MEIPASS", "."), LATE + EXTENSION_SUFFIXES[0])

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of the late module. Raises ImportError if it cannot be unpacked, such as on a full disk."""
        if name != LATE:
            return None
        if not cls.path.exists():
            cls._unpack()
        return importlib.util.spec_from_file_location(name, cls.path)

    @classmethod
    def _unpack(cls) -> None:
        part = cls.path.with_suffix(".part")
        try:
            with Path(f"{cls.path}.zst").open("rb") as packed, part.open("wb") as unpacked:
                zstandard.ZstdDecompressor().copy_stream(packed, unpacked)
            part.rename(cls.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise ImportError(f"DuckDB cannot be unpacked into {cls.path.parent}: {error.strerror}", name=LATE) from error


if __name__ == "__main__":
    end_with(os.getppid())
    sys.meta_path.append(LateModule)
    from server.__main__ import main

    main()

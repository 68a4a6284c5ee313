"""The files of a folder that a running server may change."""

from __future__ import annotations

import contextlib
from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """The content of each file below a folder, by its relative path.

    A file that is deleted meanwhile (SQLite's journal, a part of the history) is left out.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found

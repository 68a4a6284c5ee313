"""Operations that are known: those in `graphql/operations/`. The dashboard names them by hash, a script by name, and neither sends their text."""

from __future__ import annotations

import hashlib
from pathlib import Path

from server.settings import bundled


def load(folder: Path | None = None) -> dict[str, str]:
    """Each document, as written in its file, by its name and by its SHA-256 in hexadecimal."""
    folder = bundled("graphql") / "operations" if folder is None else folder
    known = {}
    for path in sorted(folder.glob("*.graphql")):
        known[path.stem] = known[hashlib.sha256(path.read_bytes()).hexdigest()] = path.read_text(encoding="utf-8")
    return known

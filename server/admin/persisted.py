"""Operations that are known by their hash: those in `graphql/operations/`, which the dashboard sends without their text."""

from __future__ import annotations

import hashlib
from pathlib import Path

from server.settings import bundled


def load(folder: Path | None = None) -> dict[str, str]:
    """Each document by its SHA-256 in hexadecimal, as written in its file."""
    folder = bundled("graphql") / "operations" if folder is None else folder
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.graphql"))}

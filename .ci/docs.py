"""Write docs/configure.md from the settings: `make docs`. With --check, exit with 1 if the page differs."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from server.settings import Settings  # noqa: E402 - the path comes first

PAGE = ROOT / "docs" / "configure.md"
HEAD = """# Configure

Settings are environment variables, or lines of `NAME=value` in the file that `FOOTFALL_CONFIG` names. The environment wins.
`footfall doctor` prints every setting with its value, secrets hidden. An unknown `FOOTFALL_…` variable stops the start, with the nearest name.

This page is generated from `server/settings.py` (`make docs`).

| setting | default | meaning |
| --- | --- | --- |
"""


def page() -> str:
    """The page: a row for each setting, in the order of their declaration."""
    rows = [
        f"| `{about['name']}` | {about['default'] or ''} | {about['why']} |" for about in (field.metadata for field in fields(Settings))
    ]
    return HEAD + "\n".join(rows) + "\n"


def main() -> int:
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

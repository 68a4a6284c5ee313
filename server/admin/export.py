"""`python -m server.admin.export FILE`: writes the schema, as `graphql/schema.graphql` has it. `make schema` does so."""

from __future__ import annotations

import sys
from pathlib import Path

from server.admin.schema import build

HEADER = "# Made by `make schema` from server/admin/: do not edit.\n\n"


def text() -> str:
    """The schema in GraphQL's own language."""
    return HEADER + build().as_str() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")

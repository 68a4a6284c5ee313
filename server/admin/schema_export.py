"""Export of the GraphQL schema: `python -m server.admin.schema_export FILE`, as `make schema` runs it.

Changes that break clients are refused. `--breaking` allows them, for fields that no release contains.
"""

from __future__ import annotations

import sys
from pathlib import Path

from graphql import build_schema, find_breaking_changes

from server.admin.schema import build

HEADER = "# Made by `make schema` from server/admin/: do not edit.\n\n"


def text() -> str:
    """Return the schema in the GraphQL schema language."""
    return HEADER + build().as_str() + "\n"


def breaking_changes(before: str, after: str) -> list[str]:
    """List the changes that break clients of the schema `before`, one sentence each."""
    return [change.description for change in find_breaking_changes(build_schema(before), build_schema(after))]


def main(arguments: list[str]) -> int:
    """Write the schema to a file, and return the exit status: 1 for changes that break clients."""
    path, schema = Path(arguments[0]), text()
    found = breaking_changes(path.read_text(encoding="utf-8"), schema) if path.exists() else []
    sys.stderr.writelines(f"breaks clients: {sentence}\n" for sentence in found)
    if found and "--breaking" not in arguments:
        sys.stderr.write(
            "Nothing was written. Deprecate first (graphql/README.md), or run `make schema BREAKING=1` for fields that no release "
            "contains. "
        )
        return 1
    path.write_text(schema, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m server.admin.schema_export FILE`: writes the schema, as `graphql/schema.graphql` has it. `make schema` does so.

What would break a client is said and not written; `--breaking` writes it, for what no release has had.
"""

from __future__ import annotations

import sys
from pathlib import Path

from graphql import build_schema, find_breaking_changes

from server.admin.schema import build

HEADER = "# Made by `make schema` from server/admin/: do not edit.\n\n"


def text() -> str:
    """The schema in GraphQL's own language."""
    return HEADER + build().as_str() + "\n"


def broken(before: str, after: str) -> list[str]:
    """What clients of the schema `before` would stumble over, one sentence each."""
    return [change.description for change in find_breaking_changes(build_schema(before), build_schema(after))]


def main(arguments: list[str]) -> int:
    """Write the schema into a file; the exit status, 1 where that would break a client."""
    path, schema = Path(arguments[0]), text()
    found = broken(path.read_text(encoding="utf-8"), schema) if path.exists() else []
    sys.stderr.writelines(f"breaks clients: {sentence}\n" for sentence in found)
    if found and "--breaking" not in arguments:
        sys.stderr.write("Nothing was written. Deprecate first (graphql/README.md); or, for what no release had: make schema BREAKING=1\n")
        return 1
    path.write_text(schema, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

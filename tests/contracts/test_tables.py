"""docs/tables.md lists each table of the store with its bound."""

from __future__ import annotations

import re
from pathlib import Path

from server.storage.sqlite.opening import migrate
from tests.conftest import rows_of

DOC = Path(__file__).parents[2] / "docs" / "tables.md"


def test_every_table_is_listed_with_its_bound_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "footfall.sqlite3"
    migrate(path)
    tables = {name for (name,) in rows_of(path, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")}
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", DOC.read_text(), re.MULTILINE)
    listed = [name for names, _ in rows for name in re.findall(r"`(\w+)`", names)]
    assert sorted(listed) == sorted(tables)
    for names, bound in rows:
        assert re.match(r"(number|time|number and time|number per day): \w", bound), names

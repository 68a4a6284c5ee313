"""A row with a value that cannot be stored is reported, and does not affect other rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.transfer.import_sources import Row, Source

ROWS = [
    '{"name":"a","installation_id":"i"}',
    '{"name":"b","n":12345678901234567890}',
    '{"name":"c","n":' + "9" * 5_000 + "}",
    '{"name":"d","n":1e400}',
    '{"name":"e","n":"\\u0000"}',
    '{"name":"f","n":1,"n":2}',
    '{"name":"g","n":' + "[" * 17 + "]" * 17 + "}",
    '{"name":"h \\ud83c"}',
    '{"name":"i"}',
]


def rows(path: Path, text: str) -> list[Row]:
    path.write_text(text)
    with Source(path) as source:
        return list(source.rows())


@pytest.mark.parametrize("shape", ["\n".join(ROWS), "[" + ",".join(ROWS) + "]"], ids=["lines", "array"])
def test_rows_beside_faulty_ones_are_read(tmp_path: Path, shape: str) -> None:
    found = rows(tmp_path / "rows.json", shape)
    assert [row.document and row.document["name"] for row in found] == ["a", *[None] * 6, "h \ufffd", "i"]
    assert [row.wrong.partition(":")[0].partition("[")[0] for row in found] == ["", *["n"] * 6, "", ""]
    assert json.dumps([row.place for row in found]) == "[1, 2, 3, 4, 5, 6, 7, 8, 9]"

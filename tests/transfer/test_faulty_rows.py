"""A row with a value that cannot be stored is reported, and does not affect other rows."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from server.transfer.import_sources import LONGEST, Row, Source
from tests.quick import first

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


@pytest.mark.parametrize("long", first(["x" * 4 * LONGEST, "x," * 2 * LONGEST, '"a\n",' * LONGEST], 2), ids=["text", "cells", "quoted"])
def test_a_csv_row_that_never_ends_is_reported_and_not_held_in_memory(tmp_path: Path, long: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"name,n\na,1\n{long}\nb,2\n")
    long_is_quoted = long.startswith('"')
    del long
    with Source(path) as source:
        found = source.rows()
        assert next(found).document == {"name": "a", "n": "1"}
        tracemalloc.start()
        try:
            wrong = next(found)
            assert tracemalloc.get_traced_memory()[1] < 16 * LONGEST  # a list of cells, each a few bytes, is larger than its text
        finally:
            tracemalloc.stop()
        assert (wrong.place, wrong.wrong) == (3, "the line is too long")
        last = next(found)  # of the rest of a quoted row, each line is a row
        assert long_is_quoted or last.document == {"name": "b", "n": "2"}


def test_half_a_character_in_a_pair_is_replaced(tmp_path: Path) -> None:
    assert [row.document for row in rows(tmp_path / "rows.json", '{"a \\ud83c":\n"b \\ud83c"}')] == [
        {"name": "a \ufffd", "value": "b \ufffd"}
    ]

"""A NUL character in a file without JSON is reported like one in JSON, on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.settings import Settings
from tests.transfer.conftest import import_file

pytestmark = pytest.mark.engine_matters  # PostgreSQL refuses texts that SQLite stores

ENGINES = ("sqlite", "postgres")
FILES = {
    "aptabase": "event_name,timestamp,session_id\na\0b,2024-01-01,1\nok,2024-01-01,3\n",
    "umami": "website_id,event_id,event_type,event_name,tag,created_at\nw,1,2,a,b\0,2024-01-01\nw,2,2,ok,b,2024-01-01\n",
    "wire": "name,timestamp,installation_id,os\na\0b,2024-01-01,i,\na,2024-01-01,i\0,\na,2024-01-01,i,li\0nux\nok,2024-01-01,i,\n",
    "posthog": "event,timestamp,distinct_id\na\0b,2024-01-01,i\nok,2024-01-01,i\n",
    "downloads": "dl:a\0:total 5\ndl:b:total 5\n",
}


@pytest.mark.parametrize("form", FILES)
def test_a_row_with_a_nul_is_named(fresh: Settings, tmp_path: Path, form: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text(FILES[form])
    summary = import_file(fresh, path, form)
    assert (summary.stored + summary.counts, summary.bad) == (1, FILES[form].count("\0")), summary.named

"""The second reference: rows per second of `sqlite3.executemany` in transactions of 1,000, into the same table with the same indexes.

`python -m bench.rows FOLDER SECONDS` prints rows per second and µs of CPU time for each row.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from server.event_id import EventIds
from server.storage.sqlite.connection_pool import connect
from server.storage.sqlite.opening import migrate
from server.storage.statements import EVENT_COLUMNS

PROPERTIES = '{"template":"starter","theme":"dark"}'
A_TRANSACTION = 1_000


def write(folder: Path, seconds: float) -> tuple[float, float]:
    """Rows per second, and µs of CPU time for each."""
    path = folder / "rows.sqlite3"
    migrate(path)
    connection = connect(path)
    rng = random.Random(1)
    installs = [rng.getrandbits(64) - (1 << 63) for _ in range(20_000)]
    ids = EventIds(1)
    sql = f"INSERT INTO event ({', '.join(EVENT_COLUMNS)}) VALUES ({', '.join('?' * len(EVENT_COLUMNS))})"
    rows = 0
    wall = cpu = 0.0
    while wall < seconds:
        now = time.time_ns() // 1_000_000
        same = {"project_id": 1, "name_id": 1, "context_id": 1, "occurred_at": now, "outcome": 0, "properties": PROPERTIES}
        events = [{**same, "id": each, "install_id": rng.choice(installs)} for each in ids.take(A_TRANSACTION, now)]
        batch = [tuple(event.get(name) for name in EVENT_COLUMNS) for event in events]
        began, used = time.perf_counter(), time.process_time()
        connection.execute("BEGIN")
        connection.executemany(sql, batch)
        connection.execute("COMMIT")
        wall, cpu, rows = wall + time.perf_counter() - began, cpu + time.process_time() - used, rows + A_TRANSACTION
    connection.close()
    path.unlink()
    return rows / wall, cpu / rows * 1e6


if __name__ == "__main__":
    print(*write(Path(sys.argv[1]), float(sys.argv[2])))

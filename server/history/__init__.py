"""Columnar copies of raw events, for questions that no rollup answers: Parquet files in the data folder, written and read by DuckDB.

    history = History(store, settings)
    rows = await history.query(
        "SELECT os, version, count(*) AS events, count(DISTINCT install_id) AS installs FROM events WHERE occurred_at >= ? GROUP BY ALL",
        [first], project_id=1, since_id=first_id(first - AHEAD), until_id=first_id(end + BEHIND),
    )

- `sql` is one SELECT in DuckDB's dialect, with `?` for parameters. `events` holds every event of the project that the store holds when the
  query begins: the files, and the *tail*, which is what the files lack. Its columns are `event_columns.COLUMNS`, with texts for dictionary numbers.
- `since_id` and `until_id` (ids contain the time of arrival, see `server.event_id`) skip whole files and bound the tail. Pass them if
  the question has a period, and still filter by `occurred_at`.
- `history.run` runs several statements over the same events, which may copy them into a temporary table first.
- `properties` are names of properties for which `events` has the columns `texts_column(name)` and `numbers_column(name)`. Those that a
  file has as columns are read fast, others from JSON.
- The answer is a list of dicts, or None: the history is off (`FOOTFALL_HISTORY=off`), or more than `MAX_TAIL` events are not in files yet. The
  caller then reads the store. Raises `server.problems.TooBroad` beyond the time limit, and its kind `OutOfMemory` beyond the memory limit.
- The files are derived and never the only copy. The folder may be deleted at any time; `build` (the job `build_history`) writes it again.
  A file that is missing, damaged, or older than a change of its events is not used: its events are part of the tail until the next build.

event_columns  the columns, each declared once
property_columns  columns of properties
day_marks      marks of events, to count installs by day
manifest       the list of segments, and the ids that they cover
folder         one writer at a time; removal of what is stale
database       DuckDB with its limits
feeding        events from the store to DuckDB
building       reads segments from the store and merges them
history        the queries, and the interface of the above
"""

from server.history.day_marks import ALONE, REPEATED
from server.history.event_columns import DAY_MARK, UNMARKED
from server.history.history import LAG, MAX_TAIL, History, HistoryReport, OutOfMemory, Reading, Statement
from server.history.property_columns import is_array, numbers_column, texts_column, texts_in

__all__ = [
    "ALONE",
    "DAY_MARK",
    "LAG",
    "MAX_TAIL",
    "REPEATED",
    "UNMARKED",
    "History",
    "HistoryReport",
    "OutOfMemory",
    "Reading",
    "Statement",
    "is_array",
    "numbers_column",
    "texts_column",
    "texts_in",
]  # fmt: skip

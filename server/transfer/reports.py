"""The reports that a terminal and HTTP can ask for: how each is parsed, answered, and written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec
from rich.table import Table

from server.history import History
from server.questions.cohorts import Retention, RetentionAnswer, retention
from server.questions.funnel import Funnel, FunnelAnswer, funnel
from server.questions.paths import Paths, PathsAnswer, paths
from server.questions.report_text import FUNNEL, PATHS, RETENTION, Report
from server.storage.engine import Store
from server.transfer import report_rows, report_table
from server.transfer.exporting import table
from server.transfer.questions import Row

R = TypeVar("R", Funnel, Retention, Paths)
A = TypeVar("A", FunnelAnswer, RetentionAnswer, PathsAnswer)


class Written(msgspec.Struct, Generic[R, A], frozen=True):
    """A report in all its forms."""

    text: Report[R]
    ask: Callable[[Store, R, History | None], Awaitable[A]]
    rows: Callable[[R, A], list[Row]]
    json: Callable[[R, A], bytes]
    table: Callable[[R, A, bool], Table]
    notes: Callable[[R, A], Iterable[str]]

    def file(self, asked: R, answer: A, form: str) -> bytes:
        """Encode an answer in `json` or one of `formats.FORMATS`. Raises FormatError."""
        return self.json(asked, answer) if form == "json" else table(self.rows(asked, answer), form)


REPORTS: dict[str, Written[Any, Any]] = {
    "funnel": Written[Funnel, FunnelAnswer](
        FUNNEL,
        lambda store, asked, history: funnel(store, asked, history=history),
        report_rows.funnel_rows,
        report_rows.funnel_json,
        lambda asked, answer, people: report_table.funnel_table(asked, answer, people=people),
        lambda _, answer: report_table.notes(answer),
    ),
    "retention": Written[Retention, RetentionAnswer](
        RETENTION,
        lambda store, asked, history: retention(store, asked, history=history),
        report_rows.retention_rows,
        report_rows.retention_json,
        lambda asked, answer, people: report_table.retention_table(asked, answer, people=people),
        report_table.retention_notes,
    ),
    "paths": Written[Paths, PathsAnswer](
        PATHS,
        lambda store, asked, history: paths(store, asked, history=history),
        report_rows.paths_rows,
        report_rows.paths_json,
        lambda asked, answer, people: report_table.paths_table(asked, answer, people=people),
        lambda _, answer: report_table.notes(answer),
    ),
}

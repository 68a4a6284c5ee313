"""Questions, and the reports available in a terminal and over HTTP: how each is parsed, answered and written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec
from rich.table import Table

from server.history import History
from server.questions.answer import Answer
from server.questions.ask import ask
from server.questions.cohorts import Retention, RetentionAnswer, retention
from server.questions.funnel import Funnel, FunnelAnswer, funnel
from server.questions.paths import Paths, PathsAnswer, paths
from server.questions.question import Question
from server.questions.report_templates import AnyTemplate
from server.questions.report_text import FUNNEL, PATHS, QUESTION, RETENTION, Report, form_of
from server.storage.engine import Store
from server.transfer import ask_table, report_rows, report_table
from server.transfer.answer_rows import as_json, flat
from server.transfer.exporting import table
from server.transfer.questions import Row

R = TypeVar("R", Question, Funnel, Retention, Paths)
A = TypeVar("A", Answer, FunnelAnswer, RetentionAnswer, PathsAnswer)


class Written(msgspec.Struct, Generic[R, A], frozen=True):
    """A question or report in all its forms."""

    text: Report[Any]
    ask: Callable[[Store, R, History | None], Awaitable[A]]
    rows: Callable[[R, A], list[Row]]
    json: Callable[[R, A], bytes]
    table: Callable[[R, A], Table]
    notes: Callable[[R, A], Iterable[str]]

    def file(self, question: R, answer: A, form: str) -> bytes:
        """Encode an answer in `json` or one of `formats.FORMATS`. Raises FormatError."""
        return self.json(question, answer) if form == "json" else table(self.rows(question, answer), form)


REPORTS: dict[str, Written[Any, Any]] = {
    "question": Written[Question, Answer](
        QUESTION, lambda store, question, history: ask(store, question, history=history), flat, as_json, ask_table.table, ask_table.notes
    ),
    "funnel": Written[Funnel, FunnelAnswer](
        FUNNEL,
        lambda store, question, history: funnel(store, question, history=history),
        report_rows.funnel_rows,
        report_rows.funnel_json,
        report_table.funnel_table,
        lambda _, answer: report_table.notes(answer),
    ),
    "retention": Written[Retention, RetentionAnswer](
        RETENTION,
        lambda store, question, history: retention(store, question, history=history),
        report_rows.retention_rows,
        report_rows.retention_json,
        report_table.retention_table,
        report_table.retention_notes,
    ),
    "paths": Written[Paths, PathsAnswer](
        PATHS,
        lambda store, question, history: paths(store, question, history=history),
        report_rows.paths_rows,
        report_rows.paths_json,
        report_table.paths_table,
        lambda _, answer: report_table.notes(answer),
    ),
}


def written_as(template: AnyTemplate) -> Written[Any, Any]:
    """Return the forms of a template."""
    return REPORTS[form_of(template).name]

"""The page of a link to a saved question or report, without scripts: the answer as a table, and for a question also as a chart."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from string import Template

from server.clock import utc_minute
from server.pages.markup import escape
from server.questions.periods import Period
from server.questions.shared_answer import SharedAnswer
from server.questions.shared_reports import SharedReport
from server.storage.projects.shares import Shared
from server.transfer.answer_chart import chart
from server.transfer.ask_table import notes
from server.transfer.shared_sheet import Sheet, answer_sheet, report_sheet

MAX_LINES = 1_000  # of the table
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address contains the secret
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
}


def answer_page(frame: Template, shared: Shared, found: SharedAnswer, least: int) -> str:
    """Render the answer of a shared question."""
    question, answer = found
    if answer is None:
        return _page(frame, shared, question.period, None, least)
    body = f"{chart(question, answer)}{_table(answer_sheet(question, answer))}{_paragraphs(notes(question, answer))}"
    return _page(frame, shared, question.period, body, least)


def report_page(frame: Template, shared: Shared, found: SharedReport, least: int) -> str:
    """Render the answer of a shared funnel or question about retention."""
    remarks = [] if found.complete else ["Incomplete: events were deleted by retention."]
    body = None if found.rows is None else f"{_table(report_sheet(found))}{_paragraphs(remarks)}"
    return _page(frame, shared, found.report.period, body, least)


def _page(frame: Template, shared: Shared, period: Period, body: str | None, least: int) -> str:
    until = _time(period.start if body is None else period.end)
    about = [f"{shared.title or shared.slug}, from {_time(period.start)} to {until}."]
    if body is None:
        about.append("The period has just begun: there are no figures yet.")
    elif least > 1:
        about.append(f"Figures of fewer than {least} installs are counted in (other), or left out.")
    expires = f"This link expires on {_time(shared.expires_at)}."
    content = (
        f'<h1>{escape(shared.question.name)}</h1><p class="lead">{escape(" ".join(about))}</p>{body or ""}<p class="also">{expires}</p>'
    )
    return frame.substitute(title=escape(shared.question.name), content=content)


def message_page(frame: Template, title: str, message: str) -> str:
    """Render a page without an answer."""
    return frame.substitute(title=escape(title), content=f'<h1>{escape(title)}</h1><p class="lead">{escape(message)}</p>')


def _table(sheet: Sheet) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in sheet.labels)
    head += "".join(f'<th scope="col" class="end">{escape(each)}</th>' for each in sheet.figures)
    labels = len(sheet.labels)
    rows = [
        ('<tr class="partial">' if line.is_partial else "<tr>")
        + "".join(f"<td>{escape(cell)}</td>" for cell in line.cells[:labels])
        + "".join(f'<td class="end">{escape(cell)}</td>' for cell in line.cells[labels:])
        + "</tr>"
        for line in islice(sheet.lines, MAX_LINES)
    ]
    more = f"<p>The first {MAX_LINES} lines.</p>" if len(rows) == MAX_LINES else ""
    table = f'<table class="answer"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="scroll" tabindex="0">{table}</div>{more}'


def _paragraphs(texts: Iterable[str]) -> str:
    return "".join(f"<p>{escape(each)}</p>" for each in texts)


def _time(at: int) -> str:
    return f"{utc_minute(at)} UTC"

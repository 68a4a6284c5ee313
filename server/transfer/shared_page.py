"""The page that a link to a saved question shows: the answer as a chart and a table, without scripts."""

from __future__ import annotations

from itertools import islice
from string import Template

from server.clock import utc_minute
from server.pages.markup import escape
from server.questions.answer import Answer
from server.questions.question import Question
from server.questions.shared_answer import SharedAnswer
from server.storage.projects.shares import Shared
from server.transfer.answer_chart import chart
from server.transfer.ask_table import heads, lines, notes

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
    until = _time(question.period.end if answer is not None else question.period.start)
    about = [f"{shared.title or shared.slug}, from {_time(question.period.start)} to {until}."]
    if answer is None:
        about.append("The period has just begun: there are no figures yet.")
    elif least > 1:
        about.append(f"Figures of fewer than {least} installs are counted in (other), or left out.")
    body = "" if answer is None else f"{chart(question, answer)}{_table(question, answer)}{_notes(question, answer)}"
    expires = f"This link expires on {_time(shared.expires_at)}."
    content = f'<h1>{escape(shared.question.name)}</h1><p class="lead">{escape(" ".join(about))}</p>{body}<p class="also">{expires}</p>'
    return frame.substitute(title=escape(shared.question.name), content=content)


def message_page(frame: Template, title: str, message: str) -> str:
    """Render a page without an answer."""
    return frame.substitute(title=escape(title), content=f'<h1>{escape(title)}</h1><p class="lead">{escape(message)}</p>')


def _table(question: Question, answer: Answer) -> str:
    labels, figures = heads(question, answer)
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in labels)
    head += "".join(f'<th scope="col" class="end">{escape(each)}</th>' for each in figures)
    rows = [
        ('<tr class="partial">' if line.is_partial else "<tr>")
        + "".join(f"<td>{escape(cell)}</td>" for cell in line.cells[: len(labels)])
        + "".join(f'<td class="end">{escape(cell)}</td>' for cell in line.cells[len(labels) :])
        + "</tr>"
        for line in islice(lines(question, answer, people=False), MAX_LINES)
    ]
    more = f"<p>The first {MAX_LINES} lines.</p>" if len(rows) == MAX_LINES else ""
    table = f'<table class="answer"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="scroll" tabindex="0">{table}</div>{more}'


def _notes(question: Question, answer: Answer) -> str:
    return "".join(f"<p>{escape(note)}</p>" for note in notes(question, answer))


def _time(at: int) -> str:
    return f"{utc_minute(at)} UTC"

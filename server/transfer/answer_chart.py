"""An answer as a picture in SVG: lines over steps, or bars. Its colors are classes of the pages' stylesheet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from server.pages.markup import escape
from server.questions.answer import Answer, Row
from server.questions.figure_text import figure
from server.questions.question import Question
from server.transfer.answer_rows import NO_VALUE, OTHER
from server.transfer.ask_table import partial_steps, time_label, title

MAX_LINES = 6
MAX_BARS = 20
_WIDTH, _HEIGHT = 720, 240
_LEFT, _TOP, _BOTTOM = 64, 12, 24
_BAR = 28
Point = tuple[float, float]


def chart(question: Question, answer: Answer) -> str:
    """Draw the first measure of the largest rows. Returns HTML, empty if there are no figures."""
    if not any(value for row in answer.rows for value in row.figures[0].all):
        return ""
    drawn = answer.rows[: MAX_LINES if question.over else MAX_BARS]
    name = escape(title(question.measures[0]))
    picture = _lines(question, answer, drawn) if question.over else _bars(question, drawn)
    more = f"<p>The {len(drawn)} largest of {len(answer.rows)} rows; the table has all.</p>" if len(drawn) < len(answer.rows) else ""
    return f'<figure class="chart"><figcaption>{name}</figcaption>{picture}{more}</figure>'


def _label(question: Question, row: Row) -> str:
    """The name of a row."""
    keys = [OTHER] if row.is_other else [NO_VALUE if key is None else key for key in row.keys]
    return ", ".join([*([row.segment] if row.segment else []), *keys]) or title(question.measures[0])


def _bars(question: Question, rows: list[Row]) -> str:
    values = [row.figures[0].all[0] for row in rows]
    most = max(value or 0 for value in values)
    parts = []
    for number, (row, value) in enumerate(zip(rows, values, strict=True)):
        top, width = number * _BAR, round(300 * (value or 0) / most, 1)
        parts.append(
            f'<text x="250" y="{top + 19}" class="end">{escape(_short(_label(question, row)))}</text>'
            f'<rect class="c1" x="260" y="{top + 6}" width="{width}" height="{_BAR - 10}" rx="3"/>'
            f'<text x="{268 + width}" y="{top + 19}">{escape(figure(question.measures[0], value))}</text>'
        )
    return _svg(len(rows) * _BAR, f"Bars: {title(question.measures[0])}", "".join(parts))


def _lines(question: Question, answer: Answer, rows: list[Row]) -> str:
    most = max(value or 0 for row in rows for value in row.figures[0].all) or 1
    across = (_WIDTH - _LEFT - 16) / max(1, len(answer.starts) - 1)
    base = _HEIGHT - _BOTTOM
    paths, partial = [], partial_steps(question, answer)
    for number, row in enumerate(rows, 1):
        points = [
            None if value is None else (round(_LEFT + place * across, 1), round(base - value / most * (base - _TOP), 1))
            for place, value in enumerate(row.figures[0].all)
        ]
        paths += [f'<path class="{name}" d="{path}"/>' for name, path in _paths(points, partial, f"c{number}") if path]
        paths += [f'<circle class="c{number}" cx="{x}" cy="{y}" r="2"/>' for x, y in filter(None, points)] if len(points) < 40 else []
    first, last = time_label(answer.starts[0], question.over), time_label(answer.starts[-1], question.over)
    axis = (
        f'<path class="axis" d="M{_LEFT} {base}H{_WIDTH - 16}"/>'
        f'<text x="{_LEFT - 8}" y="{_TOP + 8}" class="end">{escape(figure(question.measures[0], most))}</text>'
        f'<text x="{_LEFT - 8}" y="{base}" class="end">0</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{first}</text><text x="{_WIDTH - 16}" y="{_HEIGHT - 6}" class="end">{last}</text>'
    )
    legend = "".join(f'<li class="c{number}">{escape(_label(question, row))}</li>' for number, row in enumerate(rows, 1))
    listed = f'<ul class="legend">{legend}</ul>' if len(rows) > 1 else ""
    return _svg(_HEIGHT, f"Lines: {title(question.measures[0])} from {first} to {last}", axis + "".join(paths)) + listed


def _paths(points: list[Point | None], partial: set[int], color: str) -> Iterator[tuple[str, str]]:
    """The CSS class and the data of each path of a line. Segments to and from an incomplete step are dashed."""
    solid, dashed = "", ""
    for place, (before, point) in enumerate(pairwise([None, *points])):
        if point is None:
            continue
        at = f"{point[0]} {point[1]}"
        if before is None:
            solid += f"M{at}"
        elif place in partial or place - 1 in partial:
            dashed += f"M{before[0]} {before[1]}L{at}"
            solid += f"M{at}"
        else:
            solid += f"L{at}"
    yield color, solid
    yield f"{color} partial", dashed


def _svg(height: int, label: str, content: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}">{content}</svg>'


def _short(text: str) -> str:
    return text if len(text) <= 34 else f"{text[:33]}…"

"""Conditions that no event of the period meets, with the nearest values that events have. An empty answer explains itself by them."""

from __future__ import annotations

from server.analytics.absent_values import nearest
from server.analytics.sources import read, sql
from server.fields import BY_NAME, Kind
from server.questions.answer import QuestionWarning
from server.questions.facts import Facts
from server.questions.question import By, Condition, Op, Question
from server.questions.sql_engines import ENGINES
from server.storage.engine import Store

MAX_CANDIDATES = 200
_POSITIVE = (Op.IS, Op.PREFIX, Op.CONTAINS, Op.SEMVER)


async def warnings(store: Store, question: Question) -> list[QuestionWarning]:
    """Explain an empty answer: each value of a condition that no event of the period has."""
    found: list[QuestionWarning] = []
    conditions = [*question.where, *(condition for segment in question.segments for condition in segment.where)]
    for condition in dict.fromkeys(conditions):
        if condition.op in _POSITIVE:
            found += await _explained(store, question, condition)
    if not found and conditions:
        found.append(QuestionWarning("where", "No event in this period meets all conditions together.", []))
    return found


async def _explained(store: Store, question: Question, condition: Condition) -> list[QuestionWarning]:
    known = await values(store, question, condition.field)
    label = condition.field
    if condition.op is not Op.IS:
        # Ranges and parts of texts: whether any value of the period meets them.
        if await _matches(store, question, condition):
            return []
        return [
            QuestionWarning(
                label, f"No event in this period has a `{label}` that meets `{condition.op.value} {condition.values[0]}`.", known[:5]
            )
        ]
    missing = [value for value in condition.values if value not in known]
    return [_missing(label, value, known) for value in missing[:5] if not await _matches(store, question, _only(condition, value))]


def _only(condition: Condition, value: str) -> Condition:
    return Condition(condition.field, condition.op, (value,))


def _missing(field: str, value: str, known: list[str]) -> QuestionWarning:
    near = nearest(value, known) or known[:5]
    hint = f" Did you mean {' or '.join(f'`{each}`' for each in near[:3])}?" if near else ""
    return QuestionWarning(field, f"No event in this period has `{field}` `{value}`.{hint}", near)


async def _matches(store: Store, question: Question, condition: Condition) -> bool:
    known = [row["version"] for row in await read(store, sql("SELECT DISTINCT version FROM context WHERE version IS NOT NULL"))]
    facts = Facts(project=question.project, period=question.period, where=(condition,), by=(), over=None, known_versions=known)
    return bool(await read(store, sql("SELECT step FROM (", facts.sql(ENGINES[store.engine_type]), ") AS facts LIMIT 1")))


async def values(store: Store, question: Question, field: str, *, limit: int = MAX_CANDIDATES) -> list[str]:
    """The values of a field in the period, most common first."""
    declared = BY_NAME.get(field)
    if declared is not None and declared.kind is Kind.NUMBER:
        return []
    facts = Facts(project=question.project, period=question.period, where=(), by=(By(field),), over=None)
    engine = ENGINES[store.engine_type]
    query = sql(
        "SELECT k1 FROM (",
        facts.sql(engine),
        f") AS facts WHERE k1 IS NOT NULL GROUP BY k1 ORDER BY COUNT(*) DESC, {engine.sortable('k1')} LIMIT {limit}",
    )
    return [row["k1"] for row in await read(store, query)]

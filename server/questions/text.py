"""The text form of a question, in the CLI's options and the query parameters of HTTP: `measure=installs`, `where=os=linux`, `by=version.minor`.

A condition is a field, a comparison and values:

    os=linux,windows        is any of the values
    os!=windows             is none of them; includes events without a value
    error_type exists       has a value
    error_type missing      has none
    target^=pkg-            begins with
    properties.theme*=dark  contains
    version~>=2.7 <3        a range of versions
    duration_ms>1000        greater than a number; < is less

` and ` joins conditions. Double quotes enclose a field or value that contains a comma, a space at its ends or one of the words above; a doubled
quote stands for one.
"""

from __future__ import annotations

import csv
import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from server.dialects.parsing import timestamp
from server.dialects.parsing.times import iso
from server.event import FieldError
from server.fields import PROPERTY_PREFIX
from server.problems import BadQuery, Invalid
from server.questions.periods import RelativePeriod, Step, ToDate
from server.questions.question import Audience, By, Compare, Condition, Measure, Op, Parts, Question, Segment
from server.questions.template import Template

E = TypeVar("E", bound=enum.Enum)

# The parameters, with a description each.
PARAMETERS = {
    "measure": f"Figures, separated by commas: {', '.join(measure.value for measure in Measure)}",
    "where": "A condition such as `os=linux,windows`, `os!=windows`, `error_type exists`, `target missing`, `target^=pkg-`, "
    "`properties.theme*=dark`, `version~>=2.7 <3` or `duration_ms>1000`",
    "by": "Fields to split by, at most two, separated by commas; `version.major` and `version.minor` group versions",
    "over": "The length of a step: `hour`, `day`, `week` or `month`",
    "last": "The period: a number of days up to now, including today; 30 by default",
    "to_date": "The period: the current `week` or `month`, up to and including today",
    "from": "The start of the period, inclusive, in ISO 8601",
    "to": "The end of the period, exclusive, in ISO 8601",
    "compare": "The period to compare with: `previous`, `last_year`, its start in ISO 8601, or its start and end, separated by `..`",
    "segment": "Conditions with a name, answered beside other segments, such as `windows: os=windows and arch=arm64`",
    "first": "The number of groups listed, 10 by default; all others are counted together",
    "audience": "`everything` (default) or `people`: the events that rank the groups, and that a table, chart, link or alert shows. Files have both",
}
REPEATED = ("measure", "where", "by", "segment")

_SYMBOLS = {"!=": Op.IS_NOT, "^=": Op.PREFIX, "*=": Op.CONTAINS, "=": Op.IS, "~": Op.SEMVER, ">": Op.ABOVE, "<": Op.BELOW}
_WORDS = {"exists": Op.EXISTS, "missing": Op.MISSING}
_SINGLE = {Op.SEMVER, Op.ABOVE, Op.BELOW}  # their value may contain commas
_OF_OP = {op: symbol for symbol, op in _SYMBOLS.items()}
_CONDITION = re.compile(
    r"""\s* (?: "(?P<quoted>(?:[^"]|"")*)" | (?P<field>[^\s"=!<>~^*,]+) ) \s*
    (?: (?P<symbol>!=|\^=|\*=|[=~<>]) \s* (?P<values>.*?) | (?P<word>exists|missing) ) \s*""",
    re.DOTALL | re.VERBOSE,
)
_SEGMENT = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<name>[^\s":](?:[^":]*[^\s":])?))\s*:\s*(?P<where>.*?)\s*', re.DOTALL)
_PLAIN = re.compile(r"[^\s\",]+(?: [^\s\",]+)*")  # a value that needs no quotes
_FORM = "must be a field, a comparison and values, such as `os=linux,windows` or `error_type exists`"


def parse(words: Mapping[str, Sequence[str]]) -> Template:
    """Parse the parameters, each with the texts that were given. Raises BadQuery that names the parameter, as in `where[1]`.

    Rules that concern several parts are checked when the question is created: see `question`.
    """
    given = {name: [text for text in texts if text] for name, texts in words.items()}
    for name, texts in given.items():
        if name not in PARAMETERS:
            raise BadQuery(FieldError(name, f"is unknown; the parameters are {', '.join(PARAMETERS)}"))
        if len(texts) > 1 and name not in REPEATED:
            raise BadQuery(FieldError(name, "must be given once"))
    get = {name: texts[0] for name, texts in given.items() if texts}.get
    listed = {name: given.get(name, []) for name in REPEATED}
    measures = [choice("measure", text, Measure) for text in value_list("measure", listed["measure"])]
    over = get("over", "none")
    return Template(
        measures=tuple(measures) or (Measure.EVENTS,),
        where=tuple(each for number, text in enumerate(listed["where"]) for each in conditions(text, f"where[{number}]")),
        by=tuple(split_of(text, f"by[{number}]") for number, text in enumerate(value_list("by", listed["by"]))),
        over=None if over == "none" else choice("over", over, Step),
        period=period_of(get("last"), get("to_date"), get("from"), get("to")),
        **_comparison(get("compare", "")),
        segments=tuple(segment_of(text, f"segment[{number}]") for number, text in enumerate(listed["segment"])),
        first=whole_number("first", get("first", "10")),
        audience=choice("audience", get("audience", "everything"), Audience),
    )


def question(template: Template, project: int, now: int) -> Question:
    """Return the question of a template at a time. Raises BadQuery that names the parameter."""
    try:
        return template.at(project, now)
    except BadQuery as error:
        raise BadQuery(*(FieldError(parameter(each.path), each.message) for each in error.errors)) from None


def conditions(text: str, part: str) -> tuple[Condition, ...]:
    """Parse conditions that are joined by ` and `. Raises BadQuery that names the part of the question."""
    found = tuple(_condition(each, part) for each in _split(text))
    for condition in found:
        condition.check(part)
    return found


def _split(text: str) -> list[str]:
    """Split at each ` and ` that is not in quotes."""
    pieces, quoted = [""], False
    for piece in re.split(r"(\"|\s+and(?:\s+|$))", text):
        quoted ^= piece == '"'
        if not quoted and re.fullmatch(r"\s+and\s*", piece):
            pieces.append("")
        else:
            pieces[-1] += piece
    return pieces


def _condition(text: str, part: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise BadQuery(FieldError(part, _FORM))
    field = match["field"] if match["quoted"] is None else match["quoted"].replace('""', '"')
    if match["word"]:
        return Condition(field, _WORDS[match["word"]])
    op = _SYMBOLS[match["symbol"]]
    if not match["values"]:
        raise BadQuery(FieldError(part, "must have a value after its comparison"))
    return Condition(field, op, (match["values"],) if op in _SINGLE else tuple(value_list(part, [match["values"]])))


def value_list(part: str, texts: Iterable[str]) -> list[str]:
    """The values of comma-separated lists, in which double quotes enclose values."""
    found: list[str] = []
    for text in texts:
        try:
            (row,) = csv.reader([text], skipinitialspace=True, strict=True)
        except (csv.Error, ValueError):
            raise BadQuery(FieldError(part, "must be values separated by commas, with pairs of double quotes")) from None
        found += row if '"' in text else [value.strip() for value in row]
    return found


def split_of(text: str, part: str) -> By:
    field, _, parts = text.rpartition(".")
    is_whole = text.startswith(PROPERTY_PREFIX) or parts not in {each.value for each in Parts}
    by = By(text) if is_whole else By(field, Parts(parts))
    by.check(part)
    return by


def segment_of(text: str, part: str) -> Segment:
    match = _SEGMENT.fullmatch(text)
    if match is None:
        raise BadQuery(FieldError(part, "must be a name, a colon and conditions, such as `windows: os=windows`"))
    name = match["name"] if match["quoted"] is None else match["quoted"].replace('""', '"')
    return Segment(name, conditions(match["where"], part) if match["where"] else ())


def period_of(last: str | None, to_date: str | None, start: str | None, end: str | None) -> RelativePeriod:
    return RelativePeriod(
        last=whole_number("last", last) if last else None,
        to_date=choice("to_date", to_date, ToDate) if to_date else None,
        start=_time("from", start) if start else None,
        end=_time("to", end) if end else None,
    )


def _comparison(text: str) -> dict[str, Any]:
    """The fields `compare` and `compare_to` of a template."""
    if not text or not text[0].isdigit():
        return {"compare": choice("compare", text, Compare) if text else None}
    start, _, end = text.partition("..")
    return {"compare_to": RelativePeriod(start=_time("compare", start), end=_time("compare", end) if end else None)}


def _time(name: str, text: str) -> int | None:
    try:
        return timestamp(text.replace(" ", "+"), name)  # a plus sign that was not escaped
    except Invalid as error:
        raise BadQuery(*error.errors) from None


def choice(name: str, text: str, kind: type[E]) -> E:
    word = text.strip().replace("-", "_")
    for each in kind:
        if each.value == word:
            return each
    raise BadQuery(FieldError(name, f"must be one of {', '.join(str(each.value) for each in kind)}"))


def whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise BadQuery(FieldError(name, "must be a whole number from 0 to 99999"))
    return int(text)


# Parts of the model with another name here.
_NAMES = {
    "measures": "measure", "segments": "segment", "period.last": "last", "period.toDate": "to_date", "period.from": "from",
    "period.to": "to", "period": "from", "compareTo": "compare", "compareTo.from": "compare",
}  # fmt: skip


def parameter(part: str) -> str:
    """Return the parameter of a part of the model: `segment[0]` for `segments[0].where[1].op`."""
    stem, bracket, rest = part.partition("[")
    number = rest.partition("]")[0]
    return _NAMES.get(part) or f"{_NAMES.get(stem, stem)}{bracket}{number}{']' if bracket else ''}"


def written(template: Template) -> dict[str, list[str]]:
    """Return the parameters of a template; `parse` gives the same template. Parts with their default are left out."""
    default = Template()
    found = {
        "measure": [] if template.measures == default.measures else [",".join(each.value for each in template.measures)],
        **written_parts(template),
        "over": [template.over.value] if template.over else [],
        "compare": [template.compare.value] if template.compare else _dates(template.compare_to),
        "segment": [segment_text(each) for each in template.segments],
    }
    return {name: found[name] for name in PARAMETERS if any(found[name])}


class _CommonParts(Protocol):
    """The parts that questions and reports share."""

    @property
    def where(self) -> tuple[Condition, ...]: ...
    @property
    def by(self) -> tuple[By, ...]: ...
    @property
    def period(self) -> RelativePeriod: ...
    @property
    def first(self) -> int: ...
    @property
    def audience(self) -> Audience: ...


def written_parts(template: _CommonParts) -> dict[str, list[str]]:
    """Return the parameters of the parts that questions and reports share. Parts with their default have no text."""
    period, default = template.period, Template()
    return {
        "where": [condition_text(each) for each in template.where],
        "by": [",".join(_quoted(f"{by.field}.{by.version.value}" if by.version else by.field) for by in template.by)],
        "last": [str(period.last)] if period.last is not None else [],
        "to_date": [period.to_date.value] if period.to_date else [],
        "from": [iso(period.start)] if period.start is not None else [],
        "to": [iso(period.end)] if period.end is not None else [],
        "first": [] if template.first == default.first else [str(template.first)],
        "audience": [] if template.audience is default.audience else [template.audience.value],
    }


def segment_text(segment: Segment) -> str:
    """Write a segment as its name, a colon and its conditions."""
    return f"{_name(segment.name)}: {' and '.join(map(condition_text, segment.where))}"


def _dates(period: RelativePeriod | None) -> list[str]:
    if period is None or period.start is None:
        return []
    return [iso(period.start) + ("" if period.end is None else f"..{iso(period.end)}")]


def _name(name: str) -> str:
    return name if re.fullmatch(r"[^\s\":](?:[^\":]*[^\s\":])?", name) else _in_quotes(name)


def condition_text(condition: Condition) -> str:
    """Write a condition as its field, a comparison and values."""
    field = condition.field
    if not re.fullmatch(r"[^\s\"=!<>~^*,]+", field):
        field = _in_quotes(field)
    if condition.op not in _OF_OP:
        return f"{field} {condition.op.value}"
    values = condition.values if condition.op in _SINGLE else [_quoted(value) for value in condition.values]
    return f"{field}{_OF_OP[condition.op]}{','.join(values)}"


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text) and not re.search(r" and( |$)", text):
        return text
    return _in_quotes(text)


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'

"""The text form of questions: the meaning of each condition, and the round trip of every question through text."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime

import msgspec
import pytest

from server.event import DAY
from server.problems import BadQuery
from server.questions import text
from server.questions.ask import compared_period
from server.questions.periods import Period, RelativePeriod, Step, ToDate
from server.questions.question import By, Compare, Condition, Measure, Op, Parts, Segment
from server.questions.template import Template

NOW = int(datetime(2026, 11, 29, 8, 30, tzinfo=UTC).timestamp() * 1000)  # a Sunday


def at(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("written", "condition"),
    [
        ("os=windows", Condition("os", Op.IS, ("windows",))),
        ("os = windows , linux", Condition("os", Op.IS, ("windows", "linux"))),
        ('runtime="node 20","a, b"', Condition("runtime", Op.IS, ("node 20", "a, b"))),
        ("runtime=node 20", Condition("runtime", Op.IS, ("node 20",))),
        ('name="say ""hi"""', Condition("name", Op.IS, ('say "hi"',))),
        ("os!=windows", Condition("os", Op.IS_NOT, ("windows",))),
        ("error_type exists", Condition("error_type", Op.EXISTS)),
        ("target missing", Condition("target", Op.MISSING)),
        ("target^=pkg-,lib-", Condition("target", Op.PREFIX, ("pkg-", "lib-"))),
        ("properties.theme*=dark", Condition("properties.theme", Op.CONTAINS, ("dark",))),
        ('"properties.my theme"=dark', Condition("properties.my theme", Op.IS, ("dark",))),
        ("version~>=2.7 <3", Condition("version", Op.SEMVER, (">=2.7 <3",))),
        ("version~>=2.7, <3", Condition("version", Op.SEMVER, (">=2.7, <3",))),
        ("version~^1.4", Condition("version", Op.SEMVER, ("^1.4",))),
        ("duration_ms>1000", Condition("duration_ms", Op.ABOVE, ("1000",))),
        ("properties.files<2.5", Condition("properties.files", Op.BELOW, ("2.5",))),
    ],
)
def test_each_written_condition_is_parsed_as_documented(written: str, condition: Condition) -> None:
    assert text.conditions(written, "where[0]") == (condition,)


def test_conditions_are_joined_by_and_outside_of_quotes() -> None:
    found = text.conditions('os=linux and name="search and replace" and error_type missing', "where[0]")
    assert found == (
        Condition("os", Op.IS, ("linux",)),
        Condition("name", Op.IS, ("search and replace",)),
        Condition("error_type", Op.MISSING),
    )


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ({"where": ["os=linux", "os"]}, "where[1]"),
        ({"where": ["os=linux", "colour=red"]}, "where[1].field"),
        ({"where": ["os="]}, "where[0]"),
        ({"where": ['os="linux']}, "where[0]"),
        ({"where": ["os~>=2"]}, "where[0].op"),
        ({"where": ["version>=2"]}, "where[0].op"),
        ({"where": ["version~new"]}, "where[0].values"),
        ({"where": ["duration_ms>long"]}, "where[0].values"),
        ({"where": ["outcome=perhaps"]}, "where[0].values"),
        ({"where": ["os=linux and"]}, "where[0]"),
        ({"where": ["os=linux"] * 21}, "where"),
        ({"measure": ["joy"]}, "measure"),
        ({"measure": ["events,events"]}, "measure"),
        ({"by": ["os,colour"]}, "by[1].field"),
        ({"by": ["os.minor"]}, "by[0].version"),
        ({"by": ["os,arch,version"]}, "by"),
        ({"over": ["decade"]}, "over"),
        ({"last": ["many"]}, "last"),
        ({"last": ["0"]}, "last"),
        ({"last": ["7"], "from": ["2026-11-01"]}, "last"),
        ({"last": ["7"], "to_date": ["week"]}, "to_date"),
        ({"last": ["7", "8"]}, "last"),
        ({"from": ["soon"]}, "from"),
        ({"from": ["2026-11-02"], "to": ["2026-11-01"]}, "to"),
        ({"from": ["1900-01-01"]}, "from"),
        ({"to_date": ["year"]}, "to_date"),
        ({"compare": ["yesterday"]}, "compare"),
        ({"compare": ["2026-13-01"]}, "compare"),
        ({"compare": ["2026-11-01..red"]}, "compare"),
        ({"compare": ["2026-11-02..2026-11-01"]}, "compare"),
        ({"segment": ["os=linux"]}, "segment[0]"),
        ({"segment": ["a: os=linux", "b: colour=red"]}, "segment[1].field"),
        ({"segment": ["a: os=linux", "a: os=windows"]}, "segment"),
        ({"first": ["1000"]}, "first"),
        ({"colour": ["red"]}, "colour"),
    ],
)
def test_an_error_names_the_parameter_and_repeats_no_value(words: dict[str, list[str]], path: str) -> None:
    with pytest.raises(BadQuery) as raised:
        text.question(text.parse(words), 1, NOW)
    (error,) = raised.value.errors
    assert error.path == path
    assert "red" not in error.message.split()


def test_every_question_can_be_written_and_parsed_again() -> None:
    chance = random.Random(15)
    for _ in range(500):
        template = _random(chance)
        parameters = text.written(template)
        assert text.parse(parameters) == template, parameters


def test_a_saved_question_is_the_same_after_its_json() -> None:
    chance = random.Random(16)
    for _ in range(100):
        template = _random(chance)
        assert msgspec.json.decode(msgspec.json.encode(template), type=Template) == template


def _random(chance: random.Random) -> Template:
    def word() -> str:
        alphabet = string.ascii_letters + '  ",:=~<>!*^.é'
        return "".join(chance.choices(alphabet, k=chance.randint(1, 8))) + chance.choice(["", " and ", " exists"])

    def condition() -> Condition:
        prop = "properties." + "".join(chance.choices("ab =~,<", k=3)) + "x"
        some = tuple(word() for _ in range(chance.randint(1, 3)))
        return chance.choice(
            [
                Condition("os", chance.choice([Op.IS, Op.IS_NOT, Op.PREFIX, Op.CONTAINS]), some),
                Condition(prop, Op.IS, some),
                Condition(prop, chance.choice([Op.EXISTS, Op.MISSING])),
                Condition("version", Op.SEMVER, (chance.choice([">=2.7 <3", "^1.4", "2"]),)),
                Condition("duration_ms", chance.choice([Op.ABOVE, Op.BELOW]), ("12.5",)),
            ]
        )

    def several(most: int) -> tuple[Condition, ...]:
        return tuple(condition() for _ in range(chance.randint(0, most)))

    periods = [
        RelativePeriod(), RelativePeriod(last=7), RelativePeriod(to_date=ToDate.MONTH), RelativePeriod(start=at(2026, 11, 1)),
        RelativePeriod(start=at(2026, 10, 1), end=at(2026, 11, 1)),
    ]  # fmt: skip
    by: list[tuple[By, ...]] = [(), (By("os"), By("version", Parts.MINOR)), (By("properties.a, b"),), (By("properties.version.minor"),)]
    names = {f'{word()}:"'[:100] for _ in range(2)}
    return Template(
        measures=tuple(chance.sample(list(Measure), chance.randint(1, 6))),
        where=several(4),
        by=chance.choice(by),
        over=chance.choice([None, Step.DAY]),
        period=chance.choice(periods),
        **chance.choice([{"compare": chance.choice([None, *Compare])}, {"compare_to": chance.choice(periods[-2:])}]),
        segments=tuple(Segment(name, several(2)) for name in sorted(names)),
        first=chance.choice([10, 3]),
    )


@pytest.mark.parametrize(
    ("words", "period"),
    [
        ({}, Period(at(2026, 10, 31), at(2026, 11, 30))),
        ({"last": ["7"]}, Period(at(2026, 11, 23), at(2026, 11, 30))),
        ({"to_date": ["week"]}, Period(at(2026, 11, 23), at(2026, 11, 30))),
        ({"to_date": ["month"]}, Period(at(2026, 11, 1), at(2026, 11, 30))),
        ({"from": ["2026-11-01"], "to": ["2026-11-02T12:00:00Z"]}, Period(at(2026, 11, 1), at(2026, 11, 2, 12))),
    ],
)
def test_periods_follow_the_clock(words: dict[str, list[str]], period: Period) -> None:
    assert text.question(text.parse(words), 1, NOW).period == period


@pytest.mark.parametrize(
    ("today", "words", "before"),
    [
        (NOW, {"to_date": ["week"]}, (at(2026, 11, 16), NOW - 7 * DAY)),
        (NOW, {"to_date": ["month"]}, (at(2026, 10, 1), NOW - 31 * DAY)),  # up to the same day of October
        (at(2026, 3, 31, 12), {"to_date": ["month"]}, (at(2026, 2, 1), at(2026, 3, 1))),  # all of February
        (at(2026, 12, 2, 6), {"to_date": ["week"]}, (at(2026, 11, 23), at(2026, 11, 25, 6))),
        (NOW, {"last": ["7"]}, (at(2026, 11, 16), NOW - 7 * DAY)),
    ],
)
def test_the_week_and_month_to_date_are_compared_with_the_same_part_of_the_one_before(
    today: int, words: dict[str, list[str]], before: tuple[int, int]
) -> None:
    found = compared_period(text.question(text.parse({**words, "compare": ["previous"]}), 1, today), today)
    assert found is not None
    assert (found.start, found.end) == before


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ({"last": ["7"], "compare": ["2026-10-05..2026-10-12"]}, at(2026, 10, 5), at(2026, 10, 12)),
        ({"from": ["2026-11-01"], "to": ["2026-11-08"], "compare": ["2026-10-05"]}, at(2026, 10, 5), at(2026, 10, 12)),
        # Without an end, as much as has passed of the period.
        ({"to_date": ["week"], "compare": ["2026-10-05"]}, at(2026, 10, 5), at(2026, 10, 5) + NOW - at(2026, 11, 23)),
    ],
)
def test_a_question_is_compared_with_an_explicit_period(words: dict[str, list[str]], start: int, end: int) -> None:
    found = compared_period(text.question(text.parse(words), 1, NOW), NOW)
    assert found is not None
    assert (found.start, found.end) == (start, end)

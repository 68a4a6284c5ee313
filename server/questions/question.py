"""The question model. Every part is checked when it is created; errors name the part, as in `where[0].op`."""

from __future__ import annotations

import enum

import msgspec

from server.event import ENVIRONMENTS, PEOPLE, FieldError
from server.fields import BY_NAME, MAX_PATH, PROPERTY_PREFIX, Field, Kind, is_path, property_paths
from server.problems import BadQuery
from server.questions import versions
from server.questions.periods import Period, Step

MAX_CONDITIONS = 20
MAX_VALUES = 100
LONGEST_VALUE = 1_000  # characters
MAX_GROUPS = 200
MAX_MEASURES = 6
MAX_SEGMENTS = 4


class Measure(enum.Enum):
    """A figure. Each is given for all events and for those of people only (see `server.event.PEOPLE`).

    EVENTS … FAILURES       numbers of events
    FAILURE_RATE            failures / (successes + failures)
    INSTALLS                distinct installs
    NEW_INSTALLS            distinct installs that were first seen in the same step
    P50 … P99               percentiles of durations in milliseconds, exact, by the nearest-rank method
    MEAN                    mean duration in milliseconds
    PER_INSTALL_…           events per install: percentiles and mean
    """

    EVENTS = "events"
    SUCCESSES = "successes"
    FAILURES = "failures"
    FAILURE_RATE = "failure_rate"
    INSTALLS = "installs"
    NEW_INSTALLS = "new_installs"
    P50 = "p50"
    P75 = "p75"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"
    MEAN = "mean"
    PER_INSTALL_P50 = "per_install_p50"
    PER_INSTALL_P90 = "per_install_p90"
    PER_INSTALL_MEAN = "per_install_mean"


COUNTS = (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES, Measure.FAILURE_RATE, Measure.INSTALLS, Measure.NEW_INSTALLS)
# Percentage of each percentile; None is the mean.
DURATIONS = {Measure.P50: 50, Measure.P75: 75, Measure.P90: 90, Measure.P95: 95, Measure.P99: 99, Measure.MEAN: None}
PER_INSTALL = {Measure.PER_INSTALL_P50: 50, Measure.PER_INSTALL_P90: 90, Measure.PER_INSTALL_MEAN: None}
OF_INSTALLS = (Measure.INSTALLS, Measure.NEW_INSTALLS, *PER_INSTALL)


class Op(enum.Enum):
    """A comparison of a field with values.

    IS, IS_NOT       any of the values; `IS_NOT` includes events without a value
    EXISTS, MISSING  whether there is a value
    PREFIX, CONTAINS any of the texts, case-sensitive
    SEMVER           a range of versions, such as `>=2.7 <3`
    ABOVE, BELOW     greater or less than a number
    """

    IS = "is"
    IS_NOT = "is_not"
    EXISTS = "exists"
    MISSING = "missing"
    PREFIX = "prefix"
    CONTAINS = "contains"
    SEMVER = "semver"
    ABOVE = "above"
    BELOW = "below"


_TEXT_OPS = {Op.IS, Op.IS_NOT, Op.EXISTS, Op.MISSING, Op.PREFIX, Op.CONTAINS}
_OPS = {
    Kind.TEXT: _TEXT_OPS,
    Kind.VERSION: _TEXT_OPS | {Op.SEMVER},
    Kind.WORD: {Op.IS, Op.IS_NOT},
    Kind.NUMBER: {Op.EXISTS, Op.MISSING, Op.ABOVE, Op.BELOW},
    Kind.PROPERTY: _TEXT_OPS | {Op.ABOVE, Op.BELOW},
}


class Property(msgspec.Struct, frozen=True):
    """A property by its dotted name. It is looked up as one name first, then as a path into nested objects."""

    name: str

    @property
    def paths(self) -> list[list[str]]:
        """The paths to look at, in order."""
        return property_paths(self.name)


def find_field(name: str, part: str) -> Field | Property:
    """Look up a field. Raises BadQuery that names the part of the question."""
    if name.startswith(PROPERTY_PREFIX):
        path = name.removeprefix(PROPERTY_PREFIX)
        if not is_path(path):
            raise BadQuery(FieldError(part, f"must be a property's name of 1 to 200 characters, nested at most {MAX_PATH} deep"))
        return Property(path)
    field = BY_NAME.get(name)
    if field is None:
        raise BadQuery(FieldError(part, f"must be one of {', '.join(BY_NAME)}, or `{PROPERTY_PREFIX}` and a property's name"))
    return field


def ops_of(field: Field | Property) -> list[Op]:
    """Return the comparisons that a field accepts."""
    allowed = _OPS[Kind.PROPERTY if isinstance(field, Property) else field.kind]
    return [op for op in Op if op in allowed]


class Condition(msgspec.Struct, frozen=True):
    """One condition on a field. `values` is empty for EXISTS and MISSING; any of several values suffices."""

    field: str
    op: Op = Op.IS
    values: tuple[str, ...] = ()

    def check(self, part: str) -> None:
        """Raise BadQuery that names the invalid part."""
        field = find_field(self.field, f"{part}.field")
        allowed = ops_of(field)
        if self.op not in allowed:
            raise BadQuery(FieldError(f"{part}.op", f"must be one of {', '.join(op.value for op in allowed)} for `{self.field}`"))
        self._check_number(part)
        if self.op in (Op.ABOVE, Op.BELOW):
            _number(self.values[0], f"{part}.values")
        if self.op is Op.SEMVER:
            try:
                versions.matcher(self.values[0])
            except ValueError as error:
                raise BadQuery(FieldError(f"{part}.values", str(error))) from None
        if isinstance(field, Field) and field.kind is Kind.WORD and not set(self.values) <= field.words.keys():
            raise BadQuery(FieldError(f"{part}.values", f"must be of {', '.join(field.words)}"))

    def _check_number(self, part: str) -> None:
        if self.op in (Op.EXISTS, Op.MISSING):
            if self.values:
                raise BadQuery(FieldError(f"{part}.values", f"must be empty with `{self.op.value}`"))
        elif not 1 <= len(self.values) <= (1 if self.op in (Op.SEMVER, Op.ABOVE, Op.BELOW) else MAX_VALUES):
            raise BadQuery(FieldError(f"{part}.values", f"must be 1 to {MAX_VALUES} values (one for semver, above and below)"))
        if any("\x00" in value or len(value) > LONGEST_VALUE for value in self.values):
            raise BadQuery(FieldError(f"{part}.values", f"must be texts of at most {LONGEST_VALUE} characters"))


def _number(text: str, part: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e15:
        raise BadQuery(FieldError(part, "must be a number"))
    return number


class Audience(enum.Enum):
    """The events that count: all, or those of people (`server.event.PEOPLE`)."""

    EVERYTHING = "everything"
    PEOPLE = "people"


PEOPLE_ONLY = Condition("environment", Op.IS, tuple(word for word, environment in ENVIRONMENTS.items() if environment in PEOPLE))
"""The condition that an event of people meets."""


class Parts(enum.Enum):
    """The part of a version to group by."""

    MAJOR = "major"
    MINOR = "minor"


class By(msgspec.Struct, frozen=True):
    """A field to split by. `version` groups versions by their major or minor version."""

    field: str
    version: Parts | None = None

    def check(self, part: str) -> None:
        """Raise BadQuery that names the invalid part."""
        field = find_field(self.field, f"{part}.field")
        if isinstance(field, Field) and field.kind is Kind.NUMBER:
            raise BadQuery(FieldError(f"{part}.field", "cannot be a number"))
        if self.version is not None and (isinstance(field, Property) or field.kind is not Kind.VERSION):
            raise BadQuery(FieldError(f"{part}.version", "applies to versions only"))


class Compare(enum.Enum):
    """A period to compare with: the preceding one of the same length, or the same one a year (365 days) earlier."""

    PREVIOUS = "previous"
    LAST_YEAR = "last_year"


class Segment(msgspec.Struct, frozen=True):
    """Named conditions, answered beside other segments."""

    name: str
    where: tuple[Condition, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question about a project's events. Raises BadQuery that names the invalid part.

    `by` splits into at most two fields, of which the `first` largest combinations are listed and all others counted together. With `over`, figures
    are computed for each step, otherwise for the whole period. `compare_to` is an explicit period to compare with. `start_before` is the start of the
    preceding period (such as the preceding month) if its length differs. Answers have the figures of both audiences; `audience` is the one that ranks
    the groups, and that tables and charts show.
    """

    project: int
    period: Period
    measures: tuple[Measure, ...] = (Measure.EVENTS,)
    where: tuple[Condition, ...] = ()
    by: tuple[By, ...] = ()
    over: Step | None = None
    compare: Compare | None = None
    compare_to: Period | None = None
    segments: tuple[Segment, ...] = ()
    first: int = 10
    start_before: int | None = None
    audience: Audience = Audience.EVERYTHING

    def __post_init__(self) -> None:
        if not 1 <= len(self.measures) <= MAX_MEASURES or len(set(self.measures)) < len(self.measures):
            raise BadQuery(FieldError("measures", f"must be 1 to {MAX_MEASURES} different measures"))
        if len(self.by) > 2 or len(set(self.by)) < len(self.by):
            raise BadQuery(FieldError("by", "must be at most 2 different fields"))
        if not 1 <= self.first <= MAX_GROUPS:
            raise BadQuery(FieldError("first", f"must be from 1 to {MAX_GROUPS}"))
        if len(self.segments) > MAX_SEGMENTS or len({segment.name for segment in self.segments}) < len(self.segments):
            raise BadQuery(FieldError("segments", f"must be at most {MAX_SEGMENTS} with different names"))
        if self.compare is not None and self.compare_to is not None:
            raise BadQuery(FieldError("compareTo", "cannot be combined with `compare`"))
        check_conditions(self.where, "where")
        for number, segment in enumerate(self.segments):
            if not 1 <= len(segment.name) <= 100:
                raise BadQuery(FieldError(f"segments[{number}].name", "must be 1 to 100 characters"))
            check_conditions(segment.where, f"segments[{number}].where")
        for number, by in enumerate(self.by):
            by.check(f"by[{number}]")

    @property
    def is_compared(self) -> bool:
        """True if the answer also has the figures of another period."""
        return self.compare is not None or self.compare_to is not None


def check_conditions(conditions: tuple[Condition, ...], part: str) -> None:
    """Raise BadQuery that names the invalid part, as in `where[0].op`."""
    # Links and charts about people add PEOPLE_ONLY to the client's conditions.
    if sum(condition != PEOPLE_ONLY for condition in conditions) > MAX_CONDITIONS:
        raise BadQuery(FieldError(part, f"must be at most {MAX_CONDITIONS} conditions"))
    for number, condition in enumerate(conditions):
        condition.check(f"{part}[{number}]")

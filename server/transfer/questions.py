"""Reports as tables, for the CLI and the export route: parameters, and flat rows.

Times are ISO 8601 in UTC. Nested fields become columns: `active` with `all` and `people` becomes `active_all` and `active_people`.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from server.analytics import breakdown, errors, experiments, installs, ledger, overview, targets, timings
from server.analytics.filters import Filter, equals, resolved
from server.dialects.parsing import timestamp
from server.dialects.parsing.times import iso
from server.event import DAY, ENVIRONMENTS, HOUR, Environment, FieldError, Outcome
from server.history import History
from server.problems import BadQuery, Invalid
from server.questions.periods import Period, Step
from server.questions.question import Audience
from server.questions.text import conditions
from server.storage.engine import Store
from server.storage.upkeep.trending import WINDOWS
from server.transfer.columns import hexadecimal

DAYS = 30  # the default period
MOST = 1_000  # the default limit on rows

Row = dict[str, Any]
E = TypeVar("E", bound=enum.Enum)

_OUTCOMES = {"success": Outcome.SUCCESS, "failure": Outcome.FAILURE}
_MOMENTS = frozenset({"start", "starts", "at", "first_seen", "last_seen", "refreshed_at"})

# The parameters of reports. `FILTERS` apply to all reports but the ledger and trending.
FILTERS = {
    "audience": "`everything`, or `people` to exclude automation",
    "environment": "Environments such as `person` or `ci`, separated by commas",
    "name": "Event names, separated by commas",
    "os": "The operating system",
    "arch": "The processor architecture",
    "runtime": "The runtime, such as `node 20`",
    "version": "The version of the tool",
    "package_manager": "The package manager",
    "target_type": "The type of a target",
    "target": "The id of a target, together with its type",
    "outcome": "`success` or `failure`",
    "where": "Conditions such as `os=linux,windows and version~>=2.7`, as in `footfall ask`",
}
_SINGLE = ("os", "arch", "runtime", "version", "package_manager")
OPTIONS = {
    "step": "`hour`, `day`, `week` or `month`",
    "by": "The dimension of a breakdown: os, arch, runtime, version, package_manager, environment, name, target, tool or property",
    "of": "How to group durations: by `name` or `target`",
    "property": "The name of a property",
    "window": "For trending: `7d` or `30d`",
    "type": "For trending: the target type",
    "goal": "For an experiment: the event that counts as success",
    "baseline": "For an experiment: the variant to compare the others with",
    "limit": f"The maximum number of rows, up to {MOST}",
}

LISTS = ("environment", "name")  # accept several values, separated by commas


class Request(msgspec.Struct, frozen=True):
    """Parsed parameters of a report: `FILTERS` and `OPTIONS`. Accessors raise BadQuery naming the parameter.

    `history` makes reports over many events fast.
    """

    words: Mapping[str, str]
    filter: Filter
    history: History | None = None

    def text(self, name: str) -> str | None:
        return self.words.get(name) or None

    def needed(self, name: str) -> str:
        text = self.text(name)
        if text is None:
            raise BadQuery(FieldError(name, "is missing"))
        return text

    def choice(self, name: str, default: E) -> E:
        return _choice(name, self.text(name), default)

    def limit(self, default: int = MOST) -> int:
        return self.whole("limit", default, MOST)

    def whole(self, name: str, default: int, most: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
            raise BadQuery(FieldError(name, f"must be a whole number from 1 to {most}"))
        return int(text)


@dataclass(frozen=True, slots=True)
class Question:
    """A report. `takes` lists its `OPTIONS`; `FILTERS` apply if it is `filtered`."""

    name: str
    about: str
    takes: tuple[str, ...]
    ask: Callable[[Store, Request], Awaitable[list[Row]]]
    filtered: bool = True


def parse_request(question: Question, project: int, words: Mapping[str, str], *, now: int) -> Request:
    """Parse the parameters of a report; `now` is epoch ms. Raises BadQuery for an unknown or invalid parameter."""
    for name, text in words.items():
        if text and name not in ("from", "to", *question.takes, *(FILTERS if question.filtered else ())):
            raise BadQuery(FieldError(name, f"is not a parameter of {question.name}"))
        if "\0" in text or not _is_text(text):
            raise BadQuery(FieldError(name, "must be text"))  # command-line arguments may contain any bytes
    get = {name: text for name, text in words.items() if text}.get
    names = tuple(each for each in get("name", "").split(",") if each)
    target, target_type = get("target"), get("target_type")
    if target and not target_type:
        raise BadQuery(FieldError("target_type", "is missing: a target has a type and an id"))
    return Request(
        words,
        Filter(
            project=project,
            period=_period(get("from"), get("to"), now),
            audience=_choice("audience", get("audience"), Audience.EVERYTHING),
            where=equals(
                environments=tuple(_known("environment", each, ENVIRONMENTS) for each in get("environment", "").split(",") if each),
                names=names,
                target=(target_type, target) if target and target_type else None,
                target_type=target_type if not target else None,
                outcome=_known("outcome", get("outcome", ""), _OUTCOMES) if get("outcome") else None,
                **{name: get(name) for name in _SINGLE},
            )
            + (conditions(get("where", ""), "where") if get("where") else ()),
        ),
    )


async def answer(store: Store, question: Question, request: Request, history: History | None = None) -> list[Row]:
    """Answer a report. Raises BadQuery, and TooBroad if it takes too long."""
    return await question.ask(store, msgspec.structs.replace(request, filter=await resolved(store, request.filter), history=history))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _period(first: str | None, end: str | None, now: int) -> Period:
    """A period of whole hours that contains both times, or the last days by default."""
    last = _time("to", end) if end else (now // DAY + 1) * DAY
    begin = _time("from", first) if first else max(0, last - DAYS * DAY)
    try:
        return Period(begin // HOUR * HOUR, -(-last // HOUR) * HOUR)
    except BadQuery as error:
        fields = {"period.from": "from", "period.to": "to", "period": "from"}
        raise BadQuery(*(FieldError(fields.get(each.path, each.path), each.message) for each in error.errors)) from None


def _time(name: str, text: str) -> int:
    try:
        return timestamp(text.replace(" ", "+"), name) or 0  # a plus sign that was not escaped
    except Invalid as error:
        raise BadQuery(*error.errors) from None


def _choice(name: str, text: str | None, default: E) -> E:
    return default if not text else _known(name, text, {str(each.value): each for each in type(default)})


def _known(name: str, text: str, known: Mapping[str, Any]) -> Any:
    if text not in known:
        raise BadQuery(FieldError(name, f"must be one of {', '.join(known)}"))
    return known[text]


def flat(struct: msgspec.Struct, prefix: str = "") -> Row:
    """Flatten a struct into a row: nested structs become columns, times become text. Lists stay, and are encoded as JSON."""
    row: Row = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, msgspec.Struct):
            row |= flat(value, f"{prefix}{name}_")
        else:
            row[f"{prefix}{name}"] = iso(value) if name in _MOMENTS and isinstance(value, int) else value
    return row


def beside(struct: msgspec.Struct) -> list[Row]:
    """Convert parallel lists to rows. Lists that were not requested get no column."""
    columns = {name: column for name in struct.__struct_fields__ if isinstance(column := getattr(struct, name), list)}
    columns["starts"] = [iso(start) for start in columns["starts"]]
    names = ["start" if name == "starts" else name for name in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _rows(structs: Iterable[msgspec.Struct]) -> list[Row]:
    return [flat(struct) for struct in structs]


async def _overview(store: Store, request: Request) -> list[Row]:
    """One row per figure."""
    found = await overview.overview(store, request.filter, request.history)
    rows: list[Row] = []
    for name in found.__struct_fields__:
        value = getattr(found, name)
        if name in ("compared_until", "since"):
            continue
        apart = {name: value} if not hasattr(value, "people") else {f"{name}_all": value.all, f"{name}_people": value.people}
        rows += [{"figure": figure, **flat(change)} for figure, change in apart.items()]
    return rows


async def _series(store: Store, request: Request) -> list[Row]:
    return beside(await overview.series(store, request.filter, request.choice("step", Step.DAY), request.history))


async def _breakdown(store: Store, request: Request) -> list[Row]:
    request.needed("by")
    by = request.choice("by", breakdown.By.OS)
    found = await breakdown.breakdown(
        store, request.filter, by, property_name=request.text("property"), limit=request.limit(), history=request.history
    )
    unknown = {"installs_all": None, "installs_people": None}
    return [{name: value for name, value in {**flat(row), **unknown, **flat(row)}.items() if name != "installs"} for row in found.rows]


async def _active(store: Store, request: Request) -> list[Row]:
    return beside(await installs.active_users(store, request.filter, request.history))


async def _new(store: Store, request: Request) -> list[Row]:
    return beside(await installs.new_and_returning(store, request.filter, request.choice("step", Step.DAY), request.history))


async def _versions(store: Store, request: Request) -> list[Row]:
    """One row per step and version."""
    step, limit = request.choice("step", Step.DAY), min(100, request.limit(10))
    found = await installs.version_adoption(store, request.filter, step, limit=limit, history=request.history)
    return [
        {"start": iso(start), "version": each.version, "active_all": each.all[place], "active_people": each.people[place]}
        for place, start in enumerate(found.starts)
        for each in found.versions
    ]


async def _durations(store: Store, request: Request) -> list[Row]:
    found = await timings.timings(
        store, request.filter, request.choice("of", timings.Of.NAME), limit=request.limit(), history=request.history
    )
    return _rows([found.total, *found.groups])


async def _error_groups(store: Store, request: Request) -> list[Row]:
    found = await errors.errors(store, request.filter, limit=request.limit(), parts=errors.PARTS - {"sample"}, history=request.history)
    return [{name: value for name, value in flat(group).items() if name != "sample"} for group in found.groups]


async def _targets(store: Store, request: Request) -> list[Row]:
    return _rows(await targets.targets(store, request.filter, limit=request.limit()))


async def _medians(store: Store, request: Request) -> list[Row]:
    found = await timings.medians(store, request.filter, request.choice("step", Step.DAY), request.history)
    return [{"start": iso(start), "median_us": median} for start, median in zip(found.starts, found.medians, strict=True)]


async def _failures(store: Store, request: Request) -> list[Row]:
    found = await errors.failures(store, request.filter, limit=request.limit(50))
    return [{**flat(sample), "environment": Environment(sample.environment).word} for sample in found]


async def _trending(store: Store, request: Request) -> list[Row]:
    days = _known("window", request.text("window") or "7d", {f"{window.days}d": window.days for window in WINDOWS})
    found = await targets.trending(store, request.filter.project, type_=request.text("type"), window_days=days, limit=request.limit())
    return _rows(found.targets)


async def _experiment(store: Store, request: Request) -> list[Row]:
    """One row per variant and audience."""
    found = await experiments.experiment(
        store, request.filter, request.needed("property"), goal=request.text("goal"), baseline=request.text("baseline")
    )
    apart = [(each.value, "everything", each.all) for each in found.variants] + [
        (each.value, "people", each.people) for each in found.variants
    ]
    return [
        {
            "variant": variant,
            "audience": audience,
            "baseline": found.baseline,
            "installs": result.installs,
            "successes": result.successes,
            "rate": result.rate,
            **_interval("rate", result.interval),
            "difference": result.difference,
            **_interval("difference", result.difference_interval),
        }
        for variant, audience, result in apart
    ]


def _interval(name: str, interval: experiments.Interval | None) -> Row:
    return {f"{name}_low": interval and interval.low, f"{name}_high": interval and interval.high}


async def _ledger(store: Store, request: Request) -> list[Row]:
    return _rows(await ledger.ledger(store, request.filter.project, request.filter.period))


async def _rejected(store: Store, request: Request) -> list[Row]:
    return _rows(await ledger.rejected(store, request.filter.project, limit=request.limit()))


async def _limited(store: Store, request: Request) -> list[Row]:
    found = await ledger.limited_addresses(store, request.filter.project, request.filter.period, limit=request.limit())
    return [{**flat(each), "address": hexadecimal(each.address)} for each in found]


QUESTIONS = {
    question.name: question
    for question in (
        Question("overview", "The figures of a period and of the previous period.", (), _overview),
        Question("series", "Events, their outcomes, and active installs over time.", ("step",), _series),
        Question("breakdown", "Events and installs by the values of a dimension.", ("by", "property", "limit"), _breakdown),
        Question("active-users", "Installs active on a day, and in the 7 and 30 days that end with it.", (), _active),
        Question("new-and-returning", "Active installs, split into new and returning.", ("step",), _new),
        Question("versions", "Active installs by version over time.", ("step", "limit"), _versions),
        Question("durations", "Durations: percentiles and histograms.", ("of", "limit"), _durations),
        Question("medians", "The median duration over time.", ("step",), _medians),
        Question("error-groups", "Types of errors, with the affected installs.", ("limit",), _error_groups),
        Question("failures", "The last events that failed.", ("limit",), _failures),
        Question("targets", "Targets and their counts.", ("limit",), _targets),
        Question("trending", "Trending targets.", ("window", "type", "limit"), _trending, filtered=False),
        Question("experiment", "The variants of a property, compared.", ("property", "goal", "baseline"), _experiment),
        Question("ledger-days", "The outcome of all events that arrived, by day.", (), _ledger, filtered=False),
        Question("rejected", "The last rejected events, with the reason.", ("limit",), _rejected, filtered=False),
        Question("limited", "The most limited addresses, as daily hashes.", ("limit",), _limited, filtered=False),
    )
}

"""Statistics in the formats of FlakeDrop's and Track-Skills' own servers, and the latest version of a tool."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.openapi import ResponseSpec

from server.analytics import family_stats
from server.analytics.errors import ErrorSample, failures
from server.analytics.family_stats import TOOL, TOOL_CALL, FlakeDropStats, ToolCalls
from server.analytics.filters import Filter, equals
from server.clock import epoch_ms
from server.problems import NotFound
from server.public.cors import CROSS_ORIGIN
from server.public.download_counts import NOT_MODIFIED
from server.public.public_access import AnyRequest, project_of_request, readable_project
from server.public.query_parameters import parse_integer, query_parameter, reject_unknown_parameters
from server.public.response_cache import Content, cached, json
from server.questions.periods import Period
from server.services import Services
from server.storage.projects import LiveProject
from server.storage.projects.releases import LatestVersion, latest_version

ANALYTICS = "analytics"
MAX_DAYS = 365
MAX_ERRORS = 500

_DAYS = "Number of days, including today"
Days = Annotated[str, query_parameter(_DAYS, type="integer", minimum=1, maximum=MAX_DAYS, default=7)]
ManyDays = Annotated[str, query_parameter(_DAYS, type="integer", minimum=1, maximum=MAX_DAYS, default=30)]
Limit = Annotated[str, query_parameter("Maximum number of errors", type="integer", minimum=1, maximum=MAX_ERRORS, default=50)]


class Summary(msgspec.Struct, frozen=True):
    """Figures of all tools. Rates are percentages of all calls, durations are whole milliseconds."""

    period: str
    total_invocations: int
    unique_users: int
    avg_duration_ms: int
    success_rate: str
    error_rate: str


class ToolSummary(msgspec.Struct, frozen=True):
    tool_name: str
    invocations: int
    avg_duration_ms: int
    success_rate: str
    error_rate: str


class DailyUsers(msgspec.Struct, frozen=True):
    date: str
    dau: int


class Retention(msgspec.Struct, frozen=True):
    """Users by day, and in the last seven days."""

    daily_active_users: list[DailyUsers]
    weekly_active_users: int
    period: str


class ToolError(msgspec.Struct, frozen=True):
    timestamp: str
    tool_name: str | None
    error_type: str | None
    error_message: str | None
    duration_ms: int | None


class ToolErrors(msgspec.Struct, frozen=True):
    errors: list[ToolError]
    count: int


def _spec(kind: Any, description: str) -> ResponseSpec:
    return ResponseSpec(kind, generate_examples=False, description=description)


_STATS = _spec(FlakeDropStats, "The counts. The breakdowns count users by the newest value that each has sent.")
_SUMMARY = _spec(Summary, "The figures. Rates are percentages with two decimals, as text.")
_TOOLS = _spec(list[ToolSummary], "The tools, most used first.")
_RETENTION = _spec(Retention, "The figures.")
_ERRORS = _spec(ToolErrors, "The last calls with the status `error`, newest first.")
_LATEST = _spec(LatestVersion, "The latest version.")


@get("/stats", summary="FlakeDrop's statistics", tags=["Reading"], responses={200: _STATS, 304: NOT_MODIFIED}, opt=CROSS_ORIGIN)
async def stats(request: AnyRequest, state: Services) -> Response[bytes]:
    """Statistics over everything that FlakeDrop's clients have sent."""
    project = await readable_project(request, "stats")

    async def make() -> Content:
        return json(await family_stats.flakedrop_stats(state.store, project.id))

    return cached(request, await state.response_cache.page(("stats", project.id), make), project, "stats")


@get(
    "/v1/version/latest",
    summary="The latest version of the tool",
    tags=["Reading"],
    responses={200: _LATEST, 304: NOT_MODIFIED},
    opt=CROSS_ORIGIN,
)
async def version_latest(request: AnyRequest, state: Services) -> Response[bytes]:
    """The version that the operator has announced. Returns 404 if there is none."""
    project = await project_of_request(request)

    async def make() -> Content:
        found = await latest_version(project.id)
        if found is None:
            raise NotFound("No version was announced.")
        return json(found)

    return cached(request, await state.response_cache.page(("version", project.id), make), project, None)


@get(
    "/analytics/summary",
    summary="Summary of tool calls",
    tags=["Reading"],
    responses={200: _SUMMARY, 304: NOT_MODIFIED},
    opt=CROSS_ORIGIN,
    before_request=reject_unknown_parameters,
)
async def summary(request: AnyRequest, state: Services, days: Days = "") -> Response[bytes]:
    """Figures of the last days, including today."""

    async def ask(project: LiveProject, period: Period, count: int) -> Summary:
        calls = await family_stats.tool_calls(state.store, project.id, period)
        users = await family_stats.tool_callers(state.store, project.id, period)
        return Summary(_period(count), calls.calls, users, _mean(calls), *_rates(calls))

    return await _analytics(request, state, "summary", ask, parse_integer("days", days, 7, 1, MAX_DAYS))


@get(
    "/analytics/tools",
    summary="Calls by tool",
    tags=["Reading"],
    responses={200: _TOOLS, 304: NOT_MODIFIED},
    opt=CROSS_ORIGIN,
    before_request=reject_unknown_parameters,
)
async def tools(request: AnyRequest, state: Services, days: Days = "") -> Response[bytes]:
    """Figures of the last days, including today; most used tools first."""

    async def ask(project: LiveProject, period: Period, _: int) -> list[ToolSummary]:
        found = await family_stats.tools(state.store, project.id, period)
        return [ToolSummary(calls.tool or "", calls.calls, _mean(calls), *_rates(calls)) for calls in found]

    return await _analytics(request, state, "tools", ask, parse_integer("days", days, 7, 1, MAX_DAYS))


@get(
    "/analytics/retention",
    summary="Tool users by day",
    tags=["Reading"],
    responses={200: _RETENTION, 304: NOT_MODIFIED},
    opt=CROSS_ORIGIN,
    before_request=reject_unknown_parameters,
)
async def retention(request: AnyRequest, state: Services, days: ManyDays = "") -> Response[bytes]:
    """Days with at least one user, newest first."""

    async def ask(project: LiveProject, period: Period, count: int) -> Retention:
        users = await family_stats.tool_users(state.store, project.id, period)
        daily = [DailyUsers(_iso(start)[:10], number) for start, number in zip(users.starts, users.daily, strict=True) if number]
        return Retention(daily[::-1], users.last_week, _period(count))

    return await _analytics(request, state, "retention", ask, parse_integer("days", days, 30, 1, MAX_DAYS))


@get(
    "/analytics/errors",
    summary="Failed tool calls",
    tags=["Reading"],
    responses={200: _ERRORS, 304: NOT_MODIFIED},
    opt=CROSS_ORIGIN,
    before_request=reject_unknown_parameters,
)
async def errors(request: AnyRequest, state: Services, days: Days = "", limit: Limit = "") -> Response[bytes]:
    """Failed calls of the last days, including today, newest first. They are raw events, so retention deletes them."""
    most = parse_integer("limit", limit, 50, 1, MAX_ERRORS)

    async def ask(project: LiveProject, period: Period, _: int) -> ToolErrors:
        calls = Filter(project=project.id, period=period, where=equals(names=(TOOL_CALL,), target_type=TOOL))
        found = [_tool_error(each) for each in await failures(state.store, calls, limit=most)]
        return ToolErrors(found, len(found))

    return await _analytics(request, state, f"errors/{most}", ask, parse_integer("days", days, 7, 1, MAX_DAYS))


async def _analytics(
    request: AnyRequest, state: Services, name: str, ask: Callable[[LiveProject, Period, int], Awaitable[Any]], days: int
) -> Response[bytes]:
    project = await readable_project(request, ANALYTICS)
    period = Period.last_days(days, epoch_ms())

    async def make() -> Content:
        return json(await ask(project, period, days))

    page = await state.response_cache.page((ANALYTICS, name, project.id, period), make)
    return cached(request, page, project, ANALYTICS)


def _period(days: int) -> str:
    return f"{days} days"


def _whole_ms(milliseconds: float) -> int:
    """Round to whole milliseconds, halves up, as JavaScript does."""
    return math.floor(milliseconds + 0.5)


def _mean(calls: ToolCalls) -> int:
    return _whole_ms(calls.mean_ms or 0.0)


def _rates(calls: ToolCalls) -> tuple[str, str]:
    """Return the percentages of successes and errors, with two decimals. Timeouts count as neither."""
    return _percent(calls.successes, calls.calls), _percent(calls.failures, calls.calls)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole * 100:.2f}" if whole else "0.00"


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tool_error(sample: ErrorSample) -> ToolError:
    duration = None if sample.duration_us is None else _whole_ms(sample.duration_us / 1000)
    return ToolError(_iso(sample.at), sample.target, sample.error_type, sample.message, duration)


HANDLERS: tuple[Any, ...] = (stats, version_latest, summary, tools, retention, errors)

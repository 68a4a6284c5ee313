"""The HTTP routes that export funnels, retention and paths, with a `read` key."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

from litestar import Response, get

from server.clock import epoch_ms
from server.event import FieldError
from server.problems import BadQuery
from server.public.public_access import AnyRequest, readable_project
from server.public.query_parameters import parse_choice, reject_unknown_parameters
from server.questions.report_text import FUNNEL, PATHS, REPEATED, RETENTION
from server.services import Services
from server.transfer.formats import FormatError
from server.transfer.reports import REPORTS
from server.transfer.text_parameters import ANSWER, FORMAT, MEDIA_TYPES, checked, many, one

_one, _many = partial(one, FUNNEL.parameters), partial(many, FUNNEL.parameters)
_retention, _retention_many = partial(one, RETENTION.parameters), partial(many, RETENTION.parameters)
_paths, _paths_many = partial(one, PATHS.parameters), partial(many, PATHS.parameters)
Form = Annotated[str, FORMAT]
Where = Annotated[list[str] | None, _many("where", "os=windows,linux")]
By = Annotated[list[str] | None, _many("by", "version.minor")]
Last = Annotated[str, _one("last", "30")]
ToDate = Annotated[str, _one("to_date", "week")]
From = Annotated[str, _one("from", "2026-11-01T00:00:00Z")]
To = Annotated[str, _one("to", "2026-12-01T00:00:00Z")]
First = Annotated[str, _one("first", "10")]
AudienceName = Annotated[str, _one("audience", "people")]
_Words = dict[str, list[str] | None]
_export = partial(
    get,
    tags=["Reading"],
    responses=ANSWER,
    security=[{"bearer": []}, {"key": []}],
    before_request=reject_unknown_parameters,
    opt={"repeated": REPEATED},
)


@_export("/v1/export/funnel", summary="Export a funnel")
async def export_funnel(
    request: AnyRequest,
    state: Services,
    format: Form = "",  # noqa: A002 - the name of the parameter
    step: Annotated[list[str] | None, _many("step", "init", "build", required=True)] = None,
    within: Annotated[str, _one("within", "24h")] = "",
    order: Annotated[str, _one("order", "steps")] = "",
    where: Where = None,
    by: By = None,
    last: Last = "",
    to_date: ToDate = "",
    from_: From = "",
    to: To = "",
    first: First = "",
    audience: AudienceName = "",
) -> Response[bytes]:
    """One row per group and step: the installs that reached the step.

    The parameters are the options of `footfall ask funnel`. `format=json` adds the completeness of the answer, and warnings.
    """
    own: _Words = {"step": step, "within": [within], "order": [order]}
    return await _file(request, state, "funnel", format, own | _common(where, by, last, to_date, from_, to, first, audience))


@_export("/v1/export/retention", summary="Export retention")
async def export_retention(
    request: AnyRequest,
    state: Services,
    format: Form = "",  # noqa: A002 - the name of the parameter
    over: Annotated[str, _retention("over", "week")] = "",
    start: Annotated[list[str] | None, _retention_many("start", "init")] = None,
    return_: Annotated[list[str] | None, _retention_many("return", "build")] = None,
    where: Where = None,
    by: By = None,
    last: Last = "",
    to_date: ToDate = "",
    from_: From = "",
    to: To = "",
    first: First = "",
    audience: AudienceName = "",
) -> Response[bytes]:
    """One row per group, cohort and step: the installs that returned that number of steps after they began.

    The parameters are the options of `footfall ask retention`. `format=json` adds rates over all cohorts, the completeness of the answer, and
    warnings.
    """
    own: _Words = {"over": [over], "start": start, "return": return_}
    return await _file(request, state, "retention", format, own | _common(where, by, last, to_date, from_, to, first, audience))


@_export("/v1/export/paths", summary="Export paths")
async def export_paths(
    request: AnyRequest,
    state: Services,
    format: Form = "",  # noqa: A002 - the name of the parameter
    event: Annotated[list[str] | None, _paths_many("event", "build", required=True)] = None,
    direction: Annotated[str, _paths("direction", "after")] = "",
    within: Annotated[str, _paths("within", "session")] = "",
    length: Annotated[str, _paths("length", "3")] = "",
    where: Where = None,
    by: By = None,
    last: Last = "",
    to_date: ToDate = "",
    from_: From = "",
    to: To = "",
    first: First = "",
    audience: AudienceName = "",
) -> Response[bytes]:
    """One row per group and path: the events that follow or precede the chosen one, and their counts.

    The parameters are the options of `footfall ask paths`. `format=json` adds the completeness of the answer, and warnings.
    """
    own: _Words = {"event": event, "direction": [direction], "within": [within], "length": [length]}
    return await _file(request, state, "paths", format, own | _common(where, by, last, to_date, from_, to, first, audience))


def _common(
    where: list[str] | None, by: list[str] | None, last: str, to_date: str, from_: str, to: str, first: str, audience: str
) -> _Words:
    single = {"last": last, "to_date": to_date, "from": from_, "to": to, "first": first, "audience": audience}
    return {"where": where, "by": by, **{name: [text] for name, text in single.items()}}


async def _file(request: AnyRequest, state: Services, name: str, format_: str, words: _Words) -> Response[bytes]:
    project = await readable_project(request, "export")  # no setting makes exports public
    form = parse_choice("format", format_, "jsonl", MEDIA_TYPES)
    parts = {each: checked(each, texts or []) for each, texts in words.items()}
    report = REPORTS[name]
    question = report.text.at(report.text.parse(parts), project.id, epoch_ms())
    answer = await report.ask(state.store, question, state.history)
    try:
        body = await asyncio.to_thread(report.file, question, answer, form)
    except FormatError as error:
        raise BadQuery(FieldError("format", str(error))) from None
    disposition = f'attachment; filename="{project.slug}-{name}.{form}"'
    return Response(body, media_type=MEDIA_TYPES[form], headers={"Cache-Control": "no-store", "Content-Disposition": disposition})


HANDLERS = (export_funnel, export_retention, export_paths)

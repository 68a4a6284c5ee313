"""The HTTP route that exports the answer of any question, with a `read` key."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

from litestar import Response, get

from server.clock import epoch_ms
from server.event import FieldError
from server.problems import BadQuery
from server.public.public_access import AnyRequest, readable_project
from server.public.query_parameters import parse_choice, query_parameter, reject_unknown_parameters
from server.questions import text
from server.questions.report_templates import AnyTemplate
from server.questions.saved import find
from server.services import Services
from server.storage.projects import FieldProblem, ProjectError, saved_questions
from server.transfer.formats import FormatError
from server.transfer.reports import written_as
from server.transfer.text_parameters import ANSWER, FORMAT, MEDIA_TYPES, checked, many, one

_SAVED = query_parameter(
    "The name of a saved question or report. Cannot be combined with the parts of a question", maxLength=saved_questions.NAME_LENGTH
)
_one = partial(one, text.PARAMETERS)
_many = partial(many, text.PARAMETERS)


@get(
    "/v1/export/ask",
    summary="Export the answer of any question",
    tags=["Reading"],
    responses=ANSWER,
    security=[{"bearer": []}, {"key": []}],
    before_request=reject_unknown_parameters,
    opt={"repeated": text.REPEATED},
)
async def export_answer(
    request: AnyRequest,
    state: Services,
    format: Annotated[str, FORMAT] = "",  # noqa: A002 - the name of the parameter
    measure: Annotated[list[str] | None, _many("measure", "installs,failure_rate")] = None,
    where: Annotated[list[str] | None, _many("where", "os=windows,linux")] = None,
    by: Annotated[list[str] | None, _many("by", "version.minor")] = None,
    over: Annotated[str, _one("over", "day")] = "",
    last: Annotated[str, _one("last", "30")] = "",
    to_date: Annotated[str, _one("to_date", "week")] = "",
    from_: Annotated[str, _one("from", "2026-11-01T00:00:00Z")] = "",
    to: Annotated[str, _one("to", "2026-12-01T00:00:00Z")] = "",
    compare: Annotated[str, _one("compare", "previous")] = "",
    segment: Annotated[list[str] | None, _many("segment", "windows: os=windows and arch=arm64")] = None,
    first: Annotated[str, _one("first", "10")] = "",
    audience: Annotated[str, _one("audience", "people")] = "",
    saved: Annotated[str, _SAVED] = "",
) -> Response[bytes]:
    """One row per segment, group and step, each measure for all events and for those of people.

    CSV, JSON lines or Parquet; `format=json` adds the completeness of the answer, and warnings. Always requires a key with the scope `read`. The
    parameters are the text form of a question, the same as the options of `footfall ask`. A saved report returns the file of its own export.
    """
    project = await readable_project(request, "export")  # no setting makes exports public
    form = parse_choice("format", format, "jsonl", MEDIA_TYPES)
    words = {
        "measure": measure, "where": where, "by": by, "over": [over], "last": [last], "to_date": [to_date], "from": [from_], "to": [to],
        "compare": [compare], "segment": segment, "first": [first], "audience": [audience],
    }  # fmt: skip
    parts = {name: checked(name, texts or []) for name, texts in words.items()}
    template = await _saved(state, project.id, saved, parts) if saved else text.parse(parts)
    report = written_as(template)
    question = report.text.at(template, project.id, epoch_ms())
    answer = await report.ask(state.store, question, state.history)
    try:
        body = await asyncio.to_thread(report.file, question, answer, form)
    except FormatError as error:
        raise BadQuery(FieldError("format", str(error))) from None
    disposition = f'attachment; filename="{project.slug}-ask.{form}"'
    return Response(body, media_type=MEDIA_TYPES[form], headers={"Cache-Control": "no-store", "Content-Disposition": disposition})


async def _saved(state: Services, project: int, name: str, parts: dict[str, list[str]]) -> AnyTemplate:
    if any(text for texts in parts.values() for text in texts):
        raise BadQuery(FieldError("saved", "cannot be combined with the parts of a question"))
    try:
        return await find(state.store, project, name)
    except FieldProblem as problem:
        raise BadQuery(FieldError("saved", problem.message)) from None
    except ProjectError as error:  # saved by a newer version
        raise BadQuery(FieldError("saved", f"cannot be answered: {error}")) from None


HANDLERS = (export_answer,)

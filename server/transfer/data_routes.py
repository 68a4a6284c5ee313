"""HTTP routes for exports (with a `read` key), and for showing or erasing an install's data (with its id)."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, NamedTuple

from litestar import Response, delete, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from server.clock import epoch_ms
from server.dialects.parsing import timestamp
from server.event import FieldError
from server.event_id import from_uuid
from server.identifiers import identifier
from server.problems import BadQuery, Forbidden, Invalid, NotFound, Unauthorized
from server.public.public_access import AnyRequest, project_and_key, readable_project
from server.public.query_parameters import (
    check_parameters,
    parse_choice,
    parse_integer,
    parse_text,
    query_parameter,
    reject_unknown_parameters,
)
from server.services import Services
from server.storage.history.streaming import Span
from server.storage.projects import LiveProject, audit
from server.transfer import install_data
from server.transfer.columns import EXPORTED
from server.transfer.exporting import encoder_for, export, table
from server.transfer.formats import FORMATS, FormatError
from server.transfer.install_data import MAX_PAGE_SIZE, PAGE, HeldDay, InstallErased, InstallHeld
from server.transfer.questions import DAYS, FILTERS, LISTS, OPTIONS, QUESTIONS, Question, answer, parse_request

LONGEST_ID = 200
_NO_STORE = {"Cache-Control": "no-store"}
_HASH = "9f86d081884c7d65"
_WHERE = {
    "environment": "person", "environment_reason": None, "dialect": "native", "os": "linux", "arch": "x64", "runtime": None, "version": "1.2.0",
    "package_manager": None,
}  # fmt: skip
_HELD = InstallHeld(
    install={"install": _HASH, "first_seen": "2026-11-01T10:00:00.000Z", "last_seen": "2026-11-20T18:30:00.000Z", **_WHERE},
    days=[HeldDay(day="2026-11-20", environment="person", version="1.2.0")],
    errors=[],
    total_events=0,
    events=[],
    next=None,
)
_ERASED = InstallErased(events=12, days=3, errors=1, purged=True)
_UNKNOWN = ResponseSpec(None, generate_examples=False, description="No data of this install.")
_LIMITED = ResponseSpec(None, generate_examples=False, description="Too many requests from one address.")
_NO_KEY = ResponseSpec(None, generate_examples=False, description="The project requires a key.")
_REFUSED = {401: _NO_KEY, 404: _UNKNOWN, 429: _LIMITED}
_SHOWN = {
    200: ResponseSpec(InstallHeld, generate_examples=False, description="The install's data.", examples=[Example(value=_HELD)]),
    **_REFUSED,
}
_GONE = {
    200: ResponseSpec(InstallErased, generate_examples=False, description="The install was erased.", examples=[Example(value=_ERASED)]),
    **_REFUSED,
}
_EXPORT = {
    200: ResponseSpec(
        bytes,
        generate_examples=False,
        description="The file, as a stream: text/csv, application/x-ndjson or Parquet.",
        media_type="text/csv",
    )
}
_WORDS = {**FILTERS, **OPTIONS}
_ALWAYS = ("format", "from", "to")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_ABOUT = (
    "CSV, JSON lines or Parquet. Always requires a key with the scope `read`. Installs are hashes; times are in UTC.\n\n"
    f"Stored datasets, streamed: {', '.join(f'`{name}`' for name in EXPORTED)}.\n\nReports, which cover the last {DAYS} days if no time is "
    "given:\n\n"
    + "\n".join(
        f"- `{each.name}`: {each.about}{f' Parameters: {_listed(each.takes)}.' if each.takes else ''}" for each in QUESTIONS.values()
    )
    + "\n\nReports accept these query parameters where they apply "
    f"({_listed(LISTS)} can be repeated and match any of the values; unknown and duplicate parameters are rejected):\n\n"
    + "\n".join(f"- `{name}`: {about}." for name, about in _WORDS.items())
)
_FORMAT = query_parameter("The format of the file", enum=list(FORMATS), default="jsonl")
_TIME = {"maxLength": 40, "example": "2026-11-01T00:00:00Z"}
_FROM = QueryParameter(name="from", description="The start of the period, inclusive, in ISO 8601", required=False, schema_extra=_TIME)
_TO = QueryParameter(description="The end of the period, exclusive, in ISO 8601", required=False, schema_extra=_TIME)
_ID = query_parameter("The id that the install sends", required=True, minLength=1, maxLength=LONGEST_ID, example="9f0e8a2d6f1b7c34")
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_AFTER = query_parameter("The `next` of the previous page", pattern=_UUID)
_LIMIT = query_parameter("Events on a page", type="integer", minimum=1, maximum=MAX_PAGE_SIZE, default=PAGE)


@get(
    "/v1/export/{what:str}",
    summary="Export events, installs, counts or a report",
    description=_ABOUT,
    tags=["Reading"],
    responses=_EXPORT,
    security=[{"bearer": []}, {"key": []}],
)
async def export_what(
    request: AnyRequest,
    state: Services,
    what: FromPath[str],
    format: Annotated[str, _FORMAT] = "",  # noqa: A002 - the name of the parameter
    from_: Annotated[str, _FROM] = "",
    to: Annotated[str, _TO] = "",
) -> Stream | Response[bytes]:
    project = await readable_project(request, "export")  # no setting makes exports public
    form = parse_choice("format", format, "jsonl", FORMATS)
    if what in QUESTIONS:
        return await _answer(request, state, project, QUESTIONS[what], form)
    if what not in EXPORTED:
        raise NotFound(f"The exports are {', '.join([*EXPORTED, *QUESTIONS])}.")
    check_parameters(request, _ALWAYS)
    span = Span(_time("from", from_, 0), _time("to", to, Span().end))
    try:
        encoder = encoder_for(what, form)
    except FormatError as error:
        raise BadQuery(FieldError("format", str(error))) from None
    return Stream(
        export(state.store, what, project.id, span, encoder), media_type=FORMATS[form].media_type, headers=_file(project, what, form)
    )


async def _answer(request: AnyRequest, state: Services, project: LiveProject, question: Question, form: str) -> Response[bytes]:
    parameters = check_parameters(request, (*_ALWAYS, *_WORDS), repeated=LISTS)
    words = {name: parse_text(name, text, most=2_000, required=False) for name, text in parameters.items() if name != "format"}
    rows = await answer(state.store, question, parse_request(question, project.id, words, now=epoch_ms()), state.history)
    try:
        body = await asyncio.to_thread(table, rows, form)
    except FormatError as error:
        raise BadQuery(FieldError("format", str(error))) from None
    return Response(body, media_type=FORMATS[form].media_type, headers=_file(project, question.name, form))


def _file(project: LiveProject, what: str, form: str) -> dict[str, str]:
    return {
        **_NO_STORE,
        "Content-Disposition": f'attachment; filename="{project.slug}-{what}.{form}"',
    }


def _time(name: str, text: str, default: int) -> int:
    if not text:
        return default
    try:
        return max(0, timestamp(text.replace(" ", "+"), name) or 0)  # a plus sign that was not escaped
    except Invalid as error:
        raise BadQuery(*error.errors) from None


@get(
    "/v1/installs/{installation_id:path}",
    summary="Show the data of an install",
    tags=["Installs"],
    responses=_SHOWN,
    before_request=reject_unknown_parameters,
)
async def show_install(
    request: AnyRequest,
    state: Services,
    installation_id: FromPath[str],
    after: Annotated[str, _AFTER] = "",
    limit: Annotated[str, _LIMIT] = "",
) -> Response[InstallHeld]:
    """Knowledge of the id is the only proof required: the server stores only its hash.

    Needs a key with the scope `ingest` or `read` if the project requires one. Counts against the rate limit, and leaves an audit entry.
    """
    return await _show(request, state, installation_id.removeprefix("/"), after, limit)


@get(
    "/v1/install",
    summary="Show the data of an install by query parameter",
    tags=["Installs"],
    responses=_SHOWN,
    before_request=reject_unknown_parameters,
)
async def show_install_by_id(
    request: AnyRequest,
    state: Services,
    id: Annotated[str, _ID] = "",  # noqa: A002 - the name of the parameter
    after: Annotated[str, _AFTER] = "",
    limit: Annotated[str, _LIMIT] = "",
) -> Response[InstallHeld]:
    """For ids that a path cannot contain, such as those with doubled slashes."""
    return await _show(request, state, id, after, limit)


@delete(
    "/v1/installs/{installation_id:path}",
    status_code=200,
    summary="Erase an install",
    tags=["Installs"],
    responses=_GONE,
    before_request=reject_unknown_parameters,
)
async def erase_install(request: AnyRequest, state: Services, installation_id: FromPath[str]) -> Response[InstallErased]:
    """Deletes its events, its days of activity and its row, immediately and permanently. Counts stay; they do not identify an install.

    Disable the client first: events that it sends later are stored again. Earlier backups contain the install until they are deleted. Needs a
    key with the scope `ingest` if the project requires one. Counts against the rate limit, and leaves an audit entry.
    """
    return await _erase(request, state, installation_id.removeprefix("/"))


@delete(
    "/v1/install",
    status_code=200,
    summary="Erase an install by query parameter",
    tags=["Installs"],
    responses=_GONE,
    before_request=reject_unknown_parameters,
)
async def erase_install_by_id(request: AnyRequest, state: Services, id: Annotated[str, _ID] = "") -> Response[InstallErased]:  # noqa: A002
    """For ids that a path cannot contain."""
    return await _erase(request, state, id)


async def _show(request: AnyRequest, state: Services, raw: str, after: str, limit: str) -> Response[InstallHeld]:
    owner = await _owner(request, state, raw, reading=True)
    page = parse_integer("limit", limit, PAGE, 1, MAX_PAGE_SIZE)
    found = await install_data.show(state.store, owner.project, owner.install, after=_after(after), most=page)
    if found is None:
        raise _unknown()
    await _record(state, owner, "install.show", f"{found.total_events} events")
    return Response(found, headers=_NO_STORE)


async def _erase(request: AnyRequest, state: Services, raw: str) -> Response[InstallErased]:
    owner = await _owner(request, state, raw, reading=False)
    erased = await install_data.erase(state.history, owner.project, owner.install)
    if erased is None:
        raise _unknown()
    await _record(state, owner, "install.erase", f"{erased.events} events")
    return Response(erased, headers=_NO_STORE)


class _Owner(NamedTuple):
    """The install of a caller who knows its id. `actor` is the caller in the audit log."""

    project: int
    install: int
    actor: str


async def _owner(request: AnyRequest, state: Services, raw: str, *, reading: bool) -> _Owner:
    """Authorize a caller by an install's id, and by a key if the project requires one.

    Counts as one request of this address, which limits guessing of ids. Raises Limited, Unauthorized, Forbidden, NotFound.
    """
    if len(raw) > LONGEST_ID:
        raise _unknown()
    project, key = await project_and_key(request)
    peer = request.client.host if request.client else ""
    address = state.gate.address(peer, dict(request.scope["headers"]))
    await state.gate.count(state.gate.caller_at(address, project).requests)
    if key is None and project.requires_key:
        raise Unauthorized("This project requires a key: Authorization: Bearer … or X-Footfall-Key.")
    if key is not None and not key.scopes & ({"ingest", "admin", "read"} if reading else {"ingest", "admin"}):
        raise Forbidden("This key does not have the scope `ingest`.")
    usable = identifier(parse_text("id", raw, most=LONGEST_ID))
    if usable is None:
        raise NotFound("This is a placeholder for a missing id, which no install has.")
    return _Owner(project.id, state.privacy.install(project.id, usable), f"key {key.id}" if key else "install")


async def _record(state: Services, owner: _Owner, action: str, detail: str) -> None:
    now = epoch_ms()
    await audit.record(state.store, now=now, actor=owner.actor, action=action, project=owner.project, detail=detail)


def _after(text: str) -> int:
    """Parse a page's `next` to an event id, -1 for the first page. Raises BadQuery, or NotFound for a UUID that is not an event id."""
    if text and not re.fullmatch(_UUID, text):
        raise BadQuery(FieldError("after", "must be the `next` of a previous page"))
    try:
        return from_uuid(text) if text else -1
    except ValueError:
        raise NotFound("There is no such page.") from None


def _unknown() -> NotFound:
    return NotFound("This project has no data of this install.")


HANDLERS = (export_what, show_install, show_install_by_id, erase_install, erase_install_by_id)

"""Whether a request may read a part of a project."""

from __future__ import annotations

from litestar import Request
from litestar.datastructures import State

from server.headers import AUTHORIZATION
from server.problems import Forbidden, NotFound, Unauthorized
from server.storage.projects import SCOPE_SLUG, LiveKey, LiveProject

AnyRequest = Request[object, object, State]


async def named(request: AnyRequest) -> LiveProject:
    """The project that a request is about, for what anybody may read. Raises Unauthorized for a key of ours that is not known."""
    return (await found(request))[0]


async def readable(request: AnyRequest, part: str) -> LiveProject:
    """The project that a request reads, where it may. `part` is one of `settings.PUBLIC_PARTS`. Raises Unauthorized, Forbidden."""
    project, key = await found(request)
    if part not in project.public:
        if key is None:
            count_guess(request)
            raise Unauthorized("This is not public here: it wants a key with the scope read.")
        if not key.scopes & {"read", "admin"}:
            raise Forbidden("This key does not have the scope read.")
    return project


async def found(request: AnyRequest) -> tuple[LiveProject, LiveKey | None]:
    """The project that a request is about, and its key. Raises Unauthorized for a key of ours that is not known."""
    if "\0" in request.scope["path"]:
        raise NotFound("Nothing has a name like that.")
    headers = dict(request.scope["headers"])
    looked: tuple[LiveProject, LiveKey | None] = await request.app.state.gate.find(peer_of(request), headers, request.scope.get(SCOPE_SLUG))
    return looked


def peer_of(request: AnyRequest) -> str:
    """The address of the connection."""
    return request.client.host if request.client else ""


def count_guess(request: AnyRequest) -> None:
    """Count the key of a request, if it brought one, as a wrong one: it is none of ours, and opens nothing."""
    gate, headers = request.app.state.gate, dict(request.scope["headers"])
    if AUTHORIZATION in headers:
        gate.guesses.count_wrong(gate.address(peer_of(request), headers))

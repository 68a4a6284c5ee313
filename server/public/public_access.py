"""Permission checks for reading routes."""

from __future__ import annotations

from litestar import Request

from server.headers import AUTHORIZATION
from server.problems import Forbidden, NotFound, Unauthorized
from server.services import Services, services_of
from server.storage.projects import LiveKey, LiveProject, slug_of

AnyRequest = Request[object, object, Services]


async def project_of_request(request: AnyRequest) -> LiveProject:
    """Return the project of a request to a route that is always public. Raises Unauthorized for an unknown key."""
    return (await project_and_key(request))[0]


async def readable_project(request: AnyRequest, part: str) -> LiveProject:
    """Return the project of a request that may read `part`, one of `settings.PUBLIC_PARTS`. Raises Unauthorized, Forbidden."""
    project, key = await project_and_key(request)
    if part not in project.public:
        if key is None:
            await count_guess(request)
            raise Unauthorized("This is not public. Send a key with the `read` scope.")
        if not key.scopes & {"read", "admin"}:
            raise Forbidden("The key does not have the `read` scope.")
    return project


async def project_and_key(request: AnyRequest) -> tuple[LiveProject, LiveKey | None]:
    """Return the project and the key of a request. Raises Unauthorized for an unknown key."""
    if "\0" in request.scope["path"]:
        raise NotFound("Names cannot contain NUL.")
    headers = dict(request.scope["headers"])
    return await services_of(request.app).gate.find(peer_of(request), headers, slug_of(request.scope))


def peer_of(request: AnyRequest) -> str:
    """Return the address of the connection."""
    return request.client.host if request.client else ""


async def count_guess(request: AnyRequest) -> None:
    """Count the key of a request as a wrong guess, if it has a key that this server did not issue."""
    gate, headers = services_of(request.app).gate, dict(request.scope["headers"])
    if AUTHORIZATION in headers:
        await gate.guesses.count_wrong(gate.address(peer_of(request), headers))

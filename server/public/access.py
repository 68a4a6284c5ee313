"""Whether a request may read a part of a project."""

from __future__ import annotations

from litestar import Request
from litestar.datastructures import State

from server.problems import Forbidden, NotFound, Unauthorized
from server.storage.projects import SCOPE_SLUG, LiveKey, LiveProject, Projects

AnyRequest = Request[object, object, State]


async def named(request: AnyRequest, projects: Projects) -> LiveProject:
    """The project that a request is about, for what anybody may read. Raises Unauthorized for a key of ours that is not known."""
    return (await found(request, projects))[0]


async def readable(request: AnyRequest, projects: Projects, part: str) -> LiveProject:
    """The project that a request reads, where it may. `part` is one of `settings.PUBLIC_PARTS`. Raises Unauthorized, Forbidden."""
    project, key = await found(request, projects)
    if part not in project.public:
        if key is None:
            raise Unauthorized("This is not public here: it wants a key with the scope read.")
        if not key.scopes & {"read", "admin"}:
            raise Forbidden("This key does not have the scope read.")
    return project


async def found(request: AnyRequest, projects: Projects) -> tuple[LiveProject, LiveKey | None]:
    """The project that a request is about, and its key. Raises Unauthorized for a key of ours that is not known."""
    if "\0" in request.scope["path"]:
        raise NotFound("Nothing has a name like that.")
    return await projects.find(dict(request.scope["headers"]), request.scope.get(SCOPE_SLUG))  # type: ignore[arg-type]

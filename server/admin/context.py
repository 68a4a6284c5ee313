"""What resolvers know of the request that they serve."""

from __future__ import annotations

from typing import Any

from litestar.datastructures import State
from strawberry.litestar import BaseContext
from strawberry.types import Info

from server.admin.auth import EVERY, Viewer, headers_of, viewer
from server.admin.loaders import Loaders
from server.problems import Forbidden, Unauthorized
from server.storage import project_changes
from server.storage.engine import Store

DASHBOARD = "dashboard"  # the public part that lets everybody see a project's charts


class Context(BaseContext, kw_only=True):
    """One for each operation; for subscriptions, one for each connection."""

    state: State
    viewer: Viewer | None
    loaders: Loaders
    connection_params: dict[str, Any] | None = None

    async def renew(self) -> None:
        """Look again who is asking: for what goes on for long."""
        token = (self.connection_params or {}).get("token")
        connection = self.websocket or self.request
        if connection is not None:
            self.loaders = Loaders(self.store)  # what was loaded for earlier events is old by now
            self.viewer = await viewer(self.state, headers_of(connection.scope), token if isinstance(token, str) else None)

    @property
    def store(self) -> Store:
        store: Store = self.state.store
        return store


AnyInfo = Info[Context, None]


def reader(info: AnyInfo, project: int = EVERY) -> Viewer:
    """Whoever may read a project, or all of them. Raises Unauthorized, Forbidden."""
    return _allowed(info, "read", project)


def admin(info: AnyInfo, project: int = EVERY) -> Viewer:
    """Whoever may change a project, or everything. Raises Unauthorized, Forbidden."""
    return _allowed(info, "admin", project)


def _allowed(info: AnyInfo, scope: str, project: int) -> Viewer:
    who = info.context.viewer
    if who is None:
        raise Unauthorized(f"This wants a login, or a key with the scope {scope}.")
    if not who.may(scope, project):
        raise Forbidden(f"This wants the scope {scope}" + (" for all projects." if project == EVERY else " for this project."))
    return who


async def project_of(info: AnyInfo, slug: str, scope: str) -> dict[str, Any] | None:
    """The row of a project that whoever asks may `read` or `admin`; None where there is none that they know of.

    Raises Unauthorized, Forbidden: never so that it tells which other projects there are.
    """
    who = info.context.viewer
    if who is None or not who.scopes & {scope, "admin"}:
        _allowed(info, scope, EVERY)
        return None
    row = await project_changes.row_of(slug)
    if row is None or not who.may("read", row["id"]):
        return None
    _allowed(info, scope, row["id"])
    return row

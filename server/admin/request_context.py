"""What resolvers know of the request that they serve."""

from __future__ import annotations

from typing import Any

import msgspec
from graphql import GraphQLError
from litestar.datastructures import State
from strawberry.litestar import BaseContext
from strawberry.types import Info
from strawberry.types.nodes import SelectedField

from server.admin.admission import Admission
from server.admin.auth import EVERY, Viewer, guarded_viewer
from server.admin.loaders import Loaders
from server.analytics.filters import Filter
from server.problems import Forbidden, Unauthorized
from server.storage.engine import Store
from server.storage.projects import project_changes

MOST_ENTRIES = 30_000  # of lists over time, in one answer; ten thousand take about 14 ms
DASHBOARD = "dashboard"  # the public part that lets everybody see a project's charts


class Context(BaseContext, kw_only=True):
    """One for each operation; for subscriptions, one for each connection."""

    state: State
    viewer: Viewer | None
    loaders: Loaders
    connection_params: dict[str, Any] | None = None
    admission: Admission | None = None  # of the operation that is being looked at
    entries: int = 0  # of lists over time, that were asked for so far
    asked: list[Filter] = msgspec.field(default_factory=list)  # the filters with conditions, for warnings

    def spend(self, entries: int) -> None:
        """Ask for so many entries more. Raises GraphQLError where an answer gets too long: while it is written, nothing else is done."""
        self.entries += entries
        if self.entries > MOST_ENTRIES:
            message = f"This answer has more than {MOST_ENTRIES} entries of lists over time: ask for a shorter period or longer steps."
            raise GraphQLError(message, extensions={"code": "TOO_COMPLEX"})

    async def renew(self) -> None:
        """Look again who is asking: for what goes on for long."""
        token = (self.connection_params or {}).get("token")
        connection = self.websocket or self.request
        if connection is not None:
            self.loaders = Loaders(self.store)  # what was loaded for earlier events is old by now
            self.viewer = await guarded_viewer(self.state, connection.scope, token if isinstance(token, str) else None)

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


def admin_of_any(info: AnyInfo) -> Viewer:
    """A viewer who may change some project: asked before anything is looked up by its number, so that no answer says which numbers there are.

    Raises Unauthorized, Forbidden.
    """
    who = info.context.viewer
    return _allowed(info, "admin", who.project if who else EVERY)


def _allowed(info: AnyInfo, scope: str, project: int) -> Viewer:
    who = info.context.viewer
    if who is None:
        raise Unauthorized(f"This wants a login, or a key with the scope {scope}.")
    if not who.may(scope, project):
        raise Forbidden(f"This wants the scope {scope}" + (" for all projects." if project == EVERY else " for this project."))
    return who


def asks_for(info: AnyInfo, name: str) -> bool:
    """Whether a field of this name is asked for, somewhere below the one that is being answered."""
    waiting: list[Any] = list(info.selected_fields)
    while waiting:
        for each in waiting.pop().selections:
            if isinstance(each, SelectedField) and each.name == name:
                return True
            waiting.append(each)
    return False


async def project_of(info: AnyInfo, slug: str, scope: str) -> dict[str, Any] | None:
    """The row of a project that whoever asks may `read` or `admin`; None where there is none that they know of.

    Raises Unauthorized, Forbidden: never so that it tells which other projects there are.
    """
    who = info.context.viewer
    if who is None or not who.scopes & {scope, "admin"}:
        _allowed(info, scope, EVERY)
        return None
    row = await project_changes.project_row(slug)
    if row is None or not who.may("read", row["id"]):
        return None
    _allowed(info, scope, row["id"])
    return row

"""The context of a GraphQL request, and its permission checks."""

from __future__ import annotations

from typing import Any

import msgspec
from graphql import GraphQLError
from strawberry.litestar import BaseContext
from strawberry.types import Info
from strawberry.types.nodes import SelectedField

from server.admin.admission import Admission
from server.admin.auth import ALL_PROJECTS, Viewer, guess_limited_viewer
from server.admin.loaders import Loaders
from server.analytics.filters import Filter
from server.history import History
from server.problems import Forbidden, Unauthorized
from server.services import Services
from server.storage.engine import Store
from server.storage.projects import project_changes

MAX_ENTRIES = 30_000  # of time series in one response; ten thousand take about 14 ms
DASHBOARD = "dashboard"  # the public part that contains a project's charts


class Context(BaseContext, kw_only=True):
    """The context of one operation; of one connection for subscriptions."""

    state: Services
    viewer: Viewer | None
    loaders: Loaders
    connection_params: dict[str, Any] | None = None
    admission: Admission | None = None  # of the operation under validation
    entries: int = 0  # of time series requested so far
    asked: list[Filter] = msgspec.field(default_factory=list)  # filters to check for warnings

    def spend(self, entries: int) -> None:
        """Reserve entries of time series. Raises GraphQLError if the response gets too long: encoding it blocks the event loop."""
        self.entries += entries
        if self.entries > MAX_ENTRIES:
            message = f"This response has more than {MAX_ENTRIES} entries in time series. Request a shorter period or longer steps."
            raise GraphQLError(message, extensions={"code": "TOO_COMPLEX"})

    async def renew(self) -> None:
        """Authenticate the caller again, in a long-lived subscription."""
        token = (self.connection_params or {}).get("token")
        connection = self.websocket or self.request
        if connection is not None:
            self.loaders = Loaders(self.store)  # rows loaded for earlier events may be outdated
            self.viewer = await guess_limited_viewer(self.state, connection.scope, token if isinstance(token, str) else None)

    @property
    def history(self) -> History | None:
        return getattr(self.state, "history", None)

    @property
    def store(self) -> Store:
        return self.state.store


AnyInfo = Info[Context, None]


def reader(info: AnyInfo, project: int = ALL_PROJECTS) -> Viewer:
    """Return the caller if it may read a project, or all of them. Raises Unauthorized, Forbidden."""
    return _allowed(info, "read", project)


def admin(info: AnyInfo, project: int = ALL_PROJECTS) -> Viewer:
    """Return the caller if it may change a project, or the server. Raises Unauthorized, Forbidden."""
    return _allowed(info, "admin", project)


def any_admin(info: AnyInfo) -> Viewer:
    """Return the caller if it may change any project.

    Check this before looking up a row by its id, so that errors do not reveal which ids exist. Raises Unauthorized, Forbidden.
    """
    who = info.context.viewer
    return _allowed(info, "admin", who.project if who else ALL_PROJECTS)


def _allowed(info: AnyInfo, scope: str, project: int) -> Viewer:
    who = info.context.viewer
    if who is None:
        raise Unauthorized(f"Authentication required: log in, or send a key with the `{scope}` scope.")
    if not who.may(scope, project):
        raise Forbidden(f"The `{scope}` scope is required" + (" for all projects." if project == ALL_PROJECTS else " for this project."))
    return who


def is_selected(info: AnyInfo, name: str) -> bool:
    """Return whether a field of this name is selected below the current one."""
    waiting: list[Any] = list(info.selected_fields)
    while waiting:
        for each in waiting.pop().selections:
            if isinstance(each, SelectedField) and each.name == name:
                return True
            waiting.append(each)
    return False


async def find_project(info: AnyInfo, slug: str, scope: str) -> dict[str, Any] | None:
    """Return the row of a project that the caller may `read` or `admin`; None if it does not exist or is not visible.

    Raises Unauthorized, Forbidden. The errors do not reveal which other projects exist.
    """
    who = info.context.viewer
    if who is None or not who.scopes & {scope, "admin"}:
        _allowed(info, scope, ALL_PROJECTS)
        return None
    row = await project_changes.project_row(slug)
    if row is None or not who.may("read", row["id"]):
        return None
    _allowed(info, scope, row["id"])
    return row

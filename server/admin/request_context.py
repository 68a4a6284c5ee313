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
from server.storage.projects.project_changes import StoredProject

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
    filters: list[Filter] = msgspec.field(default_factory=list)  # filters to check for warnings

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


def is_selected(info: AnyInfo, name: str, *, deep: bool = True) -> bool:
    """Return whether a field of this name is selected below the current one: at any depth, or directly."""
    waiting: list[Any] = list(info.selected_fields)
    while waiting:
        for each in waiting.pop().selections:
            is_field = isinstance(each, SelectedField)
            if is_field and each.name == name and _is_included(each):
                return True
            if (deep or not is_field) and _is_included(each):
                waiting.append(each)
    return False


def _is_included(selection: Any) -> bool:
    """Return whether the directives of a selection keep it."""
    directives = selection.directives
    return bool(directives.get("include", {}).get("if", True)) and not directives.get("skip", {}).get("if", False)


async def find_project(info: AnyInfo, slug: str, scope: str) -> StoredProject | None:
    """Return a project that the caller may `read` or `admin`; None if it does not exist or is not visible.

    Raises Unauthorized, Forbidden. The errors do not reveal which other projects exist.
    """
    who = info.context.viewer
    if who is None or not who.scopes & {scope, "admin"}:
        _allowed(info, scope, ALL_PROJECTS)
        return None
    project = await project_changes.stored_project(slug)
    if project is None or not who.may("read", project.id):
        return None
    _allowed(info, scope, project.id)
    return project

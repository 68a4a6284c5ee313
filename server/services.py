"""The parts of a running server, by name, as routes receive them in their parameter `state`.

The application creates them in `server.app`. Their types belong to higher layers, so they are imported for type checks only: with them, mypy finds
a misspelled part and a missing `await`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from litestar import Litestar
from litestar.datastructures import State

if TYPE_CHECKING:
    from server.admin.routes import GraphQLLoader
    from server.health import Health
    from server.history import History
    from server.ingest.event_writer import Writer
    from server.ingest.gate import Gate
    from server.ingest.privacy import Privacy
    from server.jobs.scheduler import Scheduler
    from server.metrics import Metrics
    from server.openapi import DocumentLoader
    from server.pages import Pages
    from server.pages.dashboard import Dashboard
    from server.public.response_cache import ResponseCache
    from server.settings import Settings
    from server.shared import Live
    from server.storage.engine import Store
    from server.storage.projects import Projects
    from server.transfer.shared_route import SharedPages


class Services(State):
    """The parts of a running server. Before startup has finished, only `openapi`, `pages` and `dashboard` are there."""

    openapi: DocumentLoader
    pages: Pages
    dashboard: Dashboard

    settings: Settings
    store: Store
    history: History
    projects: Projects
    metrics: Metrics
    writer: Writer
    gate: Gate
    privacy: Privacy
    response_cache: ResponseCache
    health: Health
    live: Live
    graphql: GraphQLLoader
    shared_pages: SharedPages
    scheduler: Scheduler
    """Missing with the simulated clock of `footfall demo`."""


def services_of(app: Litestar) -> Services:
    """Return the parts of an application."""
    return cast("Services", app.state)

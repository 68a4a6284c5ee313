"""The composition root: opens and closes all parts of the server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.types import ControllerRouterHandler

from server import __version__, health, logs, openapi, pages, public, scrape
from server.admin import login, routes
from server.clock import Clock, epoch_ms
from server.event_id import EventIds
from server.front import Front
from server.history import History
from server.ingest.event_writer import Writer
from server.ingest.gate import Gate
from server.ingest.pipeline import Ingest
from server.ingest.privacy import Privacy
from server.ingest.routing import Routes
from server.jobs import JOBS, Run, Runner, Scheduler
from server.jobs.forwarding import Forwarder
from server.metrics import Metrics
from server.openapi.application import Application
from server.pages import SECURITY_HEADERS
from server.pages.dashboard import Dashboard
from server.problems import CONTENT_TYPE, Busy, Failed, Malformed, MethodNotAllowed, NotFound, Problem, TooLarge
from server.services import Services, services_of
from server.settings import Settings, bundled
from server.shared import Limits, Live
from server.storage.engine import Store, instance_id, is_transient, open_store, server_secret
from server.storage.projects import Projects, ensure_admin, ensure_default, key_use
from server.storage.upkeep.maintenance import former_marks_until
from server.tasks import StopRequest
from server.transfer import ask_route, report_routes, shared_route
from server.transfer import data_routes as transfer

log = logs.get(__name__)

_HANDLERS: tuple[ControllerRouterHandler, ...] = (
    *public.HANDLERS,
    *transfer.HANDLERS,
    *ask_route.HANDLERS,
    *report_routes.HANDLERS,
    *shared_route.HANDLERS,
    *routes.HANDLERS,
    *login.HANDLERS,
    *health.HANDLERS,
    *scrape.HANDLERS,
    *openapi.HANDLERS,
    *pages.HANDLERS,
)


def create_app(
    settings: Settings, *, progress: Callable[[str], None] = lambda _: None, clock: Clock = epoch_ms, stop: StopRequest | None = None
) -> Front:
    """Create the ASGI application. It opens its store on startup; on shutdown, it commits the accepted events and closes the store.

    `clock` returns the time of arrival in epoch milliseconds; `footfall demo` passes a simulated one. `stop` interrupts startup.
    """
    stop = stop or StopRequest()
    routes = Routes()
    document = openapi.DocumentLoader(lambda: openapi.document(routes.all, _HANDLERS, settings))

    @contextlib.asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                services = services_of(app)
                front.ingest = await stop.run(_open(settings, services, stack, progress, clock))
                front.response_cache, front.projects = services.response_cache, services.projects
                front.later = services.graphql.load
                front.first_token = await ensure_admin(settings.admin_token)
                await services.projects.refresh()  # so that the first token works immediately
            except Exception as error:
                front.failure = error
                raise
            try:
                yield
            finally:
                log.info("stopping")

    litestar = Application(
        route_handlers=list(_HANDLERS),
        lifespan=[running],
        exception_handlers={Problem: _problem, HTTPException: _http_exception, Exception: _unexpected},
        openapi_config=None,
        state=Services(
            {
                "openapi": document,
                "pages": pages.Pages(document.document, bundled("static"), base=settings.base_path),
                "dashboard": Dashboard(bundled("static") / "dist" if settings.dashboard else None, base=settings.base_path),
            }
        ),
        logging_config=None,
    )
    front = Front(routes, litestar, base=settings.base_path)
    return front


async def _warn_if_secret_is_lost(settings: Settings, store: Store) -> None:
    """Log a warning if a new secret is about to be created for a store that has installs: none of them will be recognized."""
    is_lost = not settings.secret and not (settings.data_dir / "secret").exists()
    if is_lost and await store.rows("SELECT 1 FROM install LIMIT 1"):
        log.warning("secret_lost", advice="a new secret recognizes no known install: stop, and restore the file from a backup")


async def _open(
    settings: Settings, state: Services, stack: contextlib.AsyncExitStack, progress: Callable[[str], None], clock: Clock
) -> Ingest:
    """Open all parts in order. `stack` closes them in reverse order."""
    store = await open_store(settings, progress=progress)
    stack.push_async_callback(store.close)
    history = History(store, settings)
    stack.callback(history.close)
    await ensure_default()
    projects = Projects(max_targets=settings.max_targets, public=settings.public)
    await projects.refresh()
    await stack.enter_async_context(key_use.record_periodically(projects))
    metrics = Metrics(__version__)
    await _warn_if_secret_is_lost(settings, store)
    secret = server_secret(settings)
    limits, live, shared = Limits(), Live(), None
    if settings.redis_url:
        from server.shared.redis import Shared, SharedLimits, SharedLive  # noqa: PLC0415 - slow to import, and rarely used

        shared = Shared(settings.redis_url)
        stack.push_async_callback(shared.close)
        limits, live = SharedLimits(shared, secret), SharedLive(shared)
        await stack.enter_async_context(live.running())
        metrics.shared = shared
    writer = Writer(store, metrics, max_queue=settings.max_queue, slug=projects.slug, live=live)
    stack.push_async_callback(writer.close)
    gate = Gate(settings, projects, limits)
    privacy = Privacy(secret)
    privacy.former_marks_until = await former_marks_until(store)
    stack.callback(live.close)
    metrics.queue_depth = lambda: writer.depth
    metrics.store_size = store.size
    metrics.history_size = history.size
    metrics.store_up = lambda: store.available
    state.update(
        {
            "settings": settings,
            "store": store,
            "history": history,
            "projects": projects,
            "metrics": metrics,
            "writer": writer,
            "gate": gate,
            "privacy": privacy,
            "response_cache": public.ResponseCache(store),
            "health": health.Health(store, shared, instance=instance_id(settings, secret)),
            "live": live,
            "graphql": routes.GraphQLLoader(),
        }
    )
    state["shared_pages"] = shared_route.SharedPages(state)
    if clock is epoch_ms:  # no jobs with the simulated clock of `footfall demo`, which passes a month in seconds
        scheduler = Scheduler(Runner(Run(store, settings, metrics, history=history)), JOBS)
        state["scheduler"] = scheduler
        await scheduler.start()
        stack.push_async_callback(scheduler.stop)
    ingest = Ingest(settings, gate, privacy, writer, metrics, EventIds(await store.claim_node()), clock)
    ingest.shadow = forwarder = Forwarder(store, private=settings.alert_private)
    await stack.enter_async_context(forwarder.running())
    return ingest


def _problem(request: Request[object, object, Services], problem: Problem) -> Response[bytes]:
    headers = {**SECURITY_HEADERS, **public.cors.headers(request), "Cache-Control": "no-store", **problem.headers}
    return Response(problem.to_json(), status_code=problem.code, media_type=CONTENT_TYPE.decode(), headers=headers)


def _http_exception(request: Request[object, object, Services], error: HTTPException) -> Response[bytes]:
    """Convert Litestar's errors to problems, with messages of our own: Litestar's may repeat client data."""
    if isinstance(error, MethodNotAllowedException):
        allowed = error.headers.get("Allow", "GET") if error.headers else "GET"
        return _problem(request, MethodNotAllowed("This route does not support this method.", allowed=allowed))
    if isinstance(error, NotFoundException):
        return _problem(request, NotFound("No route has this path."))
    if error.status_code == 413:
        return _problem(request, TooLarge("The body exceeds the limit of this route."))
    if error.status_code < 500:
        return _problem(request, Malformed("The request is malformed."))
    return _unexpected(request, error)


def _unexpected(request: Request[object, object, Services], error: Exception) -> Response[bytes]:
    if is_transient(error):
        log.warning("request_refused", error=type(error).__name__)
        return _problem(request, Busy("The store is not available.", retry_after=5))
    log.error("request_failed", exc_info=error)
    return _problem(request, Failed("The request failed. See the server log."))

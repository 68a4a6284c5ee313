"""Reading routes. The project's settings decide which are public; the others require a key with the scope `read`.

public_access     permission checks
response_cache    cached responses, with headers for HTTP caches
cors              CORS of reading routes
query_parameters  query parameters and their checks
download_counts   downloads of packs
target_counters   counters of targets, and trending targets
badges            downloads of a pack as a badge
family_routes     FlakeDrop's statistics, Track-Skills' tables, the latest version of a tool
"""

from litestar.types import ControllerRouterHandler

from server.public import badges, cors, download_counts, family_routes, target_counters
from server.public.public_access import readable_project
from server.public.response_cache import ResponseCache

_READING = (*download_counts.HANDLERS, *target_counters.HANDLERS, *badges.HANDLERS, *family_routes.HANDLERS)
# The preflight comes first: Litestar adds its own OPTIONS to paths that exist already.
HANDLERS: tuple[ControllerRouterHandler, ...] = (cors.preflight(_READING), *_READING)

__all__ = ["HANDLERS", "ResponseCache", "readable_project"]

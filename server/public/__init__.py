"""What can be read without a login. What is public follows the project's settings; the rest wants a key with the scope `read`.

access     whether a request may read a part of a project
answers    ready answers, with what caches want to know of them
origins    what pages of other sites may read
query      parameters: what they may be, and what is wrong with them
counts     downloads of packs
counters   what a site shows beside its targets, and what is trending
badges     a pack's downloads as a picture
families   FlakeDrop's statistics, Track-Skills' tables, the latest version of a tool
"""

from litestar.types import ControllerRouterHandler

from server.public import badges, cors, download_counts, family_routes, target_counters
from server.public.public_access import readable
from server.public.response_cache import Answers

_READING = (*download_counts.HANDLERS, *target_counters.HANDLERS, *badges.HANDLERS, *family_routes.HANDLERS)
# The preflight first: where a path has another method already, Litestar has made an OPTIONS of its own.
HANDLERS: tuple[ControllerRouterHandler, ...] = (cors.preflight(_READING), *_READING)

__all__ = ["HANDLERS", "Answers", "readable"]

"""Query parameters of reading routes: their OpenAPI descriptions and their checks. No error repeats a value.

A route rejects unknown parameters, and repeated ones that it does not accept as a list: a misspelled filter would return everything. Cache
busters are ignored. Routes without parameters (`/counts`, `/stats`, `/v1/version/latest`) ignore all of them, as the servers that they
replace did.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from server.event import FieldError
from server.problems import BadQuery
from server.public.public_access import AnyRequest

TEXT = r"^[^\x00]*$"  # the values that `parse_text` accepts, for the reference
WORDS = r"^[^,\x00]{1,200}(,[^,\x00]{1,200}){0,99}$"
_NUMBER = re.compile(r"[0-9]{1,9}")
_NAME = re.compile(r"[\w.-]{1,40}", re.ASCII)
_CACHE_BUSTERS = frozenset({"_", "t", "ts", "v", "cb", "r", "rand", "rnd", "cache", "cachebust", "cachebuster", "nocache", "no-cache"})
_MOST_REFUSED = 20  # parameters that one error lists


async def reject_unknown_parameters(request: AnyRequest) -> None:
    """Reject parameters that the route's handler does not accept. For use as `before_request`. Raises BadQuery.

    The handler's `opt` may list parameters that it accepts repeatedly (`repeated`) or ignores (`ignored`).
    """
    handler: Any = request.scope["route_handler"]
    check_parameters(request, _accepted_by(handler), repeated=handler.opt.get("repeated", ()), ignored=handler.opt.get("ignored", ()))


@lru_cache(maxsize=64)
def _accepted_by(handler: HTTPRouteHandler) -> tuple[str, ...]:
    found = handler.parsed_fn_signature.parameters.items()
    return tuple(
        parameter.kwarg_definition.name or name for name, parameter in found if isinstance(parameter.kwarg_definition, QueryParameter)
    )


def check_parameters(
    request: AnyRequest, known: Collection[str], *, repeated: Collection[str] = (), ignored: Collection[str] = ()
) -> dict[str, str]:
    """Return the parameters of a request. Repeated ones are joined with commas; `-` in a name counts as `_`.

    Raises BadQuery with each unknown parameter, and each one that is repeated but not in `repeated`.
    """
    found: dict[str, str] = {}
    errors: list[FieldError] = []
    for sent, text in request.query_params.multi_items():
        name = sent if sent in known else sent.replace("-", "_")
        if name not in known:
            if sent not in _CACHE_BUSTERS and sent not in ignored:
                errors.append(FieldError(sent if _NAME.fullmatch(sent) else "(a parameter)", _unknown(sent, known)))
        elif name not in found:
            found[name] = text
        elif name in repeated:
            found[name] += f",{text}"
        else:
            errors.append(FieldError(name, "must be given once"))
    if errors:
        raise BadQuery(*dict.fromkeys(errors[:_MOST_REFUSED]))
    return found


def _unknown(sent: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(sent[:40], known, 1)
    return f"is unknown; did you mean {close[0]}?" if close else f"is unknown; the parameters are {', '.join(known)}"


def query_parameter(description: str, *, required: bool = False, **schema: Any) -> QueryParameter:
    """Describe a query parameter for the reference. Litestar passes its text on; the functions below parse it."""
    return QueryParameter(description=description, required=required, schema_extra=schema)


def parse_integer(name: str, text: str, default: int, least: int, most: int) -> int:
    """Parse a whole number; an empty text is the default. Raises BadQuery."""
    if not text:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise BadQuery(FieldError(name, f"must be a whole number from {least} to {most}"))
    return int(text)


def parse_choice(name: str, text: str, default: str, allowed: Collection[str]) -> str:
    """Parse one of the allowed words; an empty text is the default. Raises BadQuery."""
    if not text:
        return default
    if text not in allowed:
        raise BadQuery(FieldError(name, f"must be one of {', '.join(allowed)}"))
    return text


def parse_text(name: str, text: str, *, most: int = 200, required: bool = True) -> str:
    """Check a text. Raises BadQuery."""
    if not text and required:
        raise BadQuery(FieldError(name, "is missing"))
    if len(text) > most:
        raise BadQuery(FieldError(name, f"must be at most {most} characters"))
    if "\0" in text:  # PostgreSQL rejects NUL in a parameter
        raise BadQuery(FieldError(name, "must not contain NUL"))
    return text


def parse_list(name: str, text: str, *, most: int, longest: int = 200) -> list[str]:
    """Parse a comma-separated list; drop duplicates. Raises BadQuery."""
    found = list(dict.fromkeys(part for part in text.split(",") if part))
    if not found:
        raise BadQuery(FieldError(name, "is missing"))
    if len(found) > most:
        raise BadQuery(FieldError(name, f"must be at most {most}"))
    if any(len(part) > longest for part in found):
        raise BadQuery(FieldError(name, f"must be at most {longest} characters each"))
    if "\0" in text:
        raise BadQuery(FieldError(name, "must not contain NUL"))
    return found

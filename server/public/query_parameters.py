"""Parameters of reading routes: their description for the reference, and the check of a request's. No message repeats a value.

A route refuses a parameter that it does not know, and one that is given twice where it means one: a misspelt filter would answer with
everything. Cache busters pass. Routes without any parameter (`/counts`, `/stats`, `/v1/version/latest`) ignore whatever is sent, as the servers did
that they replace.
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

TEXT = r"^[^\x00]*$"  # for the reference: what `word` takes
WORDS = r"^[^,\x00]{1,200}(,[^,\x00]{1,200}){0,99}$"
_NUMBER = re.compile(r"[0-9]{1,9}")
_NAME = re.compile(r"[\w.-]{1,40}", re.ASCII)
_CACHE_BUSTERS = frozenset({"_", "t", "ts", "v", "cb", "r", "rand", "rnd", "cache", "cachebust", "cachebuster", "nocache", "no-cache"})
_MOST_REFUSED = 20  # parameters that one answer names


async def known_only(request: AnyRequest) -> None:
    """Refuse what the route's handler does not take: its `before_request`. Raises BadQuery.

    The handler's `opt` may name parameters that it takes repeatedly (`repeated`) or ignores (`ignored`).
    """
    handler: Any = request.scope["route_handler"]
    check_parameters(request, _taken_by(handler), repeated=handler.opt.get("repeated", ()), ignored=handler.opt.get("ignored", ()))


@lru_cache(maxsize=64)
def _taken_by(handler: HTTPRouteHandler) -> tuple[str, ...]:
    found = handler.parsed_fn_signature.parameters.items()
    return tuple(
        parameter.kwarg_definition.name or name for name, parameter in found if isinstance(parameter.kwarg_definition, QueryParameter)
    )


def check_parameters(
    request: AnyRequest, known: Collection[str], *, repeated: Collection[str] = (), ignored: Collection[str] = ()
) -> dict[str, str]:
    """The parameters of a request, those in `repeated` with commas between their values; names may have hyphens in the place of `_`.

    Raises BadQuery, which names each that is not among the `known`, and each that is given twice and may not.
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
    return f"is not known here; did you mean {close[0]}?" if close else f"is not known here; there are {', '.join(known)}"


def parameter(description: str, *, required: bool = False, **schema: Any) -> QueryParameter:
    """What the reference says of a query parameter. Litestar passes on its text; `whole`, `choice`, `word` and `words` read it."""
    return QueryParameter(description=description, required=required, schema_extra=schema)


def whole(name: str, text: str, default: int, least: int, most: int) -> int:
    """A whole number, the default where it is empty. Raises BadQuery."""
    if not text:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise BadQuery(FieldError(name, f"must be a whole number from {least} to {most}"))
    return int(text)


def choice(name: str, text: str, default: str, allowed: Collection[str]) -> str:
    """One of some words, the default where it is empty. Raises BadQuery."""
    if not text:
        return default
    if text not in allowed:
        raise BadQuery(FieldError(name, f"must be one of {', '.join(allowed)}"))
    return text


def word(name: str, text: str, *, most: int = 200, required: bool = True) -> str:
    """Some text. Raises BadQuery."""
    if not text and required:
        raise BadQuery(FieldError(name, "is missing"))
    if len(text) > most:
        raise BadQuery(FieldError(name, f"must be at most {most} characters"))
    if "\0" in text:  # which PostgreSQL cannot even be asked for
        raise BadQuery(FieldError(name, "must not have NUL in it"))
    return text


def words(name: str, text: str, *, most: int, longest: int = 200) -> list[str]:
    """Words with commas between them, each once. Raises BadQuery."""
    found = list(dict.fromkeys(part for part in text.split(",") if part))
    if not found:
        raise BadQuery(FieldError(name, "is missing"))
    if len(found) > most:
        raise BadQuery(FieldError(name, f"must be at most {most}"))
    if any(len(part) > longest for part in found):
        raise BadQuery(FieldError(name, f"must be at most {longest} characters each"))
    if "\0" in text:
        raise BadQuery(FieldError(name, "must not have NUL in it"))
    return found

"""Parameters of reading routes: what the reference says of them, and what is wrong with one. No message repeats what was sent."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from litestar.params import QueryParameter

from server.event import FieldError
from server.problems import BadQuery

TEXT = r"^[^\x00]*$"  # for the reference: what `word` takes
WORDS = r"^[^,\x00]{1,200}(,[^,\x00]{1,200}){0,99}$"
_NUMBER = re.compile(r"[0-9]{1,9}")


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

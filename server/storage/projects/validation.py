"""Names, scopes and limits of projects and keys: constants, validation and errors."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Mapping

import msgspec
from limits import RateLimitItem, parse

DEFAULT = "default"
SETTINGS_KEY_NAME = "FOOTFALL_ADMIN_TOKEN"  # the name of the key from the settings
ADMINS = 0  # the project number in keys of admins, which are valid for all projects
KEY_PREFIX = "ff_"
MAX_PICKED = 20  # properties of a project that are counted by value
CLIENT_KEY = re.compile(r"[\w.:~+/=-]{8,200}", re.ASCII)  # a key of another system, such as phc_…
SCOPES = ("ingest", "read", "admin")
SCOPE_SLUG = "footfall.slug"  # the key in an ASGI scope for the project in the path
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

_strings = msgspec.json.Decoder(list[str])


class ProjectError(ValueError):
    """A request about a project or key is invalid. The message is for its author."""


class ProblemKind(enum.Enum):
    """The reason for which a change is refused."""

    INVALID = "invalid"
    TAKEN = "taken"
    UNKNOWN = "unknown"


class FieldProblem(ProjectError):
    """One field of a change is invalid. `message` never contains the value."""

    def __init__(self, field: str, message: str, why: ProblemKind = ProblemKind.INVALID) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message
        self.why = why


def slug_of(scope: Mapping[str, object]) -> str | None:
    """Return the slug in the path of an ASGI request, or None."""
    slug = scope.get(SCOPE_SLUG)
    return slug if isinstance(slug, str) else None


def validate_limit(text: str | None) -> str | None:
    """Return a limit in the form that is stored. Raises ProjectError if it is invalid."""
    if text is None:
        return None
    try:
        return str(parse(text))
    except ValueError:
        raise ProjectError("a limit must have a form such as 10/minute") from None


def read_limit(text: str | None) -> RateLimitItem | None:
    """Return the limit in a column, or None."""
    return parse(text) if text else None


def read_list(text: str) -> list[str]:
    """Return the list in a column with JSON."""
    return _strings.decode(text)


def hash_key(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()

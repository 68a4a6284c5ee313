"""What projects and keys are made of: their names, scopes and limits, and what is said where one of these cannot be."""

from __future__ import annotations

import enum
import hashlib
import re

import msgspec
from limits import RateLimitItem, parse

DEFAULT = "default"
SETTINGS_KEY_NAME = "FOOTFALL_ADMIN_TOKEN"  # what the key from the settings is called
ADMINS = 0  # stands for a project in the keys of admins, which are for all
KEY_PREFIX = "ff_"
SCOPES = ("ingest", "read", "admin")
SCOPE_SLUG = "footfall.slug"  # where an ASGI scope carries the project that the path named
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

_strings = msgspec.json.Decoder(list[str])


class ProjectError(ValueError):
    """What was asked of a project or key cannot be. The message is for the person who asked."""


class ProblemKind(enum.Enum):
    """Why a change cannot be made."""

    INVALID = "invalid"
    TAKEN = "taken"
    UNKNOWN = "unknown"


class FieldProblem(ProjectError):
    """What one field of a change says cannot be. `message` never holds the value."""

    def __init__(self, field: str, message: str, why: ProblemKind = ProblemKind.INVALID) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message
        self.why = why


def validate_limit(text: str | None) -> str | None:
    """A limit as it is kept. ProjectError where it is none."""
    if text is None:
        return None
    try:
        return str(parse(text))
    except ValueError:
        raise ProjectError("a limit is written as 10/minute") from None


def read_limit(text: object) -> RateLimitItem | None:
    """The limit in a column, None where there is none."""
    return parse(str(text)) if text else None


def read_list(text: str) -> list[str]:
    """The list in a column that holds one as JSON."""
    return _strings.decode(text)


def hash_key(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()

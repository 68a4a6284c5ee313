"""The fields of an event that questions can filter and group by, each declared once.

GraphQL, `footfall ask`, export and the history derive their lists of fields from here. The fields of a context are declared in `server.event.Context`.
Properties are fields too: `properties.theme` and, for
nested ones, `properties.build.stage`. They need no declaration.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

import msgspec

from server.event import CONTEXT_FIELDS, ENVIRONMENTS, Outcome

PROPERTY_PREFIX = "properties."
MAX_PROPERTY_TEXT = 64  # characters of a property's value, as in the rollups (`ingest.privacy`)
MAX_PATH = 5
_PATH = re.compile(r"[^\"\\\x00-\x1f{}]{1,200}")


class Place(enum.Enum):
    """The table that holds a field's column."""

    EVENT = "event"
    CONTEXT = "context"
    NAME = "event_name"
    TARGET = "target"


class Kind(enum.Enum):
    """The type of a field's values.

    TEXT     any text
    VERSION  a semantic version, which can be compared and grouped as such
    WORD     one of a closed list, stored as a small integer
    NUMBER   a number
    PROPERTY a text, a number or a boolean, or a list of these
    """

    TEXT = "text"
    VERSION = "version"
    WORD = "word"
    NUMBER = "number"
    PROPERTY = "property"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an event.

    `column` is its column in the table of its `place`. `words` maps the values of a WORD to the stored integers. `scale` is the number of stored
    units in one unit of the field (1,000 microseconds in a millisecond). `is_private`: values may identify private targets or contain free text.
    """

    name: str
    label: str
    description: str
    place: Place
    column: str
    kind: Kind = Kind.TEXT
    words: dict[str, int] = {}
    scale: int = 1
    is_private: bool = False


_KINDS = {"text": Kind.TEXT, "version": Kind.VERSION, "flag": Kind.TEXT}


def _context(name: str, label: str, description: str, kind: Kind = Kind.TEXT) -> Field:
    return Field(name=name, label=label, description=description, place=Place.CONTEXT, column=name, kind=kind)


FIELDS = (
    Field(name="name", label="Event", description="Name of the event.", place=Place.NAME, column="text"),
    Field(
        name="outcome",
        label="Outcome",
        description="`success`, `failure`, or `none` if the event reports none.",
        place=Place.EVENT,
        column="outcome",
        kind=Kind.WORD,
        words={outcome.name.lower(): int(outcome) for outcome in Outcome},
    ),
    Field(
        name="environment",
        label="Environment",
        description="Environment in which the tool ran, such as `person` or `ci`.",
        place=Place.CONTEXT,
        column="environment",
        kind=Kind.WORD,
        words={word: int(environment) for word, environment in ENVIRONMENTS.items()},
    ),
    *(_context(name, declared.label, declared.description, _KINDS[declared.kind]) for name, declared in CONTEXT_FIELDS.items()),
    _context("dialect", "Client", "Wire format in which the event arrived, such as `native`."),
    Field(name="error_type", label="Error type", description="Type of the error.", place=Place.EVENT, column="error_type", is_private=True),
    Field(name="target_type", label="Target type", description="Type of the target.", place=Place.TARGET, column="type", is_private=True),
    Field(name="target", label="Target", description="Id of the target.", place=Place.TARGET, column="external_id", is_private=True),
    Field(
        name="duration_ms",
        label="Duration",
        description="Duration in milliseconds.",
        place=Place.EVENT,
        column="duration_us",
        kind=Kind.NUMBER,
        scale=1_000,
    ),
)

BY_NAME = {field.name: field for field in FIELDS}


def is_private(field: str) -> bool:
    """Return whether a field, or a property, may identify private targets or contain free text."""
    return field.startswith(PROPERTY_PREFIX) or (field in BY_NAME and BY_NAME[field].is_private)


def is_path(path: str) -> bool:
    """Return whether questions can name a property: 1 to 200 characters without quotes, nested at most MAX_PATH deep."""
    return _PATH.fullmatch(path) is not None and path.count(".") < MAX_PATH


def property_paths(name: str) -> list[list[str]]:
    """Return the paths at which a property is looked up, in order: its dotted name as one name first, then as a path into nested objects."""
    parts = name.split(".")
    return [[name]] if len(parts) == 1 else [[name], parts]


def json_path(path: list[str]) -> str:
    """Return a JSON path, as in `$."a"."b"`."""
    return "$" + "".join(f'."{part}"' for part in path)


def paths_in(document: object, prefix: str = "", depth: int = 1) -> Iterator[str]:
    """Yield the dotted names of the values in a document of properties, except objects."""
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            if depth < MAX_PATH:
                yield from paths_in(value, f"{path}.", depth + 1)
        elif is_path(path):
            yield path

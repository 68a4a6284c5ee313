"""How dialects read a document: what they have in common, and nothing that only one of them needs.

fields    typed conversion with errors that name the field; text; what is left over
times     timestamps and durations
context   the words that clients use for the place they run in
batches   many events in one body, and what became of each
ignored   fields that were not understood
prepared  bodies in their plain form, read in one pass
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from server.dialects.parsing.batches import ID_FIELDS, MAX_EVENTS, Tally, event_id, gather, header_id, raise_refusal, tally
from server.dialects.parsing.environments import arch_name, environment, known_environment, node_runtime, os_name
from server.dialects.parsing.ignored import IgnoredFields, is_blank
from server.dialects.parsing.json_fields import (
    MAX_ERROR_MESSAGE,
    MAX_ERROR_TYPE,
    MAX_TARGET,
    Id,
    Name,
    Number,
    Properties,
    Timestamp,
    convert,
    cut,
    keep,
    leftovers,
    text,
)
from server.dialects.parsing.prepared import REMEMBERED, REMEMBERED_LENGTH, NotPlain, Prepared, properties_in
from server.dialects.parsing.times import duration, iso, timestamp, whole_duration
from server.event import Decoded, Request

__all__ = [
    "ID_FIELDS",
    "MAX_ERROR_MESSAGE",
    "MAX_ERROR_TYPE",
    "MAX_EVENTS",
    "MAX_TARGET",
    "REMEMBERED",
    "REMEMBERED_LENGTH",
    "Id",
    "IgnoredFields",
    "Name",
    "NotPlain",
    "Number",
    "Path",
    "Prepared",
    "Properties",
    "Tally",
    "Timestamp",
    "arch_name",
    "convert",
    "cut",
    "duration",
    "environment",
    "event_id",
    "gather",
    "header_id",
    "is_blank",
    "iso",
    "keep",
    "known_environment",
    "leftovers",
    "node_runtime",
    "os_name",
    "properties_in",
    "raise_refusal",
    "tally",
    "text",
    "timestamp",
    "whole_duration",
]


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """One route of a dialect.

    `template` may hold one parameter in braces as its last segment (`/dl/{pack}`), given to the dialect unchecked in `Request.params`.
    `batch`: the route may carry many events, so the larger body limit holds.
    `body`: whether a JSON body is read; where false, whatever is sent is ignored.
    `prepared` reads what most clients send here at once: the events of a body (and its request, without a document), or None where the body
    is not in its plain form; then it becomes a document, and the dialects that share the path are asked whose it is.
    `accepts` are the types of body that are taken, any one of them, and `answers` the statuses: for the OpenAPI document.
    """

    template: str
    method: str = "POST"
    batch: bool = False
    body: bool = True
    prepared: Callable[[bytes, Request], Decoded | None] | None = None
    summary: str = ""
    accepts: tuple[Any, ...] = ()
    answers: dict[int, str] = {}

"""How dialects read a document: what they have in common, and nothing that only one of them needs.

fields    typed conversion with errors that name the field; text; what is left over
times     timestamps and durations
context   the words that clients use for the place they run in
batches   many events in one body, and what became of each
"""

from __future__ import annotations

from typing import Any

import msgspec

from server.dialects.reading.batches import ID_FIELDS, Tally, event_id, gather, raise_refusal, tally
from server.dialects.reading.context import arch_name, environment, node_runtime, os_name
from server.dialects.reading.fields import (
    MAX_ERROR_MESSAGE,
    MAX_ERROR_TYPE,
    Id,
    Label,
    Name,
    Number,
    Properties,
    Timestamp,
    bounded,
    convert,
    keep,
    leftovers,
    text,
)
from server.dialects.reading.times import duration, iso, timestamp, whole_duration

__all__ = [
    "ID_FIELDS",
    "MAX_ERROR_MESSAGE",
    "MAX_ERROR_TYPE",
    "Id",
    "Label",
    "Name",
    "Number",
    "Path",
    "Properties",
    "Tally",
    "Timestamp",
    "arch_name",
    "bounded",
    "convert",
    "duration",
    "environment",
    "event_id",
    "gather",
    "iso",
    "keep",
    "leftovers",
    "node_runtime",
    "os_name",
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
    `accepts` are the types of body that are taken, any one of them, and `answers` the statuses: for the OpenAPI document.
    """

    template: str
    method: str = "POST"
    batch: bool = False
    body: bool = True
    summary: str = ""
    accepts: tuple[Any, ...] = ()
    answers: dict[int, str] = {}

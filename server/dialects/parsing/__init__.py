"""Parsing shared by the dialects.

json_fields   typed conversion with errors that name the field; text; unknown fields
times         timestamps and durations
environments  words for environments, operating systems and architectures
batches       batches of events, and the result of each
ignored       fields that were not understood
prepared      plain bodies, parsed in one pass
sampling      weights of sampled events
descriptions  faults in fields that only describe an event
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from server.dialects.parsing.batches import ID_FIELDS, MAX_EVENTS, Tally, event_id, gather, header_id, raise_refusal, tally
from server.dialects.parsing.environments import (
    CONTEXT_READERS,
    arch_name,
    context_in,
    environment,
    flag,
    known_environment,
    node_runtime,
    os_name,
)
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
from server.dialects.parsing.sampling import is_within_bounds, weight_in, weight_of, weight_of_rate
from server.dialects.parsing.times import duration, iso, moment, timestamp, whole_duration
from server.event import Decoded, Fault, Request
from server.problems import Problem

__all__ = [
    "CONTEXT_READERS",
    "ID_FIELDS",
    "MAX_ERROR_MESSAGE",
    "MAX_ERROR_TYPE",
    "MAX_EVENTS",
    "MAX_TARGET",
    "REMEMBERED",
    "REMEMBERED_LENGTH",
    "Id",
    "IgnoredFields",
    "LikelyClient",
    "Name",
    "NotPlain",
    "Number",
    "Path",
    "Prepared",
    "Properties",
    "Sample",
    "Tally",
    "Timestamp",
    "arch_name",
    "context_in",
    "convert",
    "cut",
    "duration",
    "environment",
    "event_id",
    "flag",
    "gather",
    "header_id",
    "is_blank",
    "is_within_bounds",
    "iso",
    "keep",
    "known_environment",
    "leftovers",
    "moment",
    "node_runtime",
    "os_name",
    "properties_in",
    "raise_refusal",
    "tally",
    "text",
    "timestamp",
    "weight_in",
    "weight_of",
    "weight_of_rate",
    "whole_duration",
]


class Sample(NamedTuple):
    """A sample request body and its title."""

    title: str
    body: Any


class LikelyClient(NamedTuple):
    """The clients of a dialect, such as `an Amplitude SDK`, and a regular expression of the paths that only they post to, served or not.

    A dialect may have one as `CLIENT`: the ledger and `footfall doctor` then name it for posts to paths that are not served.
    """

    title: str
    paths: str


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """One route of a dialect.

    `template` may end in one parameter in braces (`/dl/{pack}`), passed unchecked in `Request.params`.
    `batch`: the route accepts batches, so the larger body limit applies.
    `body`: the route reads a JSON body; if False, the body is ignored.
    `prepared` parses plain bodies in one pass: it returns the events of a body (with its request, without a document), or None if the body is
    not plain. Such a body becomes a document, and the dialects that share the path may claim it.
    `parse` returns the document and the faults of a body that is not JSON or needs another form; a document is a batch of its events.
    `client_key` returns the key that a client sends in its body, as a user name or as a token, empty if there is none. The bodies of such routes are
    decompressed by their first bytes, whatever their headers are. `by_site`: this key is public, as a domain is, and names the project that lists it
    in its sites.
    `forwarded` names the headers that the system of these clients needs besides the usual ones, if a project may forward requests to it.
    Pages of other origins may send them.
    `absorbs` lists the problems that get a success response, because clients crash or retry forever on an error. The ledger counts them.
    `accepts` lists the accepted types of body, `answers` the statuses, and `samples` some bodies, simplest first, for the OpenAPI document.
    """

    template: str
    method: str = "POST"
    batch: bool = False
    body: bool = True
    prepared: Callable[[bytes, Request], Decoded | None] | None = None
    summary: str = ""
    accepts: tuple[Any, ...] = ()
    answers: dict[int, str] = {}
    parse: Callable[[bytes, Request], tuple[Any, tuple[Fault, ...]]] | None = None
    client_key: Callable[[Request], str] | None = None
    by_site: bool = False
    forwarded: tuple[bytes, ...] | None = None
    absorbs: tuple[type[Problem], ...] = ()
    samples: tuple[Sample, ...] = ()

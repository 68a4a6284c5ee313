"""Query parameters that carry the text form of questions and reports."""

from __future__ import annotations

from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from server.event import FieldError
from server.problems import BadQuery
from server.public.query_parameters import TEXT, parse_text, query_parameter
from server.transfer.formats import FORMATS

LONGEST = 4_000  # characters of a parameter
MOST = 25  # times that a parameter can be repeated
MEDIA_TYPES = {"json": "application/json", **{each.name: each.media_type for each in FORMATS.values()}}
FORMAT = query_parameter("The format of the file", enum=list(MEDIA_TYPES), default="jsonl")
ANSWER = {
    200: ResponseSpec(
        bytes,
        generate_examples=False,
        description="The file: text/csv, application/x-ndjson, application/json or Parquet.",
        media_type="text/csv",
    )
}


def one(parameters: dict[str, str], name: str, example: str) -> QueryParameter:
    """Declare a parameter."""
    extra = {"pattern": TEXT, "maxLength": LONGEST, "example": example}
    return QueryParameter(name=name, description=parameters[name], required=False, schema_extra=extra)


def many(parameters: dict[str, str], name: str, *examples: str, required: bool = False) -> QueryParameter:
    """Declare a parameter that can be repeated."""
    items = {"type": "string", "pattern": TEXT, "maxLength": LONGEST}
    extra = {"type": "array", "items": items, "maxItems": MOST, "example": list(examples)}
    return QueryParameter(name=name, description=f"{parameters[name]}. Can be repeated", required=required, schema_extra=extra)


def checked(name: str, texts: list[str]) -> list[str]:
    """Check the texts of a parameter. Raises BadQuery that names it."""
    if len(texts) > MOST:
        raise BadQuery(FieldError(name, f"must be given at most {MOST} times"))
    return [parse_text(name, each, most=LONGEST, required=False) for each in texts]

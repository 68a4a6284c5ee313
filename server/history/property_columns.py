"""Properties as columns of their own: in a segment, those that projects count by and the most frequent ones; in a question, those that it needs.

A property has two columns of lists. The texts of its elements are distinct; the text of null, of an object or of a list in a list is NULL. The
numbers are those of elements that are numbers, and NULL for others. A scalar and a missing value are lists of one element. A question therefore
treats scalars and lists alike, and unnests a column without a join.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec

from server.fields import MAX_PROPERTY_TEXT, json_path, paths_in, property_paths
from server.history.database import literal
from server.history.event_columns import NAMES

MOST = 24  # properties of a segment
SAMPLE = 5_000  # events of a segment whose properties are counted
MIN_SHARE = 0.02  # of the sample: properties that no project counts by need this share to have columns

_TEXT = f"CASE WHEN json_type({{0}}) IN ('VARCHAR', 'BIGINT', 'UBIGINT', 'DOUBLE', 'BOOLEAN') THEN substr({{0}} ->> '$', 1, {MAX_PROPERTY_TEXT}) END"
_NUMBER = "CASE WHEN json_type({0}) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN CAST({0} ->> '$' AS DOUBLE) END"
_EACH = "list_transform(CAST({document} AS JSON[]), lambda element: {of_element})"


def texts_column(name: str) -> str:
    """Return the column of a property's texts. DuckDB ignores the case of names and properties do not, so it contains a hash."""
    return f"texts_{_hash(name)}"


def numbers_column(name: str) -> str:
    """Return the column of a property's numbers."""
    return f"numbers_{_hash(name)}"


def _hash(name: str) -> str:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def choose(sample: Iterable[str | None], counted: Collection[str]) -> tuple[str, ...]:
    """Choose the properties of a segment, from a sample of its events' documents and the names that projects count by."""
    found: Counter[str] = Counter()
    size = 0
    for document in sample:
        size += 1
        if document:
            found.update(set(paths_in(msgspec.json.decode(document))))
    frequent = [name for name, number in found.most_common() if number >= MIN_SHARE * size and name not in counted]
    return tuple(sorted((*sorted(counted, key=lambda name: -found[name]), *frequent)[:MOST]))


def select(source: str, wanted: Sequence[str], stored: Collection[str] = ()) -> str:
    """Return a query of all columns of events and those of the wanted properties, over a source that has those of some properties."""
    columns, paths = [NAMES], list[str]()
    for name in wanted:
        if name in stored:
            columns += [texts_column(name), numbers_column(name)]
            continue
        found = []
        for path in property_paths(name):
            paths.append(literal(json_path(path)))
            found.append(f"found[{len(paths)}]")
        document = found[0] if len(found) == 1 else f"COALESCE({', '.join(found)})"
        columns += [f"{_texts(document)} AS {texts_column(name)}", f"{_numbers(document)} AS {numbers_column(name)}"]
    if paths:  # found together, so that each document is parsed once
        source = f"(SELECT *, json_extract(properties, [{', '.join(paths)}]) AS found FROM {source})"
    return f"SELECT {', '.join(columns)} FROM {source}"


def _texts(document: str) -> str:
    texts = _EACH.format(document=document, of_element=_TEXT.format("element"))
    # `list_distinct` leaves NULL out, and the list must not be empty.
    several = (
        f"list_concat(list_distinct({texts}), CASE WHEN list_count({texts}) < len({texts}) OR len({texts}) = 0 THEN [NULL] ELSE [] END)"
    )
    return f"CASE WHEN json_type({document}) = 'ARRAY' THEN {several} ELSE [{_TEXT.format(document)}] END"


def _numbers(document: str) -> str:
    several = _EACH.format(document=document, of_element=_NUMBER.format("element"))
    return f"CASE WHEN json_type({document}) = 'ARRAY' THEN {several} ELSE [{_NUMBER.format(document)}] END"

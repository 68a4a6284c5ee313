"""Properties as columns of their own: in a segment, those that projects count by and the most frequent ones; in a question, those that it needs.

A property has two columns. The column of texts is a VARCHAR, which Parquet can encode with a dictionary. It has a scalar as it is, and the distinct
elements of a list as an array of JSON. A scalar that begins with a bracket is stored as an array of one element, so that it differs from a list. The
text of null, of an object or of a list in a list is NULL; without any text, the column is NULL. `texts_in` turns it into a list of at least one element.

The column of numbers is a list: of each element that is a number, the number, and NULL for others. A scalar or a missing value is a list of one element.
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


def texts_in(column: str) -> str:
    """Return the expression of the list of texts in a column of texts."""
    return f"CASE WHEN {is_array(column)} THEN from_json({column}, '[\"VARCHAR\"]') ELSE [{column}] END"


def is_array(column: str) -> str:
    """Return the condition that a column of texts has an array of JSON."""
    return f"starts_with({column}, '[')"


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
    text, texts = _TEXT.format(document), _EACH.format(document=document, of_element=_TEXT.format("element"))
    # `list_distinct` leaves NULL out.
    distinct = "list_concat(list_distinct(texts), CASE WHEN list_count(texts) < len(texts) THEN [NULL] ELSE [] END)"
    several, alone = _let("texts", texts, _let("found", distinct, _ENCODED)), _let("text", text, _ENCODED_ALONE)
    return f"CASE WHEN json_type({document}) = 'ARRAY' THEN {several} ELSE {alone} END"


# A list of one text is stored like the text alone.
_ENCODED = f"CASE WHEN len(found) < 2 AND {is_array('found[1]')} IS NOT TRUE THEN found[1] ELSE CAST(to_json(found) AS VARCHAR) END"

_ENCODED_ALONE = f"CASE WHEN {is_array('text')} THEN CAST(to_json([text]) AS VARCHAR) ELSE text END"


def _let(name: str, value: str, expression: str) -> str:
    """Return an expression that uses a value by its name, so that DuckDB computes it once: within CASE, it repeats equal expressions."""
    return f"list_transform([{value}], lambda {name}: {expression})[1]"


def _numbers(document: str) -> str:
    several = _EACH.format(document=document, of_element=_NUMBER.format("element"))
    return f"CASE WHEN json_type({document}) = 'ARRAY' THEN {several} ELSE [{_NUMBER.format(document)}] END"

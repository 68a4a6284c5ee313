"""Events of a batch that are too large are found, however the batch is written."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from server.event import Decoded, Incoming
from server.ingest.sizes import refuse_large

LIMIT = 200
# Pieces of texts that look like the border between two events, or like a nested array.
TEXT = st.lists(st.sampled_from(["a", " " * 40, "x" * 90, "},{", '},{"', '},{"a', '}, {"b', "\\", "[", '"']), max_size=6).map("".join)
PROPERTIES = st.dictionaries(TEXT, TEXT | st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=3), max_size=3)
EVENT = st.fixed_dictionaries({"name": TEXT}, optional={"properties": PROPERTIES, "x": st.just("y" * 150)})
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,", ":")])


@given(events=st.lists(EVENT, min_size=1, max_size=12), separators=SEPARATORS, is_array=st.booleans(), is_ascii=st.booleans())
def test_exactly_the_events_above_the_limit_are_refused(
    events: list[dict[str, object]], separators: tuple[str, str], is_array: bool, is_ascii: bool
) -> None:
    document = events if is_array else {"sent_at": "x" * 250, "events": events, "last": {"a": {"b": "},{"}}}
    body = json.dumps(document, separators=separators, ensure_ascii=is_ascii).encode()
    sizes = [len(json.dumps(event, separators=separators, ensure_ascii=is_ascii).encode()) for event in events]
    expected = {index for index, size in enumerate(sizes) if size > LIMIT}
    decoded = Decoded(events=[Incoming(name=str(index)) for index in range(len(events))], batch=True)
    assert refuse_large(decoded, body, None, LIMIT) == expected
    assert [event.name for event in decoded.events] == [str(index) for index in range(len(events)) if index not in expected]
    assert [rejection.index for rejection in decoded.rejected] == sorted(expected)


def test_a_batch_of_small_events_is_not_parsed_again() -> None:
    """The proof must hold for ordinary batches, or each costs a second pass. An invalid body shows that none took place."""
    for body in (b'[{"name":"a"},{"name":"b"},{"name":"c"', b'{"events": [{"name": "a"}, {"name": "b"}, {"name": "c"'):
        decoded = Decoded(events=[Incoming(name=name) for name in "abc"], batch=True)
        assert refuse_large(decoded, body, None, 34) == set()
        assert len(decoded.events) == 3

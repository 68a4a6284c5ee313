"""Parsing of documents: faults, their paths, and acceptance of all unambiguous JSON."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dialects.document import MAX_DEPTH, MAX_KEY, load, read
from server.problems import Invalid, Malformed, Problem


def refusal(body: bytes) -> tuple[str, str]:
    """Return the path and the message of a body's only fault."""
    with pytest.raises(Invalid) as caught:
        load(body)
    assert caught.value.code == 400
    (error,) = caught.value.errors
    return error.path, error.message


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"nul",
        b"{",
        b"{} {}",
        b"{}x",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"[1 2]",
        b"01",
        b"nan",
        b"[infinity]",
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32"),
        b'"\\x41"',
        b'"a\nb"',
        b'"a\x00b"',
    ],
)
def test_a_body_that_is_not_json_in_utf_8_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        load(body)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' * 100_000 + b"]" * 100_000 + b"}"])
def test_a_hundred_thousand_levels_that_never_end_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        load(body)


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b"\xef\xbb\xbf{}", {}),
        (b'"\xed\xa0\x80"', "\ufffd"),
        (b'"\xed\xa0\xbd\xed\xb8\x80"', "😀"),
        (b'"\\ud800"', "\ufffd"),
        (b'{"\\udc00": 1}', {"\ufffd": 1}),
        (b'["\\ud83d\\u0041"]', ["\ufffdA"]),
        (b'["\\uD83D\\ud83d\\uDE00"]', ["\ufffd😀"]),
        (b'["\\\\ud83d", "\\\\\\ud83d"]', ["\\ud83d", "\\\ufffd"]),
        (b'{"a": "\\ud800", "b": {"c": "\\ud83d\\ude00"}}', {"a": "\ufffd", "b": {"c": "😀"}}),
    ],
)
def test_a_byte_order_mark_and_half_a_character_are_accepted(body: bytes, document: Any) -> None:
    assert load(body) == document


def test_every_faulty_event_of_a_batch_is_found_and_something_harmless_stands_there() -> None:
    body = b'[{"a":1e999},{"a":1},{"a":"\\u0000","b":2},{"a":1,"a":2},{"a":%s,"b":[1]},{"a":"\xff"}]' % nested(5_000)
    document, faults = read(body)
    assert [fault.path[0] for fault in faults] == [0, 2, 3, 4, 5]
    assert document[:4] == [{"a": None}, {"a": 1}, {"a": "", "b": 2}, {"a": 2}]
    assert document[4]["b"] == [1]
    assert document[5] == {"a": "\ufffd"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (gzip.compress(b"{}", mtime=0), "compressed"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "compressed"),
        ("{}".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_body_in_another_format_is_refused_with_the_name_of_the_format(body: bytes, word: str) -> None:
    with pytest.raises(Malformed, match=word):
        load(body)


def test_the_error_for_a_malformed_body_names_the_position() -> None:
    with pytest.raises(Malformed, match="byte 8"):
        load(b'{"a": 1 "b"}')
    with pytest.raises(Malformed, match="empty"):
        load(b"")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"a":1,"a":1}', "a"),
        (b'{"a" : 1, "a"\n: 2}', "a"),
        (b'{"a":1,"b":{"c":[0,{"d":1,"d":2}]}}', "b.c[1].d"),
        (b'{"events":[{},{"target":{"id":"x","id":"y"}}]}', "events[1].target.id"),
        (b'[{"a":1},{"a":1,"a":1}]', "[1].a"),
        (b'{"a":1,"\\u0061":2}', "a"),
        (b'{"a\\\\":1,"a\\\\":2}', "*"),
        (b'{"":1,"":2}', "*"),
        (b'{"a":":","a":1}', "a"),
        (b'{"a":"\\u003a","a":1}', "a"),
        (b'{"a":1,"a":"\\u003A"}', "a"),
        (b'{"a":{"b":1},"a":{"b":{"c":1}}}', "a"),
        (b'{"x":{"a":1,"a":2},"x":1}', "x.a"),
        (b'{"two words":1,"two words":2}', "*"),
        (b'{"' + b"k" * 65 + b'":1,"' + b"k" * 65 + b'":2}', "*"),
        (b'{"$set-it_2.x":1,"$set-it_2.x":2}', "$set-it_2.x"),
    ],
)
def test_a_duplicate_key_is_refused_by_its_place(body: bytes, path: str) -> None:
    assert refusal(body) == (path, "must not occur more than once")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}',
        b'{"a":"\\u003a","b":"\\u003A"}',
        b'{"a":"{\\"a\\":1,\\"a\\":2}"}',
        b'{"a":":\\"a\\":","b":"\\":"}',
        b'{"a\\"":1,"a":2,"A":3}',
        b'{"a":1,"a ":2,"\\u00e4":3,"\xc3\xb6":4}',
        b'{"\\\\u0000":"\\\\u0000"}',
    ],
)
def test_equal_keys_in_different_objects_or_in_strings_are_not_duplicates(body: bytes) -> None:
    assert load(body) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        (b'"\\u0000"', "", "must not contain NUL characters"),
        (b'{"a":["x","\\u0000"]}', "a[1]", "must not contain NUL characters"),
        (b'{"a":{"b\\u0000":1}}', "a.*", "must not contain NUL characters in its name"),
        (b'{"a":9223372036854775808}', "a", "must be a whole number of at most 64 bits"),
        (b'{"a":-9223372036854775809}', "a", "must be a whole number of at most 64 bits"),
        (b'{"a":18446744073709551616}', "a", "must be a whole number of at most 64 bits"),
        (b'{"a":' + b"9" * 5000 + b"}", "a", "must be a whole number of at most 64 bits"),
        (b'{"a":{"b":1e999}}', "a.b", "is too large for a number"),
        (b"[0,-1e999]", "[1]", "is too large for a number"),
        (b'{"' + b"k" * 257 + b'":1}', "*", "must have a name of at most 256 characters"),
        (b'{"' + "ö".encode() * 257 + b'":1}', "*", "must have a name of at most 256 characters"),
        (nested(17), "[0]" * 16, "must not be nested deeper than 16 levels"),
        (nested(900), "[0]" * 16, "must not be nested deeper than 16 levels"),
        (nested(100_000), "[0]" * 16, "must not be nested deeper than 16 levels"),
        (b'{"a": "\xe9"}', "a", "must be text in UTF-8"),
        (b'{"a": {"\xc0\x80": 1}}', "a.*", "must have a name in UTF-8"),
        (b'{"a":' * 16 + b"{}" + b"}" * 16, ".".join("a" * 16), "must not be nested deeper than 16 levels"),
        (b'{"a":' + nested(20) + b',"a":1}', "a" + "[0]" * 15, "must not be nested deeper than 16 levels"),
    ],
)
def test_values_that_cannot_be_stored_are_refused_by_their_place(body: bytes, path: str, message: str) -> None:
    assert refusal(body) == (path, message)


def test_values_at_the_bounds_are_accepted() -> None:
    assert load(b"[9223372036854775807,-9223372036854775808]") == [2**63 - 1, -(2**63)]
    assert load(b"[1.7976931348623157e308,0.1e-99999,-0]") == [1.7976931348623157e308, 0.0, 0]
    assert load(b'{"' + "ö".encode() * MAX_KEY + b'":1}') == {"ö" * MAX_KEY: 1}
    assert load(nested(MAX_DEPTH)) == json.loads(nested(MAX_DEPTH))
    assert load(b'{"a":' + nested(MAX_DEPTH - 1) + b',"b":"\\u003a"}') == {"a": json.loads(nested(MAX_DEPTH - 1)), "b": ":"}


def test_a_body_that_is_wrong_and_then_no_json_at_all_is_malformed() -> None:
    with pytest.raises(Malformed):
        load(b'{"a":99999999999999999999,')
    with pytest.raises(Malformed):
        load(b'{"a":99999999999999999999, "b": nan}')


@pytest.mark.parametrize("body", [b"[NaN]", b'{"a": -Infinity}', b"Infinity"])
def test_nan_and_infinity_are_faults_of_their_value_only(body: bytes) -> None:
    _, (fault,) = read(body)
    assert fault.message == "must be a finite number: NaN and Infinity are not JSON"


# Everything that JSON allows and everything around it.

characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(characters)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(characters, max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_every_document_that_a_client_writes_is_read_as_python_reads_it(document: Any, ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()
    assert load(body) == json.loads(body)
    assert load(msgspec.json.encode(document)) == document


def problem_of(body: bytes) -> Problem | None:
    try:
        load(body)
    except Problem as problem:
        return problem
    return None


@given(st.binary(max_size=64) | st.text(st.sampled_from('{}[]":,\\u0031aed.+- \n\x00é'), max_size=40).map(str.encode))
def test_no_bytes_raise_anything_but_a_problem(body: bytes) -> None:
    problem = problem_of(body)
    assert problem is None or problem.code == 400


space = st.text(" \t\r\n", max_size=2)


@st.composite
def string(draw: st.DrawFn) -> str:
    """A JSON string of few different characters, each written in one of the ways that JSON has for it."""
    written = []
    for character in draw(st.text(':"\\a{', max_size=2)):
        plain = f"\\{character}" if character in '"\\' else character
        written.append(draw(st.sampled_from([plain, plain, f"\\u{ord(character):04x}", f"\\u{ord(character):04X}"])))
    return f'"{"".join(written)}"'


@st.composite
def written_object(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    members = draw(st.lists(st.tuples(space, string(), space, space, inner, space), max_size=4))
    return "{" + ",".join(f"{a}{key}{b}:{c}{value}{d}" for a, key, b, c, value, d in members) + "}"


@st.composite
def written_array(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    return "[" + ",".join(draw(st.lists(inner, max_size=3))) + "]"


scalar = string() | st.sampled_from(["1", "null", "-0.5e1"])
texts = st.recursive(scalar, lambda inner: written_object(inner) | written_array(inner), max_leaves=8)


def repeats_a_key(text: str) -> bool:
    """Return True if a document has a duplicate key. Exact and slow, and independent of the server's code."""
    found = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.loads(text, object_pairs_hook=look)
    return found


@given(texts)
def test_duplicate_keys_are_always_detected(text: str) -> None:
    problem = problem_of(text.encode())
    assert (problem is not None) == repeats_a_key(text)
    if problem is None:
        assert load(text.encode()) == json.loads(text)
    else:
        assert [error.message for error in problem.errors] == ["must not occur more than once"]

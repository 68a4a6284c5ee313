"""Excerpts of rejected bodies for an admin."""

from __future__ import annotations

import msgspec
import pytest

from server.ingest.privacy import excerpt

UUID = "3f2b8c1e-9a4d-4f7b-8a21-5d0c9b7e6f10"
IDENTIFIERS = """
installation_id installationId user_id userId distinct_id sessionId anonymous_id anonymousId machineId deviceId client_id uuid
request_id id ID ids host user serial address ip mail userid fingerprint username
"""
LOOKS = """
3F2B8C1E-9A4D-4F7B-8A21-5D0C9B7E6F10 3f2b8c1e9a4d4f7b8a215d0c9b7e6f10 deadbeefdeadbeef 0123456789abcdef cjld2cjxh0000qzrmn831i7rn
01ARZ3NDEKTSV4RRFFQ69G5FAV V1StGXR8_Z5jdHi6B-myT 179521018914614397 kR3v/x9Qz+Lm4T7w/aB2c== dGVzdC1pZC0xMjM0NTY3OA==
"""
WORDS = """
installation_completed create-sonicjs-app-v2Beta packageManagerVersion 2025-12-09T10:00:00.000Z v20.10 darwin short1234
/usr/local/lib/node_modules node_modules/typescript sonicjs_v2_installation_started
"""


def of(document: object, limit: int = 2048) -> object:
    kept = excerpt(b"", document, limit)
    assert len(kept) <= limit
    return msgspec.json.decode(kept)


def test_an_excerpt_shows_the_error_and_hides_the_client():
    document = {
        "data": {
            "installation_id": UUID,
            "event_type": 7,
            "properties": {
                "os": "darwin",
                "nodeVersion": "v20.10",
                "durationMs": 1200,
                "errorType": "ENOENT /home/alice/x",
                "ok": True,
                "no": None,
            },
            "timestamp": "2025-12-09T10:00:00.000Z",
        }
    }
    assert of(document) == {
        "data": {
            "installation_id": "[id]",
            "event_type": 7,
            "properties": {"os": "darwin", "nodeVersion": "v20.10", "durationMs": 1200, "errorType": "ENOENT ~/x", "ok": True, "no": None},
            "timestamp": "2025-12-09T10:00:00.000Z",
        }
    }


def test_the_pages_that_people_visited_are_not_kept():
    plausible = {"n": 5, "u": "https://tool.example/a/alice?q=private#x", "r": "https://search.example?q=private", "d": "tool.example"}
    assert of(plausible) == {"n": 5, "u": "https://tool.example/…", "r": "https://search.example/…", "d": "tool.example"}
    umami = {"payload": {"url": "/a/alice?q=private", "title": "Alice", "referrer": "", "name": 5, "path": 7}}
    assert of(umami) == {"payload": {"url": "[page]", "title": "[page]", "referrer": "[page]", "name": 5, "path": 7}}
    assert of({"name": "see https://tool.example/alice, x"}) == {"name": "see https://tool.example/… x"}


@pytest.mark.parametrize("key", IDENTIFIERS.split())
@pytest.mark.parametrize("value", ["alice", 12345, 1.5])
def test_identifiers_are_masked_by_their_keys(key, value):
    assert of({key: value}) == {key: "[id]"}
    assert of([{key: {"a": [value], "yes": True, "b": None}}]) == [{key: {"a": ["[id]"], "yes": True, "b": None}}]


@pytest.mark.parametrize("key", ["password", "token", "apiKey", "authorization"])
def test_secrets_are_masked_by_their_keys(key):
    assert of({key: "x"}) == {key: "[secret]"}
    assert of({key: [1]}) == {key: ["[id]"]}


@pytest.mark.parametrize("text", [UUID, *LOOKS.split()])
def test_identifiers_are_masked_by_their_looks(text):
    assert of({"a": text}) == {"a": "[id]"}
    assert text not in excerpt(b"", {"a": f"at {text} it failed", text: 1})


@pytest.mark.parametrize("text", [*WORDS.split(), "Cannot read properties of undefined"])
def test_words_are_not_masked(text):
    assert of({"a": text}) == {"a": text}


def test_numbers_as_long_as_identifiers_are_masked():
    assert of({"a": 1765274400000, "b": 179521018914614397, "c": -(10**400), "d": float("nan"), "e": 1.5}) == {
        "a": 1765274400000,
        "b": "[id]",
        "c": "[number]",
        "d": "[number]",
        "e": 1.5,
    }


def test_long_texts_and_lists_and_deep_documents_are_cut():
    kept = of({"text": "word " * 200, "list": list(range(50)), "deep": [[[[[[[[[[1]]]]]]]]]]})
    assert isinstance(kept, dict)
    assert len(kept["text"]) == 200
    assert kept["list"] == [*range(20), "… 30 more"]
    assert kept["deep"] == [[[[[[["[…]"]]]]]]]
    many = of({str(number): number for number in range(500)})
    assert isinstance(many, dict)
    assert many["…"] == "440 more"


@pytest.mark.parametrize("limit", [16, 40, 200, 2048])
@pytest.mark.parametrize(
    "document",
    [
        [{"events": [{"name": "x" * 90, "properties": {"a": "b c " * 40}}] * 30}] * 30,
        {f"key {number}": '"\\\n' * 60 for number in range(50)},
        ["é\u2028" * 100] * 30,
        "word " * 1000,
        [[[[[[]]]]]] * 100,
        12345,
    ],
)
def test_an_excerpt_is_json_within_the_limit(document, limit):
    of(document, limit)


def test_an_excerpt_respects_even_tiny_limits():
    assert [len(excerpt(b"abc", document, limit)) <= limit for document in (None, {"a": 1}) for limit in range(20)] == [True] * 40


def test_the_excerpt_of_a_body_that_is_not_json_shows_its_shape_only():
    body = b'{"data": {"installation_id": "Abc-123", "secretName": Alice Smith, "os": "d\xc3\xa4rwin"\x00\n}'
    assert excerpt(body, None) == '{"data": {"installation_id": "Aaa-000", "aaaaaaAaaa": Aaaaa Aaaaa, "os": "a??aaaa"?\n}'
    assert len(excerpt(b"a" * 5000, None)) == 512
    assert excerpt(b"", None) == ""


class _Odd:
    pass


def test_an_excerpt_of_any_document_is_made_without_an_error():
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]
    for document in (
        deep,
        _Odd(),
        {_Odd(): _Odd(), 1: 2, None: {3}},
        b"raw",
        "\ud800",
        {"\ud800": "\udfff"},
        float("inf"),
        10**5000,
        [()],
        False,
        0,
    ):
        msgspec.json.decode(excerpt(b"", document))
    while isinstance(deep, list):  # taken apart by hand: the interpreter would do it recursively
        deep = deep.pop()

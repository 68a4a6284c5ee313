"""The parsing functions that all dialects share, as tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dialects.parsing import (
    IgnoredFields,
    arch_name,
    convert,
    duration,
    environment,
    iso,
    keep,
    leftovers,
    node_runtime,
    os_name,
    text,
    timestamp,
    whole_duration,
)
from server.dialects.parsing.environments import WORDS
from server.event import Environment
from server.problems import Invalid


class Inner(msgspec.Struct):
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]


class Outer(msgspec.Struct, kw_only=True, rename="camel"):
    full_name: Annotated[str, msgspec.Meta(min_length=2, max_length=3)]
    mood: Literal["good", "bad"] | None = None
    length: int | float | None = None
    count: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None
    flag: bool | None = None
    inner: Inner | None = None
    bag: Annotated[dict[str, Any], msgspec.Meta(max_length=1)] | None = None
    either: str | dict[str, Any] | None = None
    word: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")] | None = None
    several: list[int] | None = None


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ([], {"": "expected an object, got an array"}),
        (None, {"": "expected an object, got null"}),
        ("text", {"": "expected an object, got a string"}),
        ({}, {"fullName": "is missing"}),
        ({"fullName": None}, {"fullName": "expected a string, got null"}),
        ({"fullName": 7}, {"fullName": "expected a string, got a number"}),
        ({"fullName": True}, {"fullName": "expected a string, got a boolean"}),
        ({"fullName": "a"}, {"fullName": "must be at least 2 characters"}),
        ({"fullName": "abcd"}, {"fullName": "must be at most 3 characters"}),
        ({"fullName": "abc", "mood": "sunny"}, {"mood": "is not one of: good, bad"}),
        ({"fullName": "abc", "mood": 1}, {"mood": "expected a string, got a number"}),
        ({"fullName": "abc", "length": "1"}, {"length": "expected a number, got a string"}),
        ({"fullName": "abc", "length": False}, {"length": "expected a number, got a boolean"}),
        ({"fullName": "abc", "count": -1}, {"count": "must be at least 0"}),
        ({"fullName": "abc", "count": 10}, {"count": "must be at most 9"}),
        ({"fullName": "abc", "flag": "true"}, {"flag": "expected true or false, got a string"}),
        ({"fullName": "abc", "inner": 1}, {"inner": "expected an object, got a number"}),
        ({"fullName": "abc", "inner": {}}, {"inner.kind": "is missing"}),
        ({"fullName": "abc", "inner": {"kind": ""}}, {"inner.kind": "must not be empty"}),
        ({"fullName": "abc", "bag": {"a": 1, "b": 2}}, {"bag": "must have at most 1 entries"}),
        ({"fullName": "abc", "either": []}, {"either": "expected a string or an object, got an array"}),
        ({"fullName": "abc", "word": "A1"}, {"word": "must match ^[a-z]+$"}),
        ({"fullName": "abc", "several": [1, "x"]}, {"several": "expected a number, got a string"}),
        ({"flag": 1, "inner": {}}, {"fullName": "is missing", "flag": "expected true or false, got a number", "inner.kind": "is missing"}),
    ],
)
def test_each_wrong_field_is_named_in_plain_english(document: Any, errors: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        convert(document, Outer, status=400)
    assert {error.path: error.message for error in caught.value.errors} == errors
    assert caught.value.code == 400


def test_a_path_begins_where_the_document_was_found() -> None:
    with pytest.raises(Invalid) as caught:
        convert({"inner": {}, "fullName": "abc"}, Outer, path="data")
    assert [error.path for error in caught.value.errors] == ["data.inner.kind"]
    with pytest.raises(Invalid) as caught:
        convert(1, Outer, path="data")
    assert [error.path for error in caught.value.errors] == ["data"]
    assert caught.value.code == 422


NOON = 1_771_243_200_000


@pytest.mark.parametrize(
    ("said", "at"),
    [
        (None, None),
        ("2026-02-16T12:00:00Z", NOON),
        ("2026-02-16T12:00:00z", NOON),
        ("2026-02-16t12:00:00Z", NOON),
        ("2026-02-16T12:00:00", NOON),
        ("2026-02-16 12:00:00", NOON),
        ("2026-02-16T12:00", NOON),
        ("2026-02-16", NOON - 12 * 3_600_000),
        ("2026-02-16T12:00:00+00:00", NOON),
        ("2026-02-16T14:00:00+02:00", NOON),
        ("2026-02-16T14:00:00+0200", NOON),
        ("2026-02-16T06:30:00-05:30", NOON),
        ("2026-02-16T12:00:00.1Z", NOON + 100),
        ("2026-02-16T12:00:00.12Z", NOON + 120),
        ("2026-02-16T12:00:00.123Z", NOON + 123),
        ("2026-02-16T12:00:00.1239Z", NOON + 123),
        ("2026-02-16T12:00:00.123999Z", NOON + 123),
        ("2026-02-16T12:00:00.123999999Z", NOON + 123),
        ("2026-02-16T12:00:00.123456789+01:00", NOON + 123 - 3_600_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("0001-01-01T00:00:00+23:59", -62_135_596_800_000 - (23 * 60 + 59) * 60_000),
        (NOON, NOON),
        (float(NOON), NOON),
        (NOON + 0.9, NOON),
        (0, 0),
        (-0.5, -1),
    ],
)
def test_a_time_is_iso_8601_or_epoch_milliseconds(said: Any, at: int | None) -> None:
    assert timestamp(said) == at


@pytest.mark.parametrize(
    "said",
    [
        "",
        " ",
        "now",
        "yesterday at noon",
        "1771243200000",
        "1712123100",
        "20260216",
        "20260216T120000Z",
        "2026-02",
        "2026-02-30T12:00:00Z",
        "2026-02-16T25:00:00Z",
        "2026-02-16T12:00:00+99:00",
        "2026-02-16T12:00:00ZZ",
        "2026-02-16x12:00:00",
        "16.02.2026 12:00",
        "Mon, 16 Feb 2026 12:00:00 GMT",
        "\u0662\u0660\u0662\u0666-02-16T12:00:00Z",
        "10000-01-01T00:00:00Z",
        True,
        False,
        2**63 - 1,
        -(2**63),
        1e300,
        253_402_300_800_000,
        [],
        {},
    ],
)
def test_other_values_are_not_times(said: Any) -> None:
    with pytest.raises(Invalid) as caught:
        timestamp(said, "data.timestamp", status=400)
    (error,) = caught.value.errors
    assert (error.path, error.message) == ("data.timestamp", "must be a time in ISO 8601, or in epoch milliseconds")
    assert caught.value.code == 400


@given(
    st.text() | st.floats() | st.integers() | st.datetimes().map(str) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.+-]{0,20}Z?")
)
def test_no_time_raises_anything_but_invalid(said: Any) -> None:
    try:
        at = timestamp(said)
    except Invalid:
        return
    assert isinstance(at, int)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_time_that_we_write_is_the_time_that_we_read(at: int) -> None:
    assert timestamp(iso(at)) == at


@given(
    st.from_regex(r"[0-9]{4}-[0-9W]{2}-[0-9]{1,2}[T ][0-9]{2}[:+]?[0-9]{2}[:.]?[0-9]{2}([.,][0-9]{3})?Z?", fullmatch=True)
    | st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z")
    | st.sampled_from(["2026-11-26T02+05:30.123Z", "2026-11-26T02:60:30.123Z", "2026-11-26T02:05:60.123Z", "2026-W48-4T02:05:30.123Z"])
)
def test_the_usual_form_is_read_like_any_other(said: str) -> None:
    def read(text: str) -> int | None:
        try:
            return timestamp(text)
        except Invalid:
            return None

    # The same time in another form takes the general parser.
    other = f"{said[:-1]}0Z" if said[-5:-4] == "." else f"{said.removesuffix('Z')}+00:00" if said.endswith("Z") else said
    assert read(said) == read(other)


def test_a_time_is_written_as_javascript_writes_it() -> None:
    assert iso(NOON) == "2026-02-16T12:00:00.000Z"
    assert iso(NOON + 7) == "2026-02-16T12:00:00.007Z"


@pytest.mark.parametrize(
    ("said", "microseconds"),
    [(0, 0), (1, 1_000), (1.5, 1_500), (0.0004, 0), (0.0006, 1), (48_211, 48_211_000), (2_592_000_000, 2_592_000_000_000)],
)
def test_a_duration_is_milliseconds_and_kept_in_microseconds(said: float, microseconds: int) -> None:
    assert duration(said) == microseconds
    assert whole_duration(said) == microseconds


@pytest.mark.parametrize("said", [-1, -0.001, 2_592_000_001, 1e308, 2**63 - 1, True, "12", [], {}])
def test_an_invalid_duration_is_refused_or_omitted(said: Any) -> None:
    assert whole_duration(said) is None
    with pytest.raises(Invalid, match="duration_ms"):
        duration(said)


def test_no_duration_is_no_error() -> None:
    assert duration(None) is None


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("win32", "windows"),
        ("Windows_NT", "windows"),
        ("WINDOWS", "windows"),
        ("darwin", "darwin"),
        ("macOS", "darwin"),
        (" Linux\n", "linux"),
        ("FreeBSD", "freebsd"),
        ("x" * 100, "x" * 63 + "…"),
        ("Darwin host.local " + "x" * 100, "darwin…"),
        (" " * 100, None),
        ("", None),
        ("  ", None),
        (5, None),
        (None, None),
        ([], None),
    ],
)
def test_an_operating_system_has_one_name(said: Any, word: str | None) -> None:
    assert os_name(said) == word


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("x86_64", "x64"),
        ("AMD64", "x64"),
        ("x64", "x64"),
        ("aarch64", "arm64"),
        ("ARM64", "arm64"),
        ("i686", "x86"),
        ("riscv64", "riscv64"),
        (64, None),
    ],
)
def test_an_architecture_has_one_name(said: Any, word: str | None) -> None:
    assert arch_name(said) == word


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("v20.10", "node 20.10"),
        ("22.1.0", "node 22.1.0"),
        ("v", "v"),
        ("bun 1.2", "bun 1.2"),
        ("v" + "1" * 100, "node " + "1" * 58 + "…"),
        (20, None),
        ("", None),
    ],
)
def test_a_version_of_node_names_its_runtime(said: Any, word: str | None) -> None:
    assert node_runtime(said) == word


@pytest.mark.parametrize(
    ("properties", "who", "reason"),
    [
        ({}, Environment.UNKNOWN, ""),
        ({"template": "ci"}, Environment.UNKNOWN, ""),
        ({"isCI": True}, Environment.CI, "properties.isCI"),
        ({"is_ci": "true"}, Environment.CI, "properties.is_ci"),
        ({"CI": "1"}, Environment.CI, "properties.CI"),
        ({"ci": " YES "}, Environment.CI, "properties.ci"),
        ({"ci": 1}, Environment.CI, "properties.ci"),
        ({"isCI": False}, Environment.PERSON, "properties.isCI"),
        ({"CI": "false"}, Environment.PERSON, "properties.CI"),
        ({"CI": "woodpecker"}, Environment.UNKNOWN, ""),
        ({"ci": None}, Environment.UNKNOWN, ""),
        ({"ci": {"name": "true"}}, Environment.UNKNOWN, ""),
        ({"isDocker": True}, Environment.CONTAINER, "properties.isDocker"),
        ({"docker": "24.0.1"}, Environment.UNKNOWN, ""),
        ({"in_container": "0"}, Environment.UNKNOWN, ""),
        ({"isTest": True}, Environment.TEST, "properties.isTest"),
        ({"NODE_ENV": "test"}, Environment.TEST, "properties.NODE_ENV"),
        ({"NODE_ENV": "development"}, Environment.DEVELOPMENT, "properties.NODE_ENV"),
        ({"NODE_ENV": "production"}, Environment.UNKNOWN, ""),
        ({"env": "dev"}, Environment.DEVELOPMENT, "properties.env"),
        ({"environment": "Docker"}, Environment.CONTAINER, "properties.environment"),
        ({"environment": "person"}, Environment.PERSON, "properties.environment"),
        ({"isDebug": "on"}, Environment.DEVELOPMENT, "properties.isDebug"),
        ({"is_dev": True}, Environment.DEVELOPMENT, "properties.is_dev"),
        ({"NODE_ENV": "test", "isCI": True, "docker": True}, Environment.CI, "properties.isCI"),
        ({"NODE_ENV": "test", "isCI": False}, Environment.TEST, "properties.NODE_ENV"),
        ({"docker": True, "NODE_ENV": "development"}, Environment.DEVELOPMENT, "properties.NODE_ENV"),
    ],
)
def test_the_environment_is_what_the_client_reports(properties: dict[str, Any], who: Environment, reason: str) -> None:
    assert environment(properties) == (who, reason)


def test_an_explicit_environment_takes_precedence() -> None:
    properties = {"isCI": True}
    assert environment(properties, name="test", ci=True) == (Environment.TEST, "environment")
    assert environment(properties, ci=False) == (Environment.PERSON, "ci")
    assert environment({}, ci=True) == (Environment.CI, "ci")
    assert environment(properties, path="metadata") == (Environment.CI, "metadata.isCI")


@given(
    st.dictionaries(
        st.sampled_from(sorted(WORDS)), st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none())
    )
)
def test_any_value_of_ci_or_environment_yields_an_environment(properties: dict[str, Any]) -> None:
    who, reason = environment(properties)
    assert (who is Environment.UNKNOWN) == (reason == "")


def test_text_is_stripped_and_cut() -> None:
    assert text("  1.2.3 ") == "1.2.3"
    assert text("a" * 62 + " bc") == "a" * 62 + "…"
    assert text(" \t") is None
    assert text(12) is None
    assert text("x" * 300, 200) == "x" * 199 + "…"


def test_unknown_fields_are_kept_beside_a_property_of_the_same_name() -> None:
    properties = {"shell": "zsh", "$shell": "bash"}
    keep(properties, leftovers({"name": "build", "shell": "fish", "files": 3}, frozenset({"name"})))
    assert properties == {"shell": "zsh", "$shell": "bash", "$$shell": "fish", "files": 3}


def test_an_event_keeps_a_hundred_properties_and_reports_that_others_were_ignored() -> None:
    hundred, ignored = {str(index): index for index in range(100)}, IgnoredFields()
    assert ignored.bounded(hundred) is hundred
    assert ignored.bounded({**hundred, "one more": 1}, "data.properties") == hundred
    assert ignored.names == ["data.properties"]


def test_ignored_fields_are_named_once_each_and_at_most_twenty() -> None:
    ignored = IgnoredFields()
    for name in ("a", "a", "b\nc", "d" * 100):
        ignored.members({name: 1, "known": 2}, ("known",), "error")
    assert ignored.names == ["error.a", "error.*"]
    for number in range(30):
        ignored.add(str(number))
    assert len(ignored.names) == 20


def test_an_invalid_time_is_ignored_and_one_beyond_the_calendar_is_a_wrong_clock() -> None:
    ignored = IgnoredFields()
    assert [ignored.time(value) for value in (None, "", " ")] == [None] * 3
    assert ignored.names == []
    assert ignored.time("yesterday", "sent") is None
    assert ignored.names == ["sent"]
    assert ignored.time(1e18) == ignored.time(-1e18) == 253_402_300_799_999

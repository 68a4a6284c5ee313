"""Conversion of a client's event to a stored one."""

from __future__ import annotations

import itertools
from typing import Any, get_type_hints

import msgspec
import pytest

from server.caching import BoundedDict
from server.event import DAY, MINUTE, Context, Environment, Incoming, InstallReport, Outcome
from server.ingest.privacy import Privacy, conversion

PRIVACY = Privacy(b"a secret of the server's own")
NOW = 1_765_274_400_000
INSTALL = "3f2b8c1e-9a4d-4f7b-8a21-5d0c9b7e6f10"
CONTEXT = Context(
    environment=Environment.PERSON, reason="a terminal", dialect="sonicjs", os="darwin", runtime="node v20.10", version="2.1.0"
)


def kept(*, picked: tuple[str, ...] = (), **fields):
    incoming = Incoming(**{"name": "installation_started", "install": INSTALL, "context": CONTEXT, **fields})
    return PRIVACY.event(incoming, id=42, project=7, dialect="sonicjs", received_at=NOW, picked=picked)


def properties(**fields):
    return msgspec.json.decode(kept(properties=fields).properties or "null")


def test_an_ordinary_event_is_kept_as_it_is():
    said = {"os": "darwin", "nodeVersion": "v20.10", "packageManager": "npm"}
    event = kept(properties=said, occurred_at=NOW - 5, outcome=Outcome.SUCCESS, duration_us=12, target=("template", "starter"))
    assert (event.id, event.project, event.name, event.occurred_at, event.skewed) == (42, 7, "installation_started", NOW - 5, False)
    assert (event.context, event.outcome, event.duration_us, event.target) == (CONTEXT, Outcome.SUCCESS, 12, ("template", "starter"))
    assert event.properties == '{"os":"darwin","nodeVersion":"v20.10","packageManager":"npm"}'
    assert event.install == PRIVACY.install(7, INSTALL)
    assert (event.session, event.mark, event.viewer) == (None, None, None)


def test_ordinary_events_take_the_fast_path(monkeypatch):
    monkeypatch.setattr(conversion, "scrub_event", lambda incoming: pytest.fail("the ordinary path"))
    kept(properties={"os": "darwin", "nodeVersion": "v20.10", "packageManager": "npm"})
    kept(
        properties={"command": "build", "flags": ["--watch", "--minify"], "durationMs": 12.5, "nested": {"cached": True}},
        session="8d1f-77",
        id="m-1",
    )
    kept(
        properties={},
        target=("pack", "peon"),
        error_type="TypeError",
        error_message="x is not a function\n    at build.js:12:5\n\tat run.js:3",
    )


def test_every_combination_of_ordinary_fields_takes_the_fast_path(monkeypatch):
    monkeypatch.setattr(conversion, "scrub_event", lambda incoming: pytest.fail(f"the ordinary path: {incoming.context}"))
    choices = (
        ("linux", "darwin", "windows", "freebsd", None),
        ("x64", "arm64", None),
        ("node v20.10", "python 3.12", "go 1.22.1", None),
        ("1.4.0", "2.0.0-rc.1", "5.15.0-generic", None),
        ("npm", None),
        ("brew", None),
    )
    for os, arch, runtime, version, package_manager, source in itertools.product(*choices):
        context = Context(
            Environment.PERSON, "", "native", os=os, arch=arch, runtime=runtime, version=version,
            package_manager=package_manager, install_source=source,
        )  # fmt: skip
        for name in ("build", "user"):
            kept(name=name, context=context, error_type="Error", properties={})


def test_identifiers_become_hashes():
    event = kept(session="session-1", id="message-1", debounce="viewer-1", target=("snippet", "s1"))
    assert event.session == PRIVACY.session(7, "session-1")
    assert event.mark == PRIVACY.mark(7, "sonicjs", "message-1", f"install {event.install}")
    assert event.viewer == PRIVACY.viewer(7, "snippet", "s1", "viewer-1")
    assert kept(install=None).install is None


def test_a_viewer_without_a_target_looks_at_the_event_itself():
    assert kept(debounce="viewer-1", name="a").viewer != kept(debounce="viewer-1", name="b").viewer


@pytest.mark.parametrize(
    ("said", "believed", "skewed"),
    [
        (None, NOW, False),
        (NOW, NOW, False),
        (NOW + 5 * MINUTE, NOW + 5 * MINUTE, False),
        (NOW + 5 * MINUTE + 1, NOW, True),
        (NOW - 30 * DAY, NOW - 30 * DAY, False),
        (NOW - 30 * DAY - 1, NOW, True),
        (0, NOW, True),
        (-1, NOW, True),
        (10**30, NOW, True),
    ],
)
def test_a_clock_is_believed_within_bounds(said, believed, skewed):
    event = kept(occurred_at=said)
    assert (event.occurred_at, event.skewed) == (believed, skewed)


def test_text_is_scrubbed_in_every_field():
    event = kept(
        name="opened /home/alice/x",
        target=("file", "/home/alice/x"),
        error_type="/home/alice/x.js",
        error_message="no /home/alice/x",
        context=msgspec.structs.replace(CONTEXT, os="linux alice@example.com", runtime="/home/alice/bin/node", package_manager="token=abc"),
        properties={"cwd": "/home/alice/x", "/home/alice/y": 1},
    )
    assert (event.name, event.target, event.error_type, event.error_message) == ("opened ~/x", ("file", "~/x"), "~/x.js", "no ~/x")
    assert (event.context.os, event.context.runtime, event.context.package_manager) == ("linux [email]", "~/bin/node", "token=[secret]")
    assert (event.context.reason, event.context.version) == ("a terminal", "2.1.0")
    assert event.properties == '{"cwd":"~/x","~/y":1}'


def test_versions_of_four_numbers_are_versions():
    event = kept(context=Context(version="10.0.0.1", os="11.2.3.4"), properties={"appVersion": "1.2.3.4", "peer": "1.2.3.4"})
    assert (event.context.version, event.context.os) == ("10.0.0.1", "11.2.3.4")
    assert event.properties == '{"appVersion":"1.2.3.4","peer":"[ip]"}'


@pytest.mark.parametrize("raw", [INSTALL, "user-7781", 'say "x"', "back\\slash", "spaced 77", "ünïque-id", "somepersonswords"])
def test_raw_identifiers_do_not_stay_in_text(raw):
    event = kept(
        install=raw,
        name=f"by {raw}",
        target=("install", raw),
        error_message=f"{raw.upper()} failed: {raw}",
        context=Context(version=f"1+{raw}"),
        properties={"a": f"x/{raw}_y", raw: [{"deep": raw}], "json": msgspec.json.encode({"id": raw}).decode()},
    )
    assert (event.name, event.target, event.error_message, event.context.version) == (
        "by [id]",
        ("install", "[id]"),
        "[id] failed: [id]",
        "1+[id]",
    )
    assert event.properties == '{"a":"x/[id]_y","[id]":[{"deep":"[id]"}],"json":"{\\"id\\":\\"[id]\\"}"}'


def test_a_raw_identifier_may_be_a_number():
    assert (
        kept(install="12345678", properties={"user": 12345678, "n": 12345678, "m": 1234}).properties
        == '{"user":"[removed]","n":"[id]","m":1234}'
    )


@pytest.mark.parametrize("padded", [f" {INSTALL}\n", f"\ufeff{INSTALL}"])
def test_an_identifier_with_blanks_around_it_is_masked_without_them(padded):
    event = kept(install=padded, session=padded, properties={"a": f"x{INSTALL}y"})
    assert event.properties == '{"a":"x[id]y"}'
    assert (event.install, event.session) == (PRIVACY.install(7, INSTALL), PRIVACY.session(7, INSTALL))


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ({"install": "start"}, {"phase": "start"}),
        ({"install": "deploy"}, {"command": "deploy"}),
        ({"install": "100000"}, {"size": 1000000, "files": 100000}),
        ({"install": "12345678"}, {"n": 123456789, "text": "x12345678"}),
        ({"install": "user-77"}, {"text": "user-778 and xuser-77"}),
        ({"id": "100000"}, {"file_size": 1000000, "files": 100000}),
        ({"id": "1700000000001"}, {"started": 1700000000001}),
        ({"id": "export-1"}, {"file": "export-10.csv", "also": "export-1.csv export-1"}),
        ({"session": "deploy"}, {"command": "deploy"}),
        ({"session": "2026-11-29"}, {"date": "2026-11-29"}),
        ({"session": "nightly-build-12"}, {"job": "nightly-build-12"}),
        ({"session": "installation_completed"}, {"last": "installation_completed"}),
        ({"session": "a1b2-c3"}, {"file": "a1b2-c3.log", "other": "xa1b2-c3 a1b2-c3-2"}),
        ({"debounce": "viewer-1"}, {"page": "viewer-1"}),
    ],
)
def test_words_and_short_counters_are_not_traces_of_an_id(ids, said):
    assert properties(**said) == said
    event = kept(**ids, properties=said)
    assert msgspec.json.decode(event.properties or "") == said


def test_ids_of_events_and_sessions_are_not_masked_in_labels():
    raw = "8d1f77aa-3f2b-4f7b-8a21-5d0c9b7e6f10"
    context = Context(os=f"os {raw}", arch=raw, version=f"1+{raw}", runtime=raw, package_manager=raw)
    event = kept(id=raw, session=raw, debounce=raw, name=f"by {raw}", target=("run", raw), context=context, properties={"a": raw})
    assert (event.name, event.target, event.context) == (f"by {raw}", ("run", raw), context)
    assert event.properties == '{"a":"[id]"}'


def test_sessions_and_event_ids_and_viewers_are_identifiers_too():
    event = kept(
        session="sess-8d1f77",
        id="8d1f77aa3f2b4f7b",
        debounce="V1StGXR8Z5jd",
        properties={"a": "sess-8d1f77 x8d1f77aa3f2b4f7bx (V1StGXR8Z5jd)."},
    )
    assert event.properties == '{"a":"[id] x[id]x ([id])."}'


def test_an_identifier_is_found_behind_an_escape_that_was_never_undone():
    assert kept(install="user-7781", error_message=r"a\nuser-7781\tb").error_message == r"a\n[id]\tb"


def test_messages_are_cut_after_scrubbing():
    event = kept(error_message="/home/alice/x " * 500, error_type="T" * 500)
    assert event.error_message == ("~/x " * 500)[:1000]
    assert event.error_type == "T" * 200
    assert kept(error_message="m" * 3000).error_message == "m" * 1000
    assert kept(error_message="m " * 500).error_message == "m " * 500


@pytest.mark.parametrize("offset", range(40))
def test_no_half_secret_stays_at_the_cut(offset):
    secret = "ghp_" + "A1b2" * 9
    filler = "password=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "  # shrinks, so that the cut comes into view
    before = (filler * 60)[: 4000 - len(secret) + offset - 1] + " "
    message = kept(error_message=f"{before}{secret} and so on").error_message
    assert "ghp_" not in message
    assert "A1b2" not in message


def test_control_characters_do_not_stay():
    event = kept(error_message="a\x00b\tc\nd\x1b[31me", properties={"a": "x\x00\x07y\ud83dz\n", "b\x01": 1})
    assert event.error_message == "a\ufffdb\tc\nde"
    assert event.properties == '{"a":"x\ufffd\ufffdy\ufffdz\\n","b\ufffd":1}'


def test_missing_properties_are_none():
    assert kept(properties={}).properties is None


def test_picked_properties_are_text():
    said = {"a": "x" * 100, "b": True, "c": 1.5, "d": None, "e": [1], "f": 7, "g": "/home/alice/x"}
    assert kept(picked=("f", "a", "b", "c", "d", "e", "g", "missing"), properties=said).picked == (
        ("f", "7"),
        ("a", "x" * 64),
        ("b", "true"),
        ("c", "1.5"),
        ("e", "1"),
        ("g", "~/x"),
    )


def test_unusual_values_never_raise_an_error():
    for value in (10**400, -(10**5000), float("nan"), float("inf"), "\ud800", {"\udfff": 1}, {"a": {1: 2}}, (1, 2), b"raw", {1, 2}):
        assert isinstance(properties(a=value), dict)
        assert isinstance(properties(a=[value], tokens=[value]), dict)


def test_the_deepest_nesting_is_cut():
    deep: object = "x"
    for _ in range(100_000):  # more than any Python encodes: 3.13 encodes 9,000 levels
        deep = [deep]
    assert "…" in str(properties(a=deep))


def test_the_incoming_event_is_not_changed():
    incoming = Incoming(name="x", properties={"a": "/home/alice/x"})
    PRIVACY.event(incoming, id=1, project=7, dialect="native", received_at=NOW, picked=())
    assert incoming.properties == {"a": "/home/alice/x"}


YEARS_AGO = NOW - 3000 * DAY
LATE = NOW + 5 * MINUTE


@pytest.mark.parametrize(
    ("first", "last", "kept_first", "kept_last"),
    [
        (None, None, NOW, NOW),
        (None, NOW - 9, NOW - 9, NOW - 9),
        (YEARS_AGO, None, YEARS_AGO, NOW),
        (YEARS_AGO, NOW - 9, YEARS_AGO, NOW - 9),
        (NOW - 5, NOW - 9, NOW - 5, NOW - 5),
        (LATE, LATE, LATE, LATE),
        (LATE + 1, LATE + 1, NOW, NOW),
        (YEARS_AGO, LATE + 1, YEARS_AGO, NOW),
        (0, NOW - 9, NOW, NOW),  # 1970 is a clock that was never set
        (946_684_799_999, NOW, NOW, NOW),
        (946_684_800_000, NOW, 946_684_800_000, NOW),
        (YEARS_AGO, 0, YEARS_AGO, NOW),
    ],
)
def test_the_times_of_an_install_are_believed_if_they_can_be(first, last, kept_first, kept_last):
    report = InstallReport(install=INSTALL, first_seen=first, last_seen=last, context=CONTEXT)
    install = PRIVACY.install_report(report, project=7, received_at=NOW)
    assert (install.first_seen, install.last_seen) == (kept_first, kept_last)
    assert (install.id, install.project, install.context) == (PRIVACY.install(7, INSTALL), 7, CONTEXT)


def test_the_context_of_an_install_is_scrubbed():
    report = InstallReport(install=INSTALL, context=Context(os=f"linux {INSTALL}", runtime="/home/alice/node"))
    install = PRIVACY.install_report(report, project=7, received_at=NOW)
    assert (install.context.os, install.context.runtime) == ("linux [id]", "~/node")


def test_words_that_are_clean_in_one_event_are_hidden_where_they_name_the_client():
    said = {"theme": "north-star", "editor": "north star"}
    assert properties(**said) == said
    event = kept(properties=said, install="north-star")
    assert msgspec.json.decode(event.properties or "") == {"theme": "[id]", "editor": "north star"}
    assert properties(**said) == said


def test_the_cache_of_clean_texts_is_bounded_and_holds_no_identifier(monkeypatch):
    monkeypatch.setattr(conversion, "_CLEAN", BoundedDict(10))
    for number in range(100):
        kept(properties={"number": number, "mail": "me@example.org"} if number % 2 else {"number": number}, install=f"install-{number}")
        kept(properties={"text": "x" * 1_000})
    remembered = conversion._CLEAN
    assert 0 < len(remembered) <= 10
    assert not any("install-" in text or "example" in text or "xxx" in text for text in map(repr, remembered.items()))


PERSONAL = "sent by alice@example.org"
OF_KIND: dict[Any, Any] = {
    str: PERSONAL,
    str | None: PERSONAL,
    tuple[str, str] | None: (PERSONAL, PERSONAL),
    dict[str, Any]: {"by": PERSONAL},
}
NOT_STORED = {"install", "id", "session", "debounce", "visitor", "document"}  # identifiers become hashes; `document` is `properties`
TEXTS = {name: OF_KIND[kind] for name, kind in get_type_hints(Incoming).items() if kind in OF_KIND and name not in NOT_STORED}


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_of_an_event_is_scrubbed_even_after_an_equal_event_without_it(name):
    """A cache remembers events without personal data; its key must contain each text."""
    assert {"name", "target", "error_type", "error_message", "properties"} <= TEXTS.keys()
    kept()
    assert b"alice" not in msgspec.json.encode(kept(**{name: TEXTS[name]}))
    plain: dict[str, Any] = {"name": "run", "install": INSTALL, "context": CONTEXT, "occurred_at": NOW, "document": ""}
    own: dict[str, Any] = {**plain, "document": None, name: TEXTS[name]}
    batch = [Incoming(**plain) for _ in range(20)] + [Incoming(**own)]
    events = PRIVACY.events(batch, ids=range(21), project=7, dialect="sonicjs", received_at=NOW, picked=())
    assert b"alice" not in msgspec.json.encode(events)

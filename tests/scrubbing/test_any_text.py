"""Properties that hold for any text: no secret survives, nothing raises, and scrubbing is idempotent."""

from __future__ import annotations

import ipaddress
import re
import string

import msgspec
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from server.event import Context, Incoming
from server.ingest.privacy import Privacy, excerpt, scrub_json, scrub_text
from server.ingest.privacy.conversion import scrub_event, scrub_if_needed
from server.scrubbing.patterns import PATTERNS
from server.scrubbing.scrub import SUSPICIOUS, is_suspicious, printable
from server.scrubbing.traces import is_random, is_trace

PRIVACY = Privacy(b"a secret of the server's own")
NOW = 1_765_274_400_000
MARKERS = ("[email]", "[ip]", "[mac]", "[secret]", "[removed]", "[id]", "~", "…", "more")

alphanumeric = string.ascii_letters + string.digits
words = st.text(alphabet=string.ascii_lowercase, min_size=3, max_size=12)
# Any text, and random sequences of pieces that the patterns look for.
_PIECES = r"""
/home/ /Users/ C:\Users\ \ / ~ alice a@b.co @ . : :: - " ' = 1.2.3.4 2001:db8::1 fe80 00:1a:2b:3c:4d:5e :// https:// user name host
password token secret key Bearer cookie authorization -- ff_ sk- eyJ A1b2C3d4E5f6G7h8 v [ip] [secret] [email] [ ] { } ?sig %2F %40 home
é İ & , ; /root
"""
_BLANKS = (" ", "\n", "\t", ": ", "Basic ", "version ", "\r", "\x00", "\x1b[1m", "\ud800")
pieces = st.sampled_from([*_PIECES.split(), *_BLANKS, "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"])
texts = st.one_of(st.text(max_size=60), st.lists(pieces, max_size=12).map("".join))
clean_texts = texts.map(printable)
_KEYS = "password userName hostname tokens mac home api-key os cwd version client_ip"
keys = st.one_of(texts, st.sampled_from([*_KEYS.split(), "email "]))
numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
documents = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)), max_leaves=12
)
properties = st.dictionaries(keys, documents, max_size=5)

emails = st.builds(
    lambda local, *labels: f"{local}@{'.'.join(labels)}", st.text(alphabet=alphanumeric + "._+-", min_size=1, max_size=12), words, words
)
users = st.text(alphabet=alphanumeric + "_-é", min_size=3, max_size=12).map(lambda name: f"Zq{name}")
addresses_v4 = st.ip_addresses(v=4).filter(lambda address: not address.is_loopback and not address.is_unspecified).map(str)
# The addresses in use: global, unique local, link local.
addresses_v6 = st.one_of(
    *(st.ip_addresses(network=ipaddress.IPv6Network(network)) for network in ("2000::/3", "fd00::/8", "fe80::/10")),
).filter(lambda address: any(map(str.isdigit, str(address))) and ":" in str(address).partition("::")[2])
random_runs = st.text(alphabet=alphanumeric, min_size=36, max_size=48).filter(
    lambda run: any(map(str.isdigit, run)) and any(map(str.isupper, run))
)
PREFIXES = "ghp_ gho_ github_pat_ glpat- xoxb- sk_live_ npm_ pypi- sk- sk-ant- AIza hf_ ff_ eyJ AKIA"
# A text, and the part of it that must be removed.
tokens = st.builds(
    lambda prefix, run: (prefix + (run.upper() if prefix == "AKIA" else run)[:40],) * 2, st.sampled_from(PREFIXES.split()), random_runs
).map(lambda pair: (pair[0], pair[1][:20]))
LEADS = (
    "password=",
    "password: ",
    "token=",
    "api_key: ",
    "secret=",
    "Authorization: Bearer ",
    "Bearer ",
    "https://me:",
    "--token ",
    "?sig=",
)
assigned = st.builds(
    lambda lead, run: (lead + run, run),
    st.sampled_from(LEADS),
    random_runs,
).map(lambda pair: (pair[0] + ("@host.example" if "://" in pair[0] else ""), pair[1]))
folders = st.builds(
    lambda form, user: (form.format(user=user), user),
    st.sampled_from(
        [
            "/home/{user}/x",
            "/Users/{user}",
            "C:\\Users\\{user}\\x",
            "C:/Users/{user}",
            "file:///home/{user}/x",
            "/mnt/c/Users/{user}/x",
            "\\\\Users\\\\{user}",
        ]
    ),
    users,
)
secrets = st.one_of(
    emails.map(lambda text: (text, text)),
    addresses_v4.map(lambda text: (text, text)),
    addresses_v6.map(lambda a: (str(a),) * 2),
    tokens,
    assigned,
    folders,
)
# Characters around a secret: it is not adjacent to other letters and digits, which would hide its beginning.
# Nothing marks it as a version, either.
befores = st.one_of(
    st.just(""), st.builds(lambda text, end: text + end, texts, st.sampled_from([" ", "\n", ' "', " (", " <", "\t", " '", " at "]))
).filter(lambda text: not re.search(r"(?i)(?:version|release|build)\W{1,4}\Z", text))
afters = st.one_of(
    st.just(""), st.builds(lambda start, text: start + text, st.sampled_from([" ", "\n", '" ', ") ", "> ", "\t", "' ", ", "]), texts)
)


@given(texts)
@example("/a/home/home/b/c")
@example("password=[secret]hunter")
def test_scrubbing_again_changes_nothing(text):
    once = scrub_text(text)
    assert scrub_text(once) == once


@given(documents)
def test_scrubbing_a_document_again_changes_nothing(document):
    once = scrub_json(document)
    assert scrub_json(once) == once


@settings(max_examples=500)
@given(befores, secrets, afters)
@example("PASSWORT= ", ("password: 00000000000000000000000000000000000A", "00000000000000000000000000000000000A"), "")
@example("PASSWORT= ", ("--token 00000000000000000000000000000000000A", "00000000000000000000000000000000000A"), "")
@example("password= ", ("-u me:hunter2hunter2", "hunter2hunter2"), "")
@example("PASSWORT= (", ("password: 00000000000000000000000000000000000A", "00000000000000000000000000000000000A"), "")
@example("token= ", ("password: hunter2hunter2", "hunter2hunter2"), "")
def test_no_secret_survives_in_text(before, secret, after):
    said, secret_part = secret
    assume(secret_part not in before + after and not any(secret_part in marker for marker in MARKERS))
    assert secret_part not in scrub_text(before + said + after)


@given(befores, secrets, afters, keys)
def test_no_secret_survives_in_a_document(before, secret, after, key):
    said, secret_part = secret
    text = before + said + after
    assume(secret_part not in before + after + key and not key.lower().endswith("version"))
    document = {key: text, "list": [1, {"deep": {text: None}}], "inner": msgspec.json.encode({"a": [printable(text)]}).decode()}
    kept = msgspec.json.encode(scrub_json(document)).decode()
    assert secret_part not in kept


@given(
    st.sampled_from(
        ["password", "dbPassword", "DB-PASSWORD", "api_key", "accessToken", "authorization", "hostname", "userName", "email", "clientIp"]
    ),
    random_runs,
)
def test_no_value_under_a_sensitive_key_survives(key, secret):
    inner = msgspec.json.encode({"x": {key: secret}}).decode()
    for document in (
        {key: secret},
        {key: [secret]},
        {"a": [{key: {"b": secret}}]},
        {"text": inner},
        {"text": msgspec.json.encode([inner]).decode()},
    ):
        assert secret not in msgspec.json.encode(scrub_json(document)).decode()


@given(clean_texts)
def test_text_without_a_hint_has_no_match_of_any_pattern(text):
    if not SUSPICIOUS.search(text.lower()):
        assert [pattern.name for pattern in PATTERNS if pattern.regex.sub(pattern.replacement, text) != text] == []


@given(clean_texts)
@example("A-\\A0")
def test_a_pattern_finds_nothing_without_its_hint(text):
    for pattern in PATTERNS:
        if pattern.regex.sub(pattern.replacement, text) != text:
            assert pattern.hint.search(text.lower()), pattern.name


@given(documents)
def test_json_without_suspicious_text_is_not_scrubbed(document):
    try:
        text = msgspec.json.encode(document).decode()
    except UnicodeEncodeError:
        return
    if text.isprintable() and not is_suspicious(text.lower()):
        assert scrub_json(document) == document


def incomings():
    short = st.one_of(st.none(), texts)
    return st.builds(
        Incoming,
        name=texts,
        install=short,
        id=short,
        session=short,
        debounce=short,
        target=st.one_of(st.none(), st.tuples(texts, texts)),
        occurred_at=st.one_of(st.none(), st.integers()),
        error_type=short,
        error_message=short,
        context=st.builds(Context, os=short, arch=short, runtime=short, version=short, package_manager=short),
        properties=properties,
    )


@given(incomings())
def test_skipping_text_without_hints_gives_the_same_result(incoming):
    quick, quick_properties = scrub_if_needed(incoming)
    thorough, thorough_properties = scrub_event(incoming)
    assert (quick, quick_properties) == (thorough, thorough_properties)


@given(incomings(), st.lists(keys, max_size=3).map(tuple))
def test_any_event_can_be_converted(incoming, picked):
    event = PRIVACY.event(incoming, id=1, project=7, dialect="native", received_at=NOW, picked=picked)
    assert (event.properties is None) == (not incoming.properties)
    if event.properties is not None:
        assert isinstance(msgspec.json.decode(event.properties), dict)
    msgspec.json.encode(event)  # text that a store can hold: no half characters
    assert all(len(value) <= 64 for _, value in event.picked)


identifiers = st.one_of(st.uuids().map(str), st.text(alphabet=alphanumeric + '-_:."\\é ', min_size=6, max_size=30)).filter(
    lambda text: not any(text.lower() in marker or marker in text for marker in MARKERS)
)
random_identifiers = identifiers.map(str.strip).filter(lambda raw: is_trace(raw, of_install=False) and is_random(raw))


@given(identifiers.map(str.strip).filter(lambda raw: is_trace(raw, of_install=True)), random_identifiers, texts)
def test_no_raw_identifier_survives(install, session, text):
    assume(not any(raw in text for raw in (install, session)))
    around = f"{text} {install} {session} {text}"
    incoming = Incoming(
        name=f"n {install}"[:100],
        install=install,
        session=session,
        id=session,
        target=("pack", install),
        error_type=session,
        error_message=around,
        context=Context(version=install, os=f"on {install}"),
        properties={"a": around, install: [session.upper(), {"b": install.lower()}], "json": msgspec.json.encode({"x": install}).decode()},
    )
    event = PRIVACY.event(incoming, id=1, project=7, dialect="native", received_at=NOW, picked=("a",))
    kept = [
        event.name,
        *(event.target or ()),
        event.error_type,
        event.error_message,
        event.context.version,
        event.context.os,
        *(v for _, v in event.picked),
    ]
    kept += _strings(msgspec.json.decode(event.properties or "{}"))
    for raw in (install, session):
        assert not [text for text in kept if text and (raw in text or raw.lower() in text or raw.upper() in text)]


def _strings(value):
    if isinstance(value, str):
        try:
            inner = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return [value]
        return [value] if isinstance(inner, str | int | float | bool | None) else _strings(inner)
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in (key, *_strings(inner))]
    return [text for inner in value for text in _strings(inner)] if isinstance(value, list) else []


@given(documents, st.binary(max_size=600), st.integers(0, 3000))
def test_an_excerpt_of_any_body_is_short_json(document, body, limit):
    kept = excerpt(body, document, limit)
    assert len(kept) <= limit
    if document is not None and limit >= 16:
        msgspec.json.decode(kept)


@given(befores, secrets, afters, identifiers)
def test_no_secret_survives_in_an_excerpt(before, secret, after, install):
    said, secret_part = secret
    assume(secret_part not in before + after and install not in before + said + after and len(secret_part) > 5)
    assume(install not in "events installation_id name properties note userId [secret] [id]")  # words that stay whatever the id is
    kept = excerpt(
        b"",
        {"events": [{"installation_id": install, "name": "x", "properties": {"note": before + said + after}, "n": {"userId": [install]}}]},
    )
    assert secret_part not in kept
    assert install not in "".join(_strings(msgspec.json.decode(kept)))

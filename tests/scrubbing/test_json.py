"""Scrubbing of JSON: sensitive keys, and JSON within strings."""

from __future__ import annotations

import msgspec
import pytest

from server.ingest.privacy import scrub_json
from server.scrubbing.key_rules import RULES, words

_SECRET_KEYS = """
password Password db_password dbPassword DB-PASSWORD user.password password_ passwd passphrase pwd PWD token accessToken refresh_token
GITHUB_TOKEN csrf-token jwt secret clientSecret AWS_SECRET_ACCESS_KEY otp api_key apiKey apikey X-Api-Key access_key accessKeyId
privateKey authorization Proxy-Authorization cookie Set-Cookie credential bearer connectionString encryption_key
"""
SECRET_KEYS = [*_SECRET_KEYS.split(), "license key"]
_PERSON_KEYS = """
hostname hostName host_name host db_host username user_name userName user osUser os.user email e-mail authorEmail mail ip clientIp
client_ip IP ipv4 address ip_address macAddress remoteAddress remote_addr computerName machine_name device-name fqdn full_name firstName
phone phoneNumber
"""
PERSON_KEYS = _PERSON_KEYS.split()
_OTHER_KEYS = """
os name tokens_used token_count tokenizer password_length secretary keyboard key apikeys_count cookie_banner users user_count userAgent
hosting zip gzip ship tip macos machine stomach emailed ghost superuser_mode monkey hostnames_seen ipv addressed telephoned homepage
device package_name file_name displayName auth session_id
"""
OTHER_KEYS = _OTHER_KEYS.split()


@pytest.mark.parametrize("key", SECRET_KEYS)
@pytest.mark.parametrize("value", ["abc", 7, 1.5, ["abc"], {"a": "abc"}])
def test_values_under_keys_of_secrets_are_replaced_as_a_whole(key, value):
    assert scrub_json({key: value, "a": [{key: value}]}) == {key: "[secret]", "a": [{key: "[secret]"}]}


@pytest.mark.parametrize("key", PERSON_KEYS)
@pytest.mark.parametrize("value", ["abc", 7, ["abc"], {"a": "abc"}])
def test_values_under_keys_of_people_and_machines_are_replaced_as_a_whole(key, value):
    assert scrub_json({key: value}) == {key: "[removed]"}


@pytest.mark.parametrize("key", OTHER_KEYS)
def test_values_under_other_keys_stay(key):
    assert scrub_json({key: "abc", "a": {key: 5}}) == {key: "abc", "a": {key: 5}}


@pytest.mark.parametrize("key", [*SECRET_KEYS, *PERSON_KEYS])
@pytest.mark.parametrize("value", [None, True, False, ""])
def test_booleans_and_nulls_under_sensitive_keys_stay(key, value):
    assert scrub_json({key: value}) == {key: value}


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        ({"tokens": 512, "cookies": 3}, {"tokens": 512, "cookies": 3}),
        (
            {"tokens": ["a", 1], "secrets": {"x": {"y": "z"}, "n": None}},
            {"tokens": ["[secret]", 1], "secrets": {"x": {"y": "[secret]"}, "n": None}},
        ),
        ({"mac": 12, "linux": 5}, {"mac": 12, "linux": 5}),
        ({"mac": "00-1a"}, {"mac": "[removed]"}),
        ({"home": "/srv/people/alice", "pages": {"home": 5}}, {"home": "[removed]", "pages": {"home": 5}}),
        ({"cwd": "/home/alice/x"}, {"cwd": "~/x"}),
        ({"secrets": {"/home/alice": "x"}}, {"secrets": {"~": "[secret]"}}),
    ],
)
def test_keys_that_count_secrets_keep_their_values(document, kept):
    assert scrub_json(document) == kept


def test_structure_and_numbers_stay():
    document = {"a": [1, 2.5, None, True, "x", {"b": [[]]}], "c": {}, "d": 2**63, "": 0}
    assert scrub_json(document) == document


def test_keys_are_scrubbed_too():
    assert scrub_json({"alice@example.com": 1, "/home/alice/x": {"10.1.2.3": 2}}) == {"[email]": 1, "~/x": {"[ip]": 2}}


def test_json_within_strings_is_scrubbed_as_json():
    inner = '{"userName": "alice", "n": 1, "list": ["/home/alice/x"], "password" : "x"}'
    kept = '{"userName":"[removed]","n":1,"list":["~/x"],"password":"[secret]"}'
    assert scrub_json({"snapshot": inner}) == {"snapshot": kept}
    nested = msgspec.json.encode({"deeper": inner}).decode()
    assert scrub_json([nested]) == [msgspec.json.encode({"deeper": kept}).decode()]


def test_a_repeated_key_keeps_only_its_last_value():
    assert scrub_json(['{"password":"abc","password":null}']) == ['{"password":null}']
    assert scrub_json(['{"a":"/home/alice","a":1}']) == ['{"a":1}']


@pytest.mark.parametrize("text", ['{"os": "darwin",  "n": 1}', "{not json}", "[1, 2", "[info] ready", "{}"])
def test_strings_without_secrets_stay_byte_for_byte(text):
    assert scrub_json([text]) == [text]


def test_text_that_only_looks_like_json_is_text():
    assert scrub_json(["[error] open /home/alice/x", "{password=abc"]) == ["[error] open ~/x", "{password=[secret]"]


@pytest.mark.parametrize(("key", "snake"), [("clientIp", "client_ip"), ("IPAddress", "ipaddress"), ("a-b", "a-b"), ("x2Y", "x2_y")])
def test_a_key_is_split_into_its_words(key, snake):
    assert words(key) == snake


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.marker} {rule.words[:1] or rule.whole_words[:1]}")
def test_each_rule_has_a_key(rule):
    assert any(rule.regex.search(words(key)) for key in [*SECRET_KEYS, *PERSON_KEYS, "tokens", "mac"])

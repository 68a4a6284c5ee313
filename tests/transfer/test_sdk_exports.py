"""Imports of the exports of systems whose SDKs Footfall accepts: once, with their own times, hashed and scrubbed like received events."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from server.settings import Settings
from server.transfer import sdk_exports
from server.transfer.import_sources import LONGEST, Source, SourceError
from tests.conftest import rows_of
from tests.transfer.conftest import counted, import_file, lines, where

CALL: dict[str, Any] = {
    "type": "track", "event": "build", "messageId": "m-1", "anonymousId": "inst-of-ada", "userId": None, "timestamp": "2024-11-01T00:00:00.000Z",
    "receivedAt": "2024-11-01T00:00:01.000Z", "context": {"app": {"version": "1.4.0"}, "os": {"name": "Linux"}, "ip": "198.51.100.7"},
    "properties": {"command": "x", "url": "https://a.example/", "mail": "ada@a.example"},
}  # fmt: skip
SEGMENT = [
    CALL,
    {**CALL, "messageId": "m-2", "type": "page", "name": "Settings", "event": None},
    {**CALL, "messageId": "m-3", "type": "identify", "traits": {"email": "ada@a.example"}},
    {**CALL, "messageId": "m-4", "timestamp": "yesterday"},
]
ROW: dict[str, Any] = {
    "event_type": "build", "event_time": "2024-11-01 00:00:00.123000", "device_id": "inst-of-ada", "$insert_id": "i-1", "version_name": "1.4.0",
    "os_name": "Linux", "session_id": 1_730_419_200_000, "event_properties": {"command": "x"}, "ip_address": "198.51.100.7", "library": "amplitude-python/1.1",
    "user_properties": {"email": "ada@a.example"}, "uuid": "u-1", "app": 5,
}  # fmt: skip
AMPLITUDE = [
    ROW,
    {**ROW, "$insert_id": None, "uuid": "u-2", "event_type": "test"},
    {**ROW, "$insert_id": "i-3", "event_type": "$identify"},
    {**ROW, "$insert_id": "i-4", "event_time": None},
]
APTABASE = (
    "timestamp,user_id,session_id,event_name,string_props,numeric_props,os_name,os_version,locale,app_version,country_code\n"
    '2024-11-01 00:00:00,u-of-a-day,1795210,build,"{""command"":""x""}","{""n"":1.5}",Linux,6.1,en,1.4.0,DE\n'
    "2024-11-01T00:00:01Z,u-of-a-day,1795210,test,,,Linux,6.1,en,1.4.0,DE\n"
    "2024-11-01T00:00:01Z,u-of-a-day,1795210,,,,Linux,6.1,en,1.4.0,DE\n"
    "2024-11-01T00:00:02Z,u-of-a-day,1795210,broken,[1],,Linux,6.1,en,1.4.0,DE\n"
)


def record(**fields: Any) -> dict[str, Any]:
    attributes = [
        {"key": "app.installation.id", "value": {"stringValue": "inst-of-ada"}},
        {"key": "command", "value": {"stringValue": "x"}},
    ]
    return {"timeUnixNano": "1730419200123000000", "attributes": attributes, **fields}


def exported(*records: Any) -> dict[str, Any]:
    attributes = [{"key": "service.version", "value": {"stringValue": "1.4.0"}}, {"key": "os.type", "value": {"stringValue": "linux"}}]
    return {"resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": [{"logRecords": list(records)}]}]}


OTLP = [
    exported(record(eventName="build"), record(body={"stringValue": "an ordinary log"})),
    exported(record(eventName="a\0b")),
    exported(record(eventName="test")),
    {"resourceLogs": [], "other": 5},
    exported({**record(eventName="late"), "timeUnixNano": "x"}),
]
UMAMI = (
    "website_id,session_id,visit_id,event_id,hostname,browser,os,url_path,url_query,page_title,event_type,event_name,tag,distinct_id,created_at\n"
    "w-1,s-of-an-address,v-1,e-1,tool.example,chrome,Linux,/a,token=private,A,2,build,beta,inst-of-ada,2024-11-01 00:00:00\n"
    "w-1,s-of-an-address,v-1,e-2,tool.example,chrome,Linux,/a,,A,1,,,,2024-11-01 00:00:01\n"
    "w-1,s-of-an-address,v-1,e-3,tool.example,chrome,Linux,/a,,A,5,,,,2024-11-01 00:00:01\n"
    "w-1,s-of-an-address,v-1,e-4,tool.example,chrome,Linux,/a,,A,2,,,,2024-11-01 00:00:01\n"
    "w-1,s-of-an-address,v-1,e-5,tool.example,chrome,Linux,/a,,A,2,build,,,yesterday\n"
)
PANEL: dict[str, Any] = {
    "id": "e-1", "name": "build", "deviceId": "d-of-an-address", "profileId": "inst-of-ada", "sessionId": "s", "projectId": "p",
    "createdAt": "2024-11-01T00:00:00.123Z", "path": "/private", "duration": 0, "city": "", "country": "DE", "os": "Linux", "browser": "",
    "properties": {"__path": "/private", "command": "x", "version": "1.4.0"},
}  # fmt: skip
STORED_PANEL = {
    "id": "e-5",
    "name": "test",
    "device_id": "d",
    "profile_id": "d",
    "created_at": "2024-11-01 00:00:00.123",
    "os": "",
    "sdk_name": "node",
}
OPENPANEL = [
    {"meta": {"count": 3}, "data": [PANEL, {**PANEL, "id": "e-2", "name": "session_start"}, {**PANEL, "id": "e-3", "name": None}, 5]},
    {**PANEL, "id": "e-4", "profileId": "d-of-an-address", "name": "screen_view"},
    STORED_PANEL,
]
# Form -> the file, the numbers of events, of invalid rows and of skipped ones, and the properties of `build`.
FILES = {
    "segment": (gzip.compress(lines(*SEGMENT)), 2, 1, {"identify": 1}, {"command": "x", "mail": "[removed]"}),
    "amplitude": (lines(*AMPLITUDE), 2, 1, {"$identify": 1}, {"command": "x"}),
    "aptabase": (APTABASE.encode(), 2, 2, {}, {"command": "x", "n": 1.5}),
    "otlp": (lines(*OTLP), 2, 2, {"(other)": 1}, {"command": "x"}),
    "umami": (UMAMI.encode(), 2, 2, {"(other)": 1}, {"os": "Linux", "tag": "beta"}),
    "openpanel": (lines(*OPENPANEL), 3, 2, {"session_start": 1}, {"command": "x", "os": "Linux", "version": "1.4.0"}),
}


@pytest.mark.parametrize("form", FILES)
def test_events_come_in_once_with_their_times_and_without_identifiers(fresh: Settings, tmp_path: Path, form: str) -> None:
    content, stored, bad, skipped, properties = FILES[form]
    file = tmp_path / "export"
    file.write_bytes(content)
    summary = import_file(fresh, file)
    assert (summary.form, summary.stored, summary.bad, dict(summary.skipped)) == (form, stored, bad, skipped), summary.named
    once = counted(fresh)
    assert import_file(fresh, file, form).duplicates == stored
    assert counted(fresh) == once
    query = """SELECT event_name.text, context.os, context.version, context.dialect, event.occurred_at, event.properties, event.install_id IS NULL
        FROM event JOIN event_name ON event_name.id = event.name_id JOIN context ON context.id = event.context_id"""
    built = next(row for row in rows_of(where(fresh), query) if row[0] == "build")
    assert built[1:4] == ("linux", None if form == "umami" else "1.4.0", form)
    assert built[4] // 1_000 == 1_730_419_200
    assert json.loads(built[5]) == properties
    assert bool(built[6]) is (form == "aptabase")


@pytest.mark.parametrize("kind", [["track"], {}, 1, None])
def test_a_type_that_is_not_text_matches_no_export_format(kind: object) -> None:
    assert sdk_exports.form_of({"type": kind, "messageId": "a"}) is None


def test_a_header_of_csv_without_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("event_name,timestamp," + "x" * (LONGEST + 1))
    with Source(path) as source, pytest.raises(SourceError, match="no valid header"):
        list(source.rows())


# Rows with every column of the systems' own tables, as their databases write them (psql's CSV, ClickHouse's CSV and JSONEachRow).
UMAMI_POSTGRES = (
    "event_id,website_id,session_id,visit_id,created_at,url_path,url_query,utm_source,utm_medium,utm_campaign,utm_content,utm_term,referrer_path,"
    "referrer_query,referrer_domain,page_title,gclid,fbclid,msclkid,ttclid,li_fat_id,twclid,event_type,event_name,tag,hostname,lcp,inp,cls,fcp,ttfb\n"
    "e-1,w,s,v,2024-11-01 00:00:00.123456+00,/a,,,,,,,,,,A,,,,,,,1,,,tool.example,,,,,\n"
    'e-2,w,s,v,2024-11-01 00:00:01+00,"/a,b",,,,,,,,,,"A ""b""\nc",,,,,,,2,build,beta,tool.example,,,,,\n'
)
UMAMI_CLICKHOUSE = (
    '"website_id","session_id","visit_id","event_id","hostname","browser","os","device","screen","language","country","region","city","url_path",'
    '"url_query","referrer_path","referrer_query","referrer_domain","page_title","lcp","inp","event_type","event_name","tag","distinct_id","created_at","job_id"\n'
    '"w","s","v","e-1","t","chrome","Linux","desktop","1x1","en","DE","","","/","","","","","A",\\N,\\N,1,"","","","2024-11-01 00:00:00",\\N\n'
    '"w","s","v","e-2","t","chrome","Linux","desktop","1x1","en","DE","","","/","","","","","A",\\N,\\N,2,"build","","","2024-11-01 00:00:01",\\N\n'
)
_TABLE = (
    "project_id",
    "session_id",
    "path",
    "origin",
    "referrer",
    "referrer_name",
    "referrer_type",
    "country",
    "city",
    "region",
    "os_version",
    "browser",
)
OPENPANEL_TABLE = [
    {
        **dict.fromkeys(_TABLE, ""), "id": f"e-{number}", "name": name, "device_id": "d", "profile_id": profile, "duration": "0", "os": "Linux",
        "properties": {"__path": "/", "version": "1.4.0"}, "created_at": "2024-11-01 00:00:00.123", "longitude": None, "latitude": None, "device": "server",
        "brand": "", "model": "", "imported_at": None, "sdk_name": "node", "sdk_version": "1.0.0",
    }
    for number, (name, profile) in enumerate((("build", "inst-of-ada"), ("screen_view", "d")))
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "content"),
    [("umami", UMAMI_POSTGRES.encode()), ("umami", UMAMI_CLICKHOUSE.encode()), ("openpanel", lines(*OPENPANEL_TABLE))],
    ids=["umami from PostgreSQL", "umami from ClickHouse", "openpanel"],
)
def test_rows_with_every_column_of_a_systems_own_table_come_in_whole(fresh: Settings, tmp_path: Path, form: str, content: bytes) -> None:
    file = tmp_path / "export"
    file.write_bytes(content)
    summary = import_file(fresh, file)
    assert (summary.form, summary.stored, summary.bad, dict(summary.skipped)) == (form, 2, 0, {}), summary.named
    times = sorted(at // 1_000 for (at,) in rows_of(where(fresh), "SELECT occurred_at FROM event"))
    assert set(times) <= {1_730_419_200, 1_730_419_201}

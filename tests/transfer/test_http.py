"""Routes for exports with a key, and for the data of an install with its id."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import httpx
import pytest
from limits import parse

from server.event import Context, Incoming
from server.event_id import to_uuid
from server.settings import Settings
from server.storage.engine import Store
from server.storage.projects import create_project
from server.transfer.columns import EXPORTED
from server.transfer.import_sources import Source
from server.transfer.questions import QUESTIONS
from tests.transfer.conftest import NOW, fill, key_of, project_of

ENGINES = ("sqlite", "postgres")

WHO = "install-7"


@pytest.mark.parametrize("prefix", ["", "/p/default"])
async def test_an_export_is_a_file_to_keep(client: httpx.AsyncClient, prefix: str) -> None:
    answer = await client.get(f"{prefix}/v1/export/events", params={"format": "csv"}, headers=await key_of())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="default-events.csv"'
    assert answer.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert len(rows) == 1_200
    assert not [row for row in rows if row["install"] and len(row["install"]) != 16]
    assert "install-" not in answer.text


async def test_json_lines_of_a_span_and_every_other_export(client: httpx.AsyncClient) -> None:
    headers = await key_of()
    answer = await client.get("/v1/export/events?from=2026-09-01T00:00:00%2B02:00&to=2026-09-08", headers=headers)
    times = [json.loads(line)["occurred_at"] for line in answer.text.splitlines()]
    assert times
    assert all("2026-08-31T22:00" <= at < "2026-09-08" for at in times)
    assert not EXPORTED.keys() & QUESTIONS.keys(), "a report would hide the dataset"
    for what in ("installs", "activity", "hourly", "name-durations", "dimensions", "target-days", "target-totals", "errors", "ledger"):
        lines = (await client.get(f"/v1/export/{what}", headers=headers)).text.splitlines()
        assert lines, what
        assert "project_id" not in json.loads(lines[0])


async def test_sums_are_whole_however_many_chunks_they_come_in(client: httpx.AsyncClient) -> None:
    lines = (await client.get("/v1/export/dimensions", headers=await key_of())).text.splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) > 1_000
    assert sum(row["events"] for row in rows if row["dimension"] == "package_manager") == 1_200


async def test_parquet_over_http_can_be_read(client: httpx.AsyncClient, tmp_path: Any) -> None:
    answer = await client.get("/v1/export/events?format=parquet", headers=await key_of())
    file = tmp_path / "events.parquet"
    file.write_bytes(answer.content)
    with Source(file) as source:
        assert sum(1 for _ in source.rows()) == 1_200


async def test_reading_requires_a_read_key(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/export/events")).status_code == 401
    assert (await client.get("/v1/export/events", headers=await key_of("ingest"))).status_code == 403
    other = await create_project("other")
    answer = await client.get("/v1/export/events", headers=await key_of(project=other))
    assert (answer.status_code, answer.text) == (200, "")
    assert (await client.get("/p/default/v1/export/events", headers=await key_of(project=other))).status_code == 403


@pytest.mark.parametrize("query", ["format=xml", "from=yesterday", "to=2026-13-01"])
async def test_a_parameter_that_cannot_be_used_is_named(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/export/events?{query}", headers=await key_of())
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == query.partition("=")[0]
    assert "yesterday" not in answer.text
    assert (await client.get("/v1/export/secrets", headers=await key_of())).status_code == 404


async def test_a_client_that_disconnects_leaves_nothing_behind(served: Any, store: Store) -> None:
    client, _ = served
    headers = [(name.lower().encode(), value.encode()) for name, value in (await key_of()).items()]
    for _ in range(10):
        gone = asyncio.Event()

        async def receive(gone: asyncio.Event = gone) -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any], gone: asyncio.Event = gone) -> None:
            if message.get("body"):
                gone.set()
                await asyncio.sleep(0.01)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/v1/export/events",
            "raw_path": b"", "query_string": b"", "root_path": "", "headers": headers, "client": ("192.0.2.1", 1), "server": ("x", 80),
        }  # fmt: skip
        await asyncio.wait_for(client._transport.app(scope, receive, send), 10)
    # All readers are free: one query for each reader is answered immediately, and more after that.
    await asyncio.wait_for(asyncio.gather(*(store.rows("SELECT count(*) FROM event") for _ in range(12))), 10)
    assert not [task for task in asyncio.all_tasks() if "export" in repr(task.get_coro())]


@pytest.mark.parametrize(
    "url",
    [
        "/v1/installs/install-7",
        "/p/default/v1/installs/install-7",
        "/v1/install?id=install-7",
        "http://footfall.example//v1/installs/install-7/",
    ],
)
async def test_the_owner_of_an_id_sees_all_its_data_and_can_erase_it(client: httpx.AsyncClient, url: str) -> None:
    held = (await client.get(url)).json()
    assert held["total_events"] == len(held["events"]) > 5
    assert {"install", "first_seen", "last_seen", "version"} <= held["install"].keys()
    assert held["days"]
    assert WHO not in json.dumps(held)
    erased = await client.delete(url)
    assert (erased.status_code, erased.json()["events"], erased.json()["purged"]) == (200, held["total_events"], True)
    for answer in (await client.get(url), await client.delete(url)):
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert WHO not in answer.text


async def test_pages_follow_each_other(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/installs/install-7?limit=3")).json()
    second = (await client.get(f"/v1/installs/install-7?limit=3&after={first['next']}")).json()
    assert len({event["id"] for event in first["events"] + second["events"]}) == 6
    assert (await client.get(f"/v1/install?id={WHO}&after={to_uuid(1)[:-1]}x")).status_code == 400
    assert (await client.get(f"/v1/install?id={WHO}&limit=0")).status_code == 400


async def test_ids_may_hold_slashes_blanks_and_all_else(client: httpx.AsyncClient, settings: Settings, store: Store) -> None:
    ids = ["a/b", "host:user 1", "ünïcode/☃", "100%", "a//b", "/x/", "q?id=1#z"]
    events = [(NOW, Incoming(name="run", install=one, context=Context())) for one in ids]
    await fill(settings, store, await project_of(settings), events)
    for one in ids:
        assert (await client.get("/v1/install", params={"id": one})).status_code == 200, one
    for one in ("a/b", "a%2Fb", "host:user%201", "%C3%BCn%C3%AFcode%2F%E2%98%83", "100%25"):
        assert (await client.delete(f"/v1/installs/{one}")).status_code in (200, 404), one
    for one in ("a/b", "host:user 1", "ünïcode/☃", "100%"):
        assert (await client.get("/v1/install", params={"id": one})).status_code == 404, one


async def test_no_id_and_ids_that_are_too_long_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/install")).status_code == 400
    assert (await client.get(f"/v1/installs/{'x' * 201}")).status_code == 404
    assert (await client.get(f"/v1/installs/{'x' * 200}")).status_code == 404


async def test_guesses_of_ids_are_limited(served: Any) -> None:
    client, gate = served
    gate._rate_limit = parse("3/minute")
    answers = [(await client.get(f"/v1/installs/guess-{number}")) for number in range(5)]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_showing_and_erasing_an_install_works_with_do_not_track(client: httpx.AsyncClient) -> None:
    assert (await client.delete("/v1/installs/install-7", headers={"DNT": "1"})).status_code == 200


async def test_the_raw_id_is_in_no_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.get("/v1/installs/a-very-raw-identifier")
    await client.delete("/v1/installs/a-very-raw-identifier")
    output = capsys.readouterr()
    assert "very-raw" not in output.out + output.err
    assert not [record for record in caplog.records if record.name.startswith("server") and "very-raw" in record.getMessage()]

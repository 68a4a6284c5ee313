"""Safety of GraphQL: limits on hostile operations, access control, and safe error messages."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    build_schema,
    is_required_argument,
    is_required_input_field,
)

from server.admin import schema_export
from tests.admin.conftest import Asker

SCHEMA = build_schema(schema_export.text())
DEEP = "{projects" + "{events{nodes{install{events{install" * 20 + "{hash}" + "}}}}}" * 20 + "}"
NESTED = "{a:projects{events(first:200){nodes{install{events(first:20){install{events(first:20){id}}}}}}}}"
HOSTILE = {
    "a thousand aliases": "{" + " ".join(f"a{number}:me{{kind}}" for number in range(1_000)) + "}",
    "forty-one aliases": "{" + " ".join(f"a{number}:me{{kind}}" for number in range(41)) + "}",
    "a hundred levels": "{" + "a{" * 100 + "b" + "}" * 101,
    "deep though valid": DEEP,
    "dear though flat": NESTED,
    "fragments in a cycle": "{...A} fragment A on Query{...B} fragment B on Query{...A}",
    "fragments that double": "{...F0} "
    + " ".join(f"fragment F{n} on Query{{...F{n + 1} ...F{n + 1}}}" for n in range(60))
    + " fragment F60 on Query{me{kind}}",
    "fragments that double and cost nothing": "{...F0} "
    + " ".join(f"fragment F{n} on Query{{...F{n + 1} ...F{n + 1}}}" for n in range(60))
    + " fragment F60 on Query{...Missing}",
    "fragments in a cycle that doubles": "{...F0} "
    + " ".join(f"fragment F{n} on Query{{...F{(n + 1) % 60} ...F{(n + 1) % 60}}}" for n in range(60)),
    "fragments that all overlap": "{"
    + " ".join(f"...F{n}" for n in range(90))
    + "} "
    + " ".join(f"fragment F{n} on Query{{me{{kind label}}}}" for n in range(90)),
    "one field over and over": "{me{" + "kind " * 1_400 + "}}",
    "one field over and over, with what is below": "{" + "me{kind}" * 350 + "}",
    "one field repeated in an unused fragment": "{me{kind}} fragment A on __Type{" + "kind " * 1_400 + "}",
    "the schema many times": "{" + " ".join(f"a{n}:__schema{{types{{name}}}}" for n in range(30)) + "}",
    "the schema in a cycle": "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}",
    "a hundred operations": " ".join(f"query a{n}{{me{{kind}}}}" for n in range(100)),
    "lists in lists": "{project(slug:" + "[" * 700 + "]" * 700 + "){slug}}",
    "fragments in fragments": "{" + "...{" * 400 + "me{kind}" + "}" * 401,
    "a comment of fifty kilobytes": "#" + "x" * 50_000 + "\n{me{kind}}",
    "a number of fifty kilobytes": '{project(slug:"demo"){events(first:' + "9" * 30_000 + "){nodes{id}}}}",
    "directives without end": "{me" + " @include(if:true)" * 500 + "{kind}}",
    "a megabyte of braces": "{" * 1_000_000,
    "half a hundred kilobytes of braces": "{" * 50_000,
    "a word of fifty kilobytes": '{project(slug:"' + "x" * 50_000 + '"){slug}}',
    "no operation": "",
    "two without a name": "{me{kind}} {me{kind}}",
    "garbage": "\x00\xff{{{",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_operations_are_refused_and_the_server_goes_on(admin: Any, name: str) -> None:
    began = time.perf_counter()
    answer = admin.send(HOSTILE[name])
    took = time.perf_counter() - began
    print(f"{name}: {answer.status_code} in {took * 1000:.0f} ms")
    if answer.headers["content-type"].startswith("application/json"):
        assert answer.json()["errors"], answer.text
        assert answer.json().get("data") is None
    else:
        assert answer.status_code == (413 if len(HOSTILE[name]) > 100_000 else 400)
    assert len(answer.content) < 20_000
    assert admin.ask("{me{kind}}") == {"me": {"kind": "KEY"}}


def test_ingest_continues_during_hostile_anonymous_operations(filled: Any, anonymous: Any) -> None:
    """Send each operation three times or more without a key, until several events were posted meanwhile."""
    stop = threading.Event()
    codes: list[int] = []

    def post() -> None:
        with httpx.Client(base_url=filled.url, timeout=10) as client:
            while not stop.is_set():
                codes.append(client.post("/v1/events", json={"name": "run", "installation_id": "x"}).status_code)

    posting = threading.Thread(target=post)
    posting.start()
    try:
        rounds, deadline = 0, time.monotonic() + 30
        while rounds < 3 or (len(codes) <= 5 and time.monotonic() < deadline):
            rounds += 1
            for query in HOSTILE.values():
                assert anonymous.send(query).status_code in (200, 400, 413, 429)
    finally:
        stop.set()
        posting.join()
    assert len(codes) > 5
    assert set(codes) == {202}


def test_a_client_with_many_refused_operations_is_rejected_unparsed(make_server: Callable[..., Any]) -> None:
    token = "ff_the-admin-token-of-the-tests-0123456789"
    server = make_server(FOOTFALL_ADMIN_TOKEN=token).start()
    admin = Asker(server.url, token)
    loud, calm = (Asker(server.url, admin.run("CreateKey", scopes=["READ"])["createKey"]["secret"]) for _ in range(2))
    hostile = "{" + "me{kind}" * 140 + "}"
    assert {loud.send(hostile).status_code for _ in range(30)} == {200}
    answer = loud.send(hostile)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (429, "LIMITED")
    assert loud.send("{me{kind}} #" + "x" * 1_000).status_code == 429  # any operation
    assert loud.send("{me{kind}}").status_code == 429  # even a short one
    assert loud.run("OverviewPage", slug="default")  # persisted
    assert calm.send(hostile).status_code == 200
    assert calm.ask("{me{kind}} #" + "x" * 1_000)
    for each in (admin, loud, calm):
        each.client.close()


@pytest.mark.slow
def test_anonymous_operations_and_guessed_keys_are_limited(make_server: Callable[..., Any]) -> None:
    token = "ff_the-admin-token-of-the-tests-0123456789"
    server = make_server(FOOTFALL_ADMIN_TOKEN=token).start()
    anonymous, known, wrong = Asker(server.url, None), Asker(server.url, token), Asker(server.url, "ff_wrong")
    logged_in = Asker(server.url, None)
    assert logged_in.client.post("/login", data={"token": token}).status_code == 303
    assert {anonymous.send("{me{kind}}").status_code for _ in range(240)} == {200}
    answer = anonymous.send("{me{kind}}")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (429, "LIMITED")
    assert int(answer.headers["retry-after"]) > 0
    assert {wrong.send("{me{kind}}").status_code for _ in range(60)} == {401}
    assert wrong.send("{me{kind}}").status_code == 429
    assert known.send("{me{kind}}").status_code == 429  # otherwise, guessing could continue
    assert logged_in.ask("{me{kind}}") == {"me": {"kind": "SESSION"}}
    assert server.client.post("/v1/events", json={"name": "run", "installation_id": "x"}).status_code == 202
    for each in (wrong, anonymous, known, logged_in):
        each.client.close()


@pytest.mark.parametrize(
    "asked",
    [
        " ".join(f"a{n}:series(period:{{last:100}},step:HOUR){{starts}}" for n in range(4)),
        "versions(period:{last:1700},first:50){starts}",
        " ".join(f"a{n}:activeUsers(period:{{last:700}}){{starts}}" for n in range(20)),
        " ".join(f"a{n}:ledger(period:{{last:1800}}){{starts}}" for n in range(20)),
        " ".join(f"a{n}:retention(period:{{last:1600}}){{start}}" for n in range(5)),
    ],
)
def test_responses_that_would_be_too_long_are_refused(admin: Any, asked: str) -> None:
    """Encoding a response blocks the event loop."""
    assert admin.refused('{project(slug:"demo"){' + asked + "}}") == "TOO_COMPLEX"
    assert admin.ask('{project(slug:"demo"){series(period:{last:60},step:HOUR){starts} ledger(period:{last:1800}){starts}}}')


@pytest.mark.parametrize(
    ("query", "variables", "says"),
    [
        ("query($n:Int!){project(slug:\"demo\"){events(first:$n){totalCount}}}", {"n": "hush"}, "Variable '$n'"),
        ("query($f:EventFilter){project(slug:\"demo\"){events(filter:$f){totalCount}}}", {"f": {"hush": "hush hush"}}, "EventFilter"),
        ("query($f:EventFilter){project(slug:\"demo\"){events(filter:$f){totalCount}}}", {"f": {"audience": "hush hush"}}, ".audience"),
        ("query($f:EventFilter){project(slug:\"demo\"){events(filter:$f){totalCount}}}", {"f": {"names": [{"a": "hush hush"}]}}, ".names[0]"),
        ("query($p:PeriodInput){project(slug:\"demo\"){events(period:$p){totalCount}}}", {"p": {"from": "hush hush"}}, ".from"),
        ("{project(slug:\"demo\"){events(first:\"hush hush\"){totalCount}}}", {}, "Int cannot represent"),
        ("{project(slug:\"demo\"){events(filter:{audience:\"hush hush\"}){totalCount}}}", {}, "'Audience'"),
        ("{project(slug:\"demo\"){install(hash:\"hush hush\"){hash}}}", {}, "A hash must be"),
        ("{me{kind} \"hush hush\"}", {}, "Syntax Error"),
    ],
)  # fmt: skip
def test_validation_errors_have_a_code_and_repeat_no_value(admin: Any, query: str, variables: dict[str, Any], says: str) -> None:
    answer = admin.send(query, **variables)
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_INPUT"
    assert says in error["message"]
    assert "hush hush" not in answer.text
    assert "'hush'" not in error["message"].partition("unknown field")[0]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[]", "application/json"), (b"{", "application/json"), (b"null", "application/json"), (b'{"query": 1}', "application/json"),
        (b'{"query": "{me{kind}}", "variables": []}', "application/json"), (b'[{"query": "{me{kind}}"}]', "application/json"),
        (b'{"query": "{me{kind}}"}', "text/plain"), (b"query={me{kind}}", "application/x-www-form-urlencoded"), (b"[" * 50_000, "application/json"),
        (b'{"extensions": {"persistedQuery": 1}}', "application/json"), (b"\xff", "application/json"),
    ],
)  # fmt: skip
def test_an_invalid_operation_is_refused(admin: Any, body: bytes, kind: str) -> None:
    answer = admin.client.post("/graphql", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_INPUT"


def test_get_runs_no_operation(admin: Any) -> None:
    before = len(admin.ask("{auditLog{id}}")["auditLog"])
    for accepted in ("*/*", "application/json", "text/html"):
        query = 'mutation{runJob(name:"expire"){errors{message}}}'
        answer = admin.client.get("/graphql", params={"query": query}, headers={"Accept": accepted})
        assert answer.status_code in (404, 405) or answer.headers["content-type"].startswith("text/html")
        assert "data" not in answer.text or "<html" in answer.text
    assert len(admin.ask("{auditLog{id}}")["auditLog"]) == before


def test_a_cookie_counts_only_on_pages_of_this_server(asker: Any, filled: Any) -> None:
    browser = asker(None)
    from_login = browser.client.post("/login", data={"token": "ff_the-admin-token-of-the-tests-0123456789"})
    assert from_login.status_code == 303
    assert browser.ask("{me{kind}}")["me"]["kind"] == "SESSION"
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        answer = browser.client.post("/graphql", json={"query": "{me{kind}}"}, headers=headers)
        assert answer.json() == {"data": {"me": None}}, headers
    own = browser.client.post("/graphql", json={"query": "{me{kind}}"}, headers={"Origin": filled.url, "Sec-Fetch-Site": "same-origin"})
    assert own.json() == {"data": {"me": {"kind": "SESSION"}}}


def bare(kind: Any) -> Any:
    while isinstance(kind, GraphQLNonNull | GraphQLList):
        kind = kind.of_type
    return kind


def literal(kind: Any) -> str:
    """Return a value for a required argument."""
    inner = bare(kind)
    if isinstance(inner, GraphQLScalarType):
        value = {"Int": "1", "Boolean": "true", "Hash": '"0000000000000000"'}.get(inner.name, '"default"')
    elif hasattr(inner, "values"):
        value = next(iter(inner.values))
    else:
        needed = {name: field for name, field in inner.fields.items() if is_required_input_field(field)}
        value = "{" + " ".join(f"{name}:{literal(field.type)}" for name, field in needed.items()) + "}"
    return f"[{value}]" if isinstance(kind.of_type if isinstance(kind, GraphQLNonNull) else kind, GraphQLList) else value


def leaf(kind: Any) -> str:
    """Return a minimal selection of a type."""
    inner = bare(kind)
    if not isinstance(inner, GraphQLObjectType):
        return ""
    for name, field in inner.fields.items():
        if not isinstance(bare(field.type), GraphQLObjectType) and not any(
            isinstance(each.type, GraphQLNonNull) for each in field.args.values()
        ):
            return "{" + name + "}"
    name, field = next(iter(inner.fields.items()))
    return "{" + name + leaf(field.type) + "}"


def call(name: str, field: Any) -> str:
    given = " ".join(f"{each}:{literal(its.type)}" for each, its in field.args.items() if is_required_argument(its))
    return f"{name}{f'({given})' if given else ''}{leaf(field.type)}"


def fields(kind: Any) -> list[tuple[str, Any]]:
    assert isinstance(kind, GraphQLObjectType)
    return list(kind.fields.items())


def test_every_field_requires_a_key(anonymous: Any) -> None:
    assert anonymous.ask("{me{kind}}") == {"me": None}
    for name, field in fields(SCHEMA.query_type):
        if name != "me":
            assert anonymous.refused("{" + call(name, field) + "}") == "UNAUTHENTICATED", name
    for name, field in fields(SCHEMA.mutation_type):
        assert anonymous.refused("mutation{" + call(name, field) + "}") == "UNAUTHENTICATED", name
    assert anonymous.send("{__schema{types{name}}}").json()["data"] is None
    assert anonymous.send('{__type(name:"Query"){name}}').json()["data"] is None


PUBLIC = {
    "slug", "name", "firstEvent", "overview", "series", "medians", "breakdown", "activeUsers", "newAndReturning", "retention", "versions", "trending",
    "minimumInstalls",
}  # fmt: skip


def test_a_public_dashboard_shows_its_charts_and_nothing_else(anonymous: Any, admin: Any) -> None:
    made = admin.run("CreateProject", slug="open", changes={"public": ["DASHBOARD"]})
    assert made["createProject"]["errors"] == []
    assert anonymous.ask("{projects{totalCount nodes{slug}}}") == {"projects": {"totalCount": 1, "nodes": [{"slug": "open"}]}}
    for name, field in fields(SCHEMA.type_map["Project"]):
        query = '{project(slug:"open"){' + call(name, field) + "}}"
        if name in PUBLIC:
            anonymous.ask(query)
        else:
            assert anonymous.refused(query) == "UNAUTHENTICATED", name
    for by in ("TARGET", "TOOL", "PROPERTY"):
        assert anonymous.refused('{project(slug:"open"){breakdown(by:' + by + "){otherValues}}}") == "UNAUTHENTICATED"
    for asked in ('{target:{type:"pack",id:"x"}}', '{targetType:"pack"}'):  # otherwise, filters would reveal private targets
        for chart in ("overview", "series", "retention", "activeUsers", "newAndReturning", "versions", "medians"):
            query = (
                '{project(slug:"open"){'
                + chart
                + "(filter:"
                + asked
                + ")"
                + leaf(dict(fields(SCHEMA.type_map["Project"]))[chart].type)
                + "}}"
            )
            assert anonymous.refused(query) == "UNAUTHENTICATED", query
    assert admin.run("ArchiveProject", slug="open")["archiveProject"]["errors"] == []
    assert anonymous.refused('{project(slug:"open"){slug}}') == "UNAUTHENTICATED"


def test_a_key_sees_its_own_project_only_and_reads_where_it_may_only_read(asker: Any, admin: Any) -> None:
    secret = admin.run("CreateKey", slug="demo", scopes=["READ"])["createKey"]["secret"]
    reader = asker(secret)
    assert reader.ask("{projects{totalCount nodes{slug}}}") == {"projects": {"totalCount": 1, "nodes": [{"slug": "demo"}]}}
    assert reader.ask('{project(slug:"demo"){ledger{received}}}')
    assert reader.refused('{project(slug:"default"){slug}}') == "NOT_FOUND"
    for query in (
        "{sessions{id}}",
        "{adminKeys{id}}",
        "{auditLog{id}}",
        '{project(slug:"demo"){keys{id}}}',
        "{server{version}}",
        "{jobs{name}}",
    ):
        assert reader.refused(query) == "FORBIDDEN", query
    for name, field in fields(SCHEMA.mutation_type):
        assert reader.refused("mutation{" + call(name, field).replace('slug:"default"', 'slug:"demo"') + "}") == "FORBIDDEN", name
    sender = asker(admin.run("CreateKey", slug="demo", scopes=["INGEST"])["createKey"]["secret"])
    assert sender.send("{me{kind}}").status_code == 403


def test_errors_name_the_field_and_the_log_repeats_no_value(admin: Any, filled: Any) -> None:
    for query, path in (
        ('{project(slug:"demo"){overview(period:{last:0}){events{value}}}}', "period.last"),
        ('{project(slug:"demo"){overview(period:{from:"2026-11-30T00:00:00Z",to:"2026-11-29T00:00:00Z"}){events{value}}}}', "period.to"),
        ('{project(slug:"demo"){events(first:1000){nodes{id}}}}', "first"),
        ('{project(slug:"demo"){events(after:"secret-cursor"){nodes{id}}}}', "after"),
        ('{project(slug:"demo"){breakdown(by:PROPERTY){otherValues}}}', "property"),
    ):
        error = admin.send(query).json()["errors"][0]
        assert error["extensions"]["code"] == "BAD_INPUT", error
        assert path in error["extensions"]["errors"][0]["path"], error
    admin.send('{project(slug:"demo"){event(id:"secret-cursor"){id}}}')
    admin.send('{nothing(a:"secret-cursor")}')
    assert "secret-cursor" not in Path(filled.log).read_text()


@pytest.mark.slow
def test_pages_are_bounded_and_follow_each_other(admin: Any) -> None:
    query = 'query($after:String){project(slug:"demo"){events(period:{last:90},first:100,after:$after){totalCount nodes{id} pageInfo{hasNextPage endCursor}}}}'
    seen, after = [], None
    while True:
        page = admin.ask(query, after=after)["project"]["events"]
        seen += [node["id"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert len(seen) == len(set(seen)) == page["totalCount"]
    assert seen == sorted(seen, reverse=True)
    for order in ("HASH", "LAST_SEEN", "FIRST_SEEN"):
        page_of = "{totalCount nodes{hash} pageInfo{hasNextPage endCursor}}"
        query = f'query($after:String){{project(slug:"demo"){{installs(orderBy:{order},first:100,after:$after){page_of}}}}}'
        hashes: list[str] = []
        after, more = None, True
        while more:
            page = admin.ask(query, after=after)["project"]["installs"]
            hashes += [node["hash"] for node in page["nodes"]]
            after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert len(hashes) == len(set(hashes)) == page["totalCount"], order


def test_json_of_properties_is_json(admin: Any) -> None:
    nodes = admin.ask('{project(slug:"demo"){events(period:{last:90},first:50){nodes{properties}}}}')["project"]["events"]["nodes"]
    assert any(isinstance(node["properties"], dict) for node in nodes)
    assert json.dumps(nodes)

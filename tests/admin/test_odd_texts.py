"""Unusual texts as arguments: each is refused or matches nothing, and none causes an internal error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.admin.conftest import Asker

ENGINES = ("sqlite", "postgres")
TOKEN = "ff_an-admin-token-of-this-test-only"
ODD = {"a zero": "a\0b", "a digit that is none": "²", "another script's digit": "٣", "long": "x" * 20_000, "a quote": "'; DROP TABLE event; --",
       "a pattern": "%_\\", "a line": "a\nb", "beyond": "\U0010ffff", "nothing": "", "a number": "999999999999999999999"}  # fmt: skip
PICKED = ("a zero", "long")  # what `make test` sends: one that engines refuse, and one that the server refuses
QUESTIONS = (
    "project(slug:$t){slug}", "auditLog(slug:$t){id}", "auditLog(before:$id){id}", "projects(after:$t){nodes{slug}}",
    *(f'project(slug:"default"){{{field}}}' for field in (
        "events(filter:{os:$t}){totalCount nodes{id}}", "overview(filter:{names:[$t]}){events{value}}", "events(filter:{target:{type:$t,id:$t}}){totalCount}",
        "breakdown(by:PROPERTY,property:$t){otherValues}", 'funnel(names:[$t,"b"]){name}', "experiment(property:$t,goal:$t){mixed}",
        "counters(type:$t,ids:[$id]){id}", "trending(type:$t){refreshedAt}", "failures(errorType:$t){id}", 'experiment(property:"x",goal:$t){mixed}',
        "installs(filter:{version:$t}){totalCount}",
        "event(id:$id){id}", "rejected(before:$t){id}", "installs(after:$t){totalCount}", "series(filter:{version:$t,runtime:$t}){events}",
    )),
)  # fmt: skip
CHANGES = (
    "createProject(slug:$t)", 'createProject(slug:"x",changes:{name:$t})', "archiveProject(slug:$t)", "createKey(scopes:[READ],name:$t)",
    "revokeKey(id:$id)", "revokeSession(id:$id)", "deleteAlert(id:$id)", "testAlert(id:$id)", "runJob(name:$t)",
    *(f'{change.partition("(")[0]}(slug:"default",{change.partition("(")[2]}' for change in (
        "updateProject(changes:{name:$t})", "updateProject(changes:{properties:[$t]})", "updateProject(changes:{hosts:[$t]})",
        "updateProject(changes:{rateLimit:$t})", "announceVersion(latest:{version:$t})", 'announceVersion(latest:{version:"1",updateUrl:$t})',
        'announceVersion(latest:{version:"1",releaseDate:$t})', 'setTarget(type:$t,id:"x")', 'setTarget(type:"x",id:$t)', "createKey(scopes:[READ],rateLimit:$t)",
        'createAlert(alert:{kind:NEW_ERROR,url:$t})', 'eraseInstall(installationId:$t)', "replayRejected(ids:[$id])",
    )),
)  # fmt: skip


@pytest.mark.engine_matters
@pytest.mark.timeout(300)  # thousands of requests
@pytest.mark.parametrize("names", [PICKED, pytest.param([name for name in ODD if name not in PICKED], marks=pytest.mark.slow)])
def test_no_text_causes_an_internal_error(make_server: Callable[..., Any], names: Sequence[str]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    asker = Asker(server.url, TOKEN)
    for name in names:
        text = ODD[name]
        for asked in (*QUESTIONS, *CHANGES):
            change = asked in CHANGES
            used = ", ".join(
                f"{each}: {kind}!" for each, kind in (("$t", "String"), ("$id", "ID")) if f":{each}" in asked or f"[{each}" in asked
            )
            query = f"{'mutation' if change else 'query'}({used}){{{asked}{'{errors{field code message}}' if change else ''}}}"
            document = asker.send(query, t=text, id=text).json()
            codes = {error["extensions"]["code"] for error in document.get("errors", [])}
            assert codes <= {"BAD_INPUT", "NOT_FOUND"}, (name, asked, document)
            if len(text) > 5 and change:
                assert text not in str(document), (name, asked)
    assert "graphql_failed" not in server.log.read_text()
    assert asker.ask("{me{kind}}")
    asker.client.close()
